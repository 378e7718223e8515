/** Options of the chain of format 1: one that nobody reads may be a defence that somebody believes in. */

/** The options themselves. Throws RangeError for what is no object, such as a flag in their place: it would read as no options at all. */
export function optionsOf<T extends object>(options: T): T {
  if (typeof options === "object" && options !== null) return options;
  throw new RangeError("options are an object");
}

/** `rest`: what is left of the options when all that are known were taken. Throws RangeError. */
export function expectNoOther(rest: object): void {
  const name = Object.keys(rest)[0];
  if (name !== undefined) throw new RangeError(`unknown option ${name}`);
}

/** Throws RangeError for what is neither true nor false: `null` would take Ed25519 away without a word. */
export function expectFlag(name: string, value: boolean): void {
  if (typeof value !== "boolean") throw new RangeError(`${name} is true or false`);
}
