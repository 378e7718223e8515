/** IP addresses by value: two spellings of one address are the same address. */
import ipaddr from "ipaddr.js";

/**
 * The one spelling of an address: dotted for IPv4 and for IPv4 carried in IPv6 (`::ffff:10.0.0.1`), RFC 5952 for IPv6.
 * Undefined for text that is no address: shortened or octal IPv4, zone ids and blanks are none.
 */
export function canonicalAddress(text: string): string | undefined {
  if (!text.includes(":")) return ipaddr.IPv4.isValidFourPartDecimal(text) ? text : undefined;
  const hex = withoutDots(text);
  if (hex === undefined || hex.includes("%") || !ipaddr.IPv6.isValid(hex)) return undefined;
  const address = ipaddr.IPv6.parse(hex);
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String();
}

/** True when both are addresses of one value. Text that is no address equals nothing, itself included. */
export function sameAddress(a: string, b: string): boolean {
  const left = canonicalAddress(a);
  return left !== undefined && left === canonicalAddress(b);
}

/** A dotted tail as two hex groups: the parser would read `::1.2.3.4` as another address, and `08.0.0.1` as octal. */
function withoutDots(text: string): string | undefined {
  if (!text.includes(".")) return text;
  const cut = text.lastIndexOf(":") + 1;
  const tail = text.slice(cut);
  if (!ipaddr.IPv4.isValidFourPartDecimal(tail)) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = tail.split(".").map(Number);
  return `${text.slice(0, cut)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}
