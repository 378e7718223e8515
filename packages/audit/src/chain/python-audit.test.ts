import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KavachKeyPair } from "@kavach/crypto";
import { describe, expect, it } from "vitest";
import { AuditChainError } from "./errors.ts";
import { linkFromLine, linkHash, linkToLine } from "./link.ts";
import { SignedAuditChain } from "./signed-audit-chain.ts";

interface Op {
  readonly op: "set" | "remove" | "xor";
  readonly path: string;
  readonly value?: unknown;
}
interface How {
  readonly raw?: string;
  readonly line?: number;
  readonly ops?: readonly Op[];
  readonly lines?: readonly number[];
  readonly then?: string;
  readonly join?: string;
  readonly ops_on_last?: readonly Op[];
  readonly lines_of?: readonly (readonly [string, number])[];
}
interface Case {
  readonly name: string;
  readonly file: string;
  readonly how?: How;
  readonly lines_of?: How["lines_of"];
  readonly bundle: string;
  readonly python: Readonly<Record<string, { readonly ok: boolean; readonly value?: number }>>;
}
interface Chain {
  readonly file: string;
  readonly mode: "hybrid" | "pq_only";
  readonly head_hash: string;
  readonly entries: readonly { readonly data_text: string; readonly hash_input_sha256: string }[];
}

const FOLDER = join(import.meta.dirname, "../../../../test/vectors/kavach-python");
const read = (file: string) => readFileSync(join(FOLDER, file), "utf8");
const linesOf = (file: string) => read(file).trimEnd().split("\n");
const { chains, cases } = JSON.parse(read("audit.json")) as { chains: Chain[]; cases: Case[] };
const bundles = new Map(
  JSON.parse(read("keys.json")).keypairs.map((key: { name: string; secret_bytes_b64: string }) => [
    key.name,
    KavachKeyPair.fromSecretBytes(Buffer.from(key.secret_bytes_b64, "base64")).publicKeys(),
  ]),
);

function apply(json: unknown, { op, path, value }: Op): void {
  const names = path.split("/").slice(1);
  const last = names.pop() ?? "";
  // biome-ignore lint/suspicious/noExplicitAny: a JSON value of any shape is walked.
  const parent = names.reduce((at: any, name) => at[name], json as any);
  if (op === "set") parent[last] = value;
  else if (op === "xor") parent[last] ^= value as number;
  else delete parent[last];
}

function changed(line: string, ops: readonly Op[]): string {
  const json = JSON.parse(line);
  for (const op of ops) apply(json, op);
  return JSON.stringify(json);
}

function contentOf({ file, how = {}, lines_of = how.lines_of }: Case): string {
  if (how.raw !== undefined) return how.raw;
  if (lines_of !== undefined) return lines_of.map(([from, index]) => linesOf(from)[index]).join("\n");
  let lines = linesOf(file);
  if (how.lines !== undefined) lines = how.lines.map((index) => lines[index] as string);
  if (how.line !== undefined) lines[how.line] = changed(lines[how.line] as string, how.ops ?? []);
  if (how.ops_on_last !== undefined) lines.push(changed(lines.pop() as string, how.ops_on_last));
  if (how.then !== undefined) lines.push(how.then);
  return lines.join(how.join ?? "\n");
}

const OPTIONS: Readonly<Record<string, { readonly hybrid?: boolean }>> = {
  inferred: {},
  "hybrid=true": { hybrid: true },
  "hybrid=false": { hybrid: false },
};

describe("audit chains of the Python package 0.1.5", () => {
  it.each(cases)("$name ($file): the same answers", (one) => {
    const blob = new TextEncoder().encode(contentOf(one));
    for (const [mode, { ok, value }] of Object.entries(one.python)) {
      const verify = () => SignedAuditChain.verifyJsonl(blob, bundles.get(one.bundle) as never, OPTIONS[mode]);
      if (ok) expect(verify(), mode).toBe(value);
      else expect(verify, mode).toThrow(AuditChainError);
    }
  });

  it.each(chains)("$file: read and written to the byte, and hashed alike", ({ file, entries, head_hash }) => {
    const links = linesOf(file).map(linkFromLine);
    expect(links.map(({ index, previousHash, payload }) => linkHash(index, previousHash, payload))).toEqual(
      entries.map((entry) => entry.hash_input_sha256),
    );
    expect(links.map((link) => new TextDecoder().decode(link.payload.data))).toEqual(
      entries.map((entry) => entry.data_text),
    );
    expect(links.map(linkToLine)).toEqual(linesOf(file));
    expect(links.at(-1)?.entryHash).toBe(head_hash);
  });

  it("are as many as there were", () => {
    expect([chains.length, cases.length]).toEqual([2, 55]);
  });
});
