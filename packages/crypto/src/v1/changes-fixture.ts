/** Changes to a parsed JSON value, as the recorded cases describe them. */

export interface Op {
  readonly op: "set" | "remove" | "xor" | "append";
  readonly path: string;
  readonly value?: unknown;
}
export function apply(json: unknown, { op, path, value }: Op): void {
  const names = path.split("/").slice(1);
  const last = names.pop() ?? "";
  // biome-ignore lint/suspicious/noExplicitAny: a JSON value of any shape is walked.
  const parent = names.reduce((at: any, name) => at[name], json as any);
  if (op === "set") parent[last] = value;
  else if (op === "xor") parent[last] ^= value as number;
  else if (op === "append") parent[last].push(value);
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
}
