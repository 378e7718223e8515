/** Load from h2load: unary gRPC calls on 64 streams of one connection, for a given time, over and over the same request. */
import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { EVALUATE_PATH } from "./ask.ts";

export const STREAMS = 64;

export const H2LOAD_MISSING =
  "h2load is not installed. Debian, Ubuntu: apt-get install nghttp2-client; macOS: brew install nghttp2";

export interface LoadOptions {
  /** `host:port`, clear text. */
  readonly address: string;
  readonly seconds: number;
  /** File with the framed request. */
  readonly requestFile: string;
  /** File for h2load's one line a call; made anew. */
  readonly logFile: string;
  /** Put before the command. */
  readonly under: readonly string[];
  /** Calls a second; default as many as there are answers. */
  readonly rate?: number;
}

export interface Load {
  readonly calls: number;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Length of all that came back in DATA frames. */
  readonly bytes: number;
}

/** Throws when h2load is missing, or when any call failed, as far as HTTP can tell. */
export async function runLoad(options: LoadOptions): Promise<Load> {
  const { address, seconds, requestFile, logFile, under, rate } = options;
  const [command, ...args] = [
    ...under,
    "h2load",
    ...["--clients=1", "--threads=1", `--max-concurrent-streams=${STREAMS}`, `--duration=${seconds}`],
    ...(rate === undefined ? [] : [`--rps=${rate}`]),
    ...["--header=content-type: application/grpc", "--header=te: trailers", `--data=${requestFile}`],
    `--log-file=${logFile}`,
    `http://${address}${EVALUATE_PATH}`,
  ];
  // h2load appends to what is there.
  await rm(logFile, { force: true });
  const output = await run(command as string, args, (seconds + 30) * 1000);
  const { total, succeeded, lost, bytes } = readSummary(output);
  if (succeeded === 0 || lost > 0) throw new Error(`${address}: ${lost} of ${total} calls failed\n${output}`);
  const durations = durationsMs(await readFile(logFile, "utf8"));
  return {
    calls: succeeded,
    callsPerSecond: succeeded / seconds,
    p50Ms: quantile(durations, 0.5),
    p99Ms: quantile(durations, 0.99),
    bytes,
  };
}

/** What h2load says at its end. Throws where it says something else than expected. */
export function readSummary(output: string): { total: number; succeeded: number; lost: number; bytes: number } {
  const requests = /^requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored/m.exec(output);
  const traffic = /^traffic: .* \((\d+)\) data$/m.exec(output);
  if (requests === null || traffic === null) throw new Error(`h2load's summary is not understood:\n${output}`);
  const [, total, succeeded, failed, errored] = requests;
  return {
    total: Number(total),
    succeeded: Number(succeeded),
    lost: Number(failed) + Number(errored),
    bytes: Number(traffic[1]),
  };
}

/** Columns: start, status, microseconds until the end of the answer. */
export function durationsMs(log: string): Float64Array {
  const lines = log.trimEnd().split("\n");
  return Float64Array.from(lines, (line) => Number(line.slice(line.lastIndexOf("\t") + 1)) / 1000).sort();
}

export function quantile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

function run(command: string, args: readonly string[], timeoutMs: number): Promise<string> {
  const options = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: 16 * 1024 * 1024 } as const;
  return new Promise((resolve, reject) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else
        reject(error.code === "ENOENT" ? new Error(H2LOAD_MISSING) : new Error(`h2load: ${error.message}\n${stderr}`));
    });
  });
}

/** Throws, saying how to install it, where h2load is missing. */
export async function demandH2load(): Promise<void> {
  await run("h2load", ["--version"], 10_000);
}
