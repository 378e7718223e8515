/** IP addresses by value: two spellings of one address are the same address. */
import ipaddr from "ipaddr.js";

/** Four decimal parts without leading zeros. The library's own test reads octal and hexadecimal first and takes ten times as long. */
const DOTTED = /^(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;

/**
 * The one spelling of an address: dotted for IPv4 and for IPv4 carried in IPv6 (`::ffff:10.0.0.1`), RFC 5952 for IPv6.
 * Undefined for text that is no address: shortened or octal IPv4, zone ids and blanks are none.
 */
export function canonicalAddress(text: string): string | undefined {
  if (!text.includes(":")) return DOTTED.test(text) ? text : undefined;
  const address = parseIpv6(text);
  if (address === undefined) return undefined;
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String();
}

/** True for text that is an IPv4 or IPv6 address. */
export function isAddress(text: string): boolean {
  return text.includes(":") ? parseIpv6(text) !== undefined : DOTTED.test(text);
}

/** The longest text of an IPv6 address: eight groups, the last two dotted. */
const IPV6_LENGTH_MAX = 45;

function parseIpv6(text: string): ipaddr.IPv6 | undefined {
  if (text.length > IPV6_LENGTH_MAX || text.includes("%")) return undefined;
  const hex = withoutDots(text);
  if (hex === undefined) return undefined;
  try {
    return ipaddr.IPv6.parse(hex);
  } catch {
    return undefined;
  }
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
  if (!DOTTED.test(tail)) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = tail.split(".").map(Number);
  return `${text.slice(0, cut)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}
