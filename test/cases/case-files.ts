/** Reads the files of decision cases: checks them, and fills each case with what its file says for all. */
import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import {
  type Ask,
  type CaseBody,
  type CaseOptions,
  caseFile,
  DOORS,
  type Door,
  type Expectation,
} from "./case-schema.ts";

export interface Case {
  /** Unique over all files: file and name. */
  readonly id: string;
  readonly source: CaseSource;
  readonly options: CaseOptions;
  readonly ask: Ask;
  readonly before: readonly { readonly ask: Ask; readonly times: number; readonly secondsAgo: number }[];
  readonly revoked: NonNullable<CaseBody["revoked"]>;
  readonly realm: string;
  /** Unix milliseconds; undefined: whenever it runs. */
  readonly nowMs: number | undefined;
  readonly doors: readonly Door[];
  readonly expect: Expectation;
}

export type CaseSource =
  | { readonly format: "object"; readonly value: unknown }
  | { readonly format: "toml" | "json"; readonly text: string };

export interface CaseFile {
  readonly file: string;
  readonly cases: readonly Case[];
}

const FOLDER = new URL("./", import.meta.url);

/** Throws where a file breaks the schema, or two cases have one name. */
export function readCaseFiles(): CaseFile[] {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith(".cases.yaml"));
  return names.sort().map((name) => readCaseFile(name));
}

function readCaseFile(name: string): CaseFile {
  const stem = name.replace(/\.cases\.yaml$/, "");
  return { file: name, cases: casesIn(stem, parse(readFileSync(new URL(name, FOLDER), "utf8"))) };
}

/** The cases of one file's content; `stem` names them. */
export function casesIn(stem: string, content: unknown): Case[] {
  const parsed = caseFile.safeParse(content);
  if (!parsed.success) throw new Error(`${stem}: ${z.prettifyError(parsed.error)}`);
  const { cases: bodies, about: _, ...common } = parsed.data;
  const cases = bodies.map((body) => caseOf(stem, { ...common, ...body, ask: { ...common.ask, ...body.ask } }));
  const twice = cases.find(({ id }, i) => cases.findIndex((other) => other.id === id) < i);
  if (twice !== undefined) throw new Error(`two cases are named ${twice.id}`);
  return cases;
}

type FullBody = CaseBody & { readonly ask: Ask };

function caseOf(stem: string, body: FullBody): Case {
  const ask = filled(body);
  const before = (body.before ?? []).map(({ ask: change, times, secondsAgo = 0 }) => ({
    ask: { ...ask, ...change },
    times,
    secondsAgo,
  }));
  const nowMs = body.now === undefined ? undefined : Date.parse(body.now);
  const made = {
    id: `${stem}: ${body.name}`,
    source: sourceOf(body),
    options: body.options ?? {},
    ask,
    before,
    revoked: body.revoked ?? [],
    realm: body.realm ?? "default",
    nowMs,
    expect: body.expect,
  };
  return { ...made, doors: doorsOf(made, body.doors) };
}

function sourceOf({ toml, json, source, policies }: FullBody): CaseSource {
  if (toml !== undefined) return { format: "toml", text: toml };
  if (json !== undefined) return { format: "json", text: json };
  return { format: "object", value: source === undefined ? { policies: policies ?? [] } : source };
}

/** Where the case can be told apart: a set clock and load errors only in process, revocation and observing only in a gate. */
function doorsOf(made: Omit<Case, "doors">, named: readonly Door[] | undefined): Door[] {
  const kind = typeof made.expect === "object" ? Object.keys(made.expect)[0] : "permit";
  const timed = made.nowMs !== undefined || made.before.some(({ secondsAgo }) => secondsAgo !== 0);
  // Only a gate remembers what was invalidated.
  const remembered =
    typeof made.expect === "object" && "refuse" in made.expect && made.expect.refuse === "SESSION_INVALID";
  const gated = remembered || made.revoked.length > 0 || made.options.observeOnly === true || made.realm !== "default";
  const loading = kind === "loadError" || kind === "optionError";
  return DOORS.filter((door) => {
    if (named !== undefined && !named.includes(door)) return false;
    if (timed && (door === "redis" || door === "grpc" || door === "json")) return false;
    if (gated && (door === "judge" || door === "engine")) return false;
    if (door === "judge" && (kind === "inputError" || made.source.format !== "object")) return false;
    // A gate of the SDK has one realm.
    if (door === "gate") return made.realm === "default";
    return !loading || door === "engine";
  });
}

/** The call, with what is left out taken out and what is spelt short spelt out. */
function filled({ ask, fill = {}, without = [] }: FullBody): Ask {
  const kept = Object.fromEntries(Object.entries(ask).filter(([key]) => !without.includes(key)));
  const { params, roles, paramCount, fullParams, ...texts } = fill;
  const long = Object.entries(texts).flatMap(([key, it]) => (it ? [[key, it.text.repeat(it.times)] as const] : []));
  const longParams = Object.entries(params ?? {}).map(([key, { text, times }]) => [key, text.repeat(times)] as const);
  const many = [
    ...Array.from({ length: paramCount ?? 0 }, (_, i) => [`n${i}`, i] as const),
    ...Array.from({ length: fullParams ?? 0 }, (_, i) => [`f${i}`, "x".repeat(4096)] as const),
  ];
  return {
    ...kept,
    ...Object.fromEntries(long),
    ...(roles !== undefined && { roles: Array.from({ length: roles }, (_, i) => `role-${i}`) }),
    ...((params ?? paramCount ?? fullParams) !== undefined && {
      params: Object.fromEntries([...Object.entries(ask.params ?? {}), ...longParams, ...many]),
    }),
  };
}
