/** The text forms of the rules, read in the most obvious way: durations, windows, patterns, addresses, numbers. */

/** Whole seconds. */
export function secondsOf(duration: string): number {
  const text = duration.trim();
  const units = new Map([
    ["s", 1],
    ["m", 60],
    ["h", 3600],
    ["d", 86_400],
  ]);
  const unit = units.get(text.slice(-1));
  return unit === undefined ? Number(text) : Number(text.slice(0, -1)) * unit;
}

/** Exact, or a prefix before a trailing `.*` or `*`. */
export function matches(pattern: string, value: string): boolean {
  if (pattern.endsWith(".*")) return value.startsWith(pattern.slice(0, pattern.length - 2));
  if (pattern.endsWith("*")) return value.startsWith(pattern.slice(0, pattern.length - 1));
  return pattern === value;
}

/** Both ends inclusive; a start later than the end goes over midnight. */
export function isInWindow(window: string, nowMs: number): boolean {
  const [hours = "", zone = "UTC"] = window.split(" ");
  const [from = "", to = ""] = hours.split("-");
  const second = Math.floor(nowMs / 1000);
  const shown = new Date(second * 1000).toLocaleTimeString("en-GB", { timeZone: zone, hour12: false });
  const now = clockMs(shown) + (nowMs - second * 1000);
  const start = clockMs(`${from}:00`);
  const end = clockMs(`${to}:00`);
  return start <= end ? now >= start && now <= end : now >= start || now <= end;
}

function clockMs(text: string): number {
  const [hours, minutes, seconds] = text.split(":").map(Number) as [number, number, number];
  return ((hours * 60 + minutes) * 60 + seconds) * 1000;
}

/** The one spelling of an address: RFC 5952, or dotted where it is IPv4 or carries one. */
export function addressText(text: string): string {
  const groups = groupsOf(text);
  if (groups === undefined) return text;
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  const [high = 0, low = 0] = groups.slice(6);
  if (mapped) return [high >> 8, high & 255, low >> 8, low & 255].join(".");
  return shortened(groups);
}

/** Eight groups of 16 bits; of IPv4 text nothing, which is its own one spelling. */
function groupsOf(text: string): number[] | undefined {
  if (!text.includes(":")) return undefined;
  const hex = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const group = (x: string, y: string) => (Number(x) * 256 + Number(y)).toString(16);
    return `${group(a, b)}:${group(c, d)}`;
  });
  const [left = "", right] = hex.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const middle = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  return [...head, ...middle, ...tail].map((group) => Number.parseInt(group, 16));
}

/** The longest run of zeros, the first of equals, is `::`; a single zero stays. */
function shortened(groups: readonly number[]): string {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.at < 0) return hex.join(":");
  return `${hex.slice(0, best.at).join(":")}::${hex.slice(best.at + best.length).join(":")}`;
}

/** Without exponent. */
export function plain(value: number): string {
  if (Object.is(value, -0)) return "-0";
  const [digits = "", power] = String(value).split("e");
  if (power === undefined) return digits;
  const sign = digits.startsWith("-") ? "-" : "";
  const [whole = "", fraction = ""] = digits.replace("-", "").split(".");
  let text = whole + fraction;
  let point = whole.length + Number(power);
  while (point < 1) {
    text = `0${text}`;
    point++;
  }
  while (point > text.length) text = `${text}0`;
  return point === text.length ? sign + text : `${sign}${text.slice(0, point)}.${text.slice(point)}`;
}
