/** Prints what was measured: for people as two tables, for programs as one JSON document. */
import { type Bar, barsOf, engineBarsOf, type Latency, type Results } from "./bars.ts";
import { type ContestantName, TITLES } from "./contestants.ts";
import type { EngineRates } from "./engine.ts";
import { STREAMS } from "./load.ts";
import { type SigningFigures, signingBarsOf } from "./signing.ts";

export interface Setting {
  readonly cores: string;
  readonly node: string;
  readonly cpu: string;
  /** The machine's load average before the run: what it was busy with is in every figure. */
  readonly otherLoad: number;
  readonly requestBytes: number;
  readonly rounds: number;
  readonly seconds: number;
}

/** All that one run has found. */
export interface Measured {
  readonly results: Results;
  readonly engines: EngineRates;
  readonly signing: SigningFigures;
}

export function allBarsOf({ results, engines, signing }: Measured): Bar[] {
  return [...barsOf(results), ...engineBarsOf(engines), ...signingBarsOf(signing)];
}

export function asJson(measured: Measured, setting: Setting): string {
  const { results, engines, signing } = measured;
  const contestants = [...results.figures].map(([name, figures]) => ({
    name,
    title: TITLES[name],
    ...figures,
    ofBare: figures.callsPerSecond / bareOf(results, name),
  }));
  const bars = allBarsOf(measured);
  return JSON.stringify(
    { setting, contestants, signedAt70Percent: results.easy, bareAtThatRate: results.easyBare, engines, signing, bars },
    undefined,
    2,
  );
}

export function asText(measured: Measured, setting: Setting): string {
  const { results, engines, signing } = measured;
  const { cores, node, cpu, otherLoad, requestBytes, rounds, seconds } = setting;
  return [
    `Node ${node}, ${cpu}; ${cores}; load average before ${otherLoad.toFixed(1)}`,
    `unary Evaluate, ${requestBytes} bytes, ${STREAMS} streams on one connection; medians of ${rounds} rounds of ${seconds} s`,
    "",
    ...table([["server", "calls/s", "of bare", "p50 ms", "p99 ms", "CPU us", "peak MB"], ...serverRows(results)]),
    "",
    ...table([["at 70 % of the signed gate's peak, in bursts of 10 ms", "p50 ms", "p99 ms"], ...latencyRows(measured)]),
    "",
    ...table([["engine in process, one core", "decisions/s"], ...engineRows(engines)]),
    "",
    ...table([["signer in process, 64 permits at a time", "permits/s", "loop p50 ms", "p99 ms"], signingRow(signing)]),
    "",
    ...table([["bar", "found", "wanted", ""], ...allBarsOf(measured).map(barRow)]),
  ].join("\n");
}

function serverRows(results: Results): string[][] {
  return [...results.figures].map(([name, figures]) => [
    TITLES[name],
    Math.round(figures.callsPerSecond).toLocaleString("en"),
    (figures.callsPerSecond / bareOf(results, name)).toFixed(2),
    figures.p50Ms.toFixed(2),
    figures.p99Ms.toFixed(2),
    figures.cpuUsPerCall?.toFixed(1) ?? "-",
    figures.peakMemoryBytes === undefined ? "-" : (figures.peakMemoryBytes / 1e6).toFixed(0),
  ]);
}

/** What a signed call is made of: the pace of the load and HTTP/2, the rest of a signature under way, and its own. */
function latencyRows({ results: { easy, easyBare }, signing }: Measured): string[][] {
  const row = (title: string, { p50Ms, p99Ms }: Latency) => [title, p50Ms.toFixed(2), p99Ms.toFixed(2)];
  return [
    row(TITLES.bareSigned, easyBare),
    row(TITLES.signed, easy),
    row("in process, a permit that is signed alone", { p50Ms: signing.aloneP50Ms, p99Ms: signing.aloneP99Ms }),
  ];
}

function engineRows({ kavach10, kavach100, kavach10000, cedar100, python100 }: EngineRates): string[][] {
  const shown = (rate: number) => Math.round(rate).toLocaleString("en");
  return [
    ["Kavach, plan and decide, 10 policies", shown(kavach10)],
    ["Kavach, 100 policies", shown(kavach100)],
    ["Kavach, 10,000 policies", shown(kavach10000)],
    ["Cedar in WebAssembly, parsed before, 100 policies", shown(cedar100)],
    [
      "kavach-sdk 0.1.5 (Python), unsigned, 100 policies",
      python100 === undefined ? "npm test installs it" : shown(python100),
    ],
  ];
}

function signingRow({ permitsPerSecond, loopDelayP50Ms, loopDelayP99Ms }: SigningFigures): string[] {
  const rate = Math.round(permitsPerSecond).toLocaleString("en");
  return ["PermitSigner, hybrid", rate, loopDelayP50Ms.toFixed(2), loopDelayP99Ms.toFixed(2)];
}

/** The ceiling of an answer of that length. */
function bareOf({ figures }: Results, name: ContestantName): number {
  const bare = name === "signed" || name === "bareSigned" ? "bareSigned" : "bareUnsigned";
  return figures.get(bare)?.callsPerSecond ?? Number.NaN;
}

function barRow({ name, found, atLeast, atMost, unit, met }: Bar): string[] {
  const wanted = atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`;
  return [name, `${found.toFixed(2)} ${unit}`.trim(), `${wanted} ${unit}`.trim(), met ? "met" : "NOT MET"];
}

/** The first column to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...body.map(line)];
}
