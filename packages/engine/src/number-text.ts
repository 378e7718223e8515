/** Numbers as reasons print them: plainly, without exponent. */

/** The shortest digits that read back as the same number: `1000`, `0.0000001`, `1000000000000000000000`. */
export function plainNumber(value: number): string {
  const text = Object.is(value, -0) ? "-0" : String(value);
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return text;
  const [, sign = "", whole = "", fraction = "", exponentText = "0"] = match;
  const exponent = Number(exponentText);
  const digits = whole + fraction;
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  return sign + digits.padEnd(exponent + 1, "0");
}

/** One digit after the point. */
export function oneDecimal(value: number): string {
  return Math.abs(value) < 1e21 ? value.toFixed(1) : `${plainNumber(value)}.0`;
}
