/** Measures the contestants in turns, so that a busy minute of the machine falls on all of them, and takes medians. */
import { join } from "node:path";
import type { Child } from "@kavach/testkit";
import type { Contestant, ContestantName } from "./contestants.ts";
import type { Cores } from "./cores.ts";
import { type Load, type LoadOptions, runLoad, STREAMS } from "./load.ts";
import { cpuTimeUs, peakMemoryBytes } from "./usage.ts";

/** The two instants in a permit leave out trailing zeros, so answers differ by a few bytes; an error or a refusal differs by more. */
const ANSWER_SLACK_BYTES = 8;
/** A permit that was signed among others carries its path: at most 9 hashes of 32 bytes, each with tag and length. */
const PATH_BYTES_MAX = 9 * 34 + 3;

export interface Plan {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

export interface Figures {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the server; undefined where the system does not tell. */
  readonly cpuUsPerCall: number | undefined;
  readonly peakMemoryBytes: number | undefined;
}

interface Measured extends Load {
  readonly cpuUsPerCall: number | undefined;
}

export interface Bench {
  readonly cores: Cores;
  /** For the request and for h2load's log. */
  readonly folder: string;
  readonly requestFile: string;
  /** Told before each step. */
  readonly progress: (step: string) => void;
}

export async function measureAll(
  bench: Bench,
  contestants: readonly Contestant[],
  plan: Plan,
): Promise<ReadonlyMap<ContestantName, Figures>> {
  for (const contestant of contestants) {
    bench.progress(`warm-up, ${contestant.name}`);
    await measure(bench, contestant, { seconds: plan.warmupSeconds });
  }
  const measured = new Map(contestants.map(({ name }) => [name, [] as Measured[]]));
  for (let round = 1; round <= plan.rounds; round += 1) {
    for (const contestant of contestants) {
      bench.progress(`round ${round} of ${plan.rounds}, ${contestant.name}`);
      measured.get(contestant.name)?.push(await measure(bench, contestant, { seconds: plan.seconds }));
    }
  }
  return new Map(contestants.map((contestant) => [contestant.name, figuresOf(contestant, measured)]));
}

/** Throws when calls fail, or when what came back is not as long as a right answer. */
export async function measure(
  { cores, folder, requestFile }: Bench,
  { name, address, child, answerBytes }: Contestant,
  load: Pick<LoadOptions, "seconds" | "rate">,
): Promise<Measured> {
  const before = cpuTimeOf(child);
  const logFile = join(folder, "calls.log");
  const result = await runLoad({ ...load, address, requestFile, logFile, under: cores.load }).catch((cause: Error) => {
    const state = child.isRunning ? "is running" : "has ended";
    throw new Error(`${name} ${state}; its log ends:\n${child.log.slice(-4_000)}\n${cause.message}`, { cause });
  });
  const after = cpuTimeOf(child);
  demandRightLength(name, answerBytes, result);
  const cpuUsPerCall = before === undefined || after === undefined ? undefined : (after - before) / result.calls;
  return { ...result, cpuUsPerCall };
}

function cpuTimeOf({ pid }: Child): number | undefined {
  return pid === undefined ? undefined : cpuTimeUs(pid);
}

function demandRightLength(name: ContestantName, right: number, { calls, bytes }: Load): void {
  const least = calls * (right - ANSWER_SLACK_BYTES);
  // Answers that were still on their way at the end have sent bytes, and are no calls.
  const most = (calls + STREAMS) * (right + ANSWER_SLACK_BYTES + (name === "signed" ? PATH_BYTES_MAX : 0));
  if (bytes < least || bytes > most) {
    throw new Error(`${name}: ${calls} answers hold ${bytes} bytes, and a right one ${right}: they are something else`);
  }
}

function figuresOf({ name, child }: Contestant, measured: ReadonlyMap<ContestantName, readonly Measured[]>): Figures {
  const rounds = measured.get(name) ?? [];
  const cpu = rounds.flatMap(({ cpuUsPerCall }) => cpuUsPerCall ?? []);
  return {
    callsPerSecond: median(rounds.map(({ callsPerSecond }) => callsPerSecond)),
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
    cpuUsPerCall: cpu.length === 0 ? undefined : median(cpu),
    peakMemoryBytes: child.pid === undefined ? undefined : peakMemoryBytes(child.pid),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}
