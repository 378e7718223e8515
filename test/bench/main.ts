/** `pnpm bench`: measures Evaluate beside a bare HTTP/2 server and a grpc-js server, in one run, and holds it to its bars. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { type ContestantName, startContestants } from "./contestants.ts";
import { pinnedCores } from "./cores.ts";
import { measureEngines } from "./engine.ts";
import { demandH2load } from "./load.ts";
import { allBarsOf, asJson, asText, type Measured, type Setting } from "./report.ts";
import { requestFrame } from "./request.ts";
import { type Bench, measure, measureAll, type Plan } from "./rounds.ts";
import { measureSigning } from "./signing.ts";

interface Options extends Plan {
  readonly json?: true;
  readonly check?: true;
}

/** Latency counts at this part of the peak rate. */
const EASY = 0.7;

function options(): Options {
  const command = new Command("bench")
    .description(
      "Evaluate, unsigned and signed, beside a bare node:http2 and a grpc-js server; the engine beside Cedar; and the signer, in one run.",
    )
    .option("--rounds <n>", "rounds, each over all servers", whole(1, 100), 3)
    .option("--seconds <n>", "length of one measurement", whole(1, 60), 3)
    .option("--warmup-seconds <n>", "load before the first measurement of each server", whole(1, 60), 4)
    .option("--json", "print one JSON document instead of tables")
    .option("--check", "exit with 1 when a bar is not met")
    .allowExcessArguments(false);
  return command.parse().opts<Options>();
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`must be ${min} to ${max}`);
    return value;
  };
}

async function main(): Promise<void> {
  const { json, check, ...plan } = options();
  await demandH2load();
  const otherLoad = loadavg()[0] ?? 0;
  const cores = pinnedCores();
  const folder = await mkdtemp(join(tmpdir(), "kavach-bench-"));
  try {
    const requestFile = join(folder, "request");
    const frame = requestFrame();
    await writeFile(requestFile, frame);
    const bench: Bench = { cores, folder, requestFile, progress: (step) => process.stderr.write(`${step}\n`) };
    const results = await run(bench, plan);
    const setting: Setting = {
      cores: cores.note,
      node: process.versions.node,
      cpu: `${cpus().length} x ${cpus()[0]?.model.trim()}`,
      otherLoad,
      requestBytes: frame.length,
      rounds: plan.rounds,
      seconds: plan.seconds,
    };
    const measured: Measured = {
      results,
      engines: await measureEngines(cores, bench.progress),
      signing: await measureSigning(bench.progress),
    };
    console.log(json ? asJson(measured, setting) : asText(measured, setting));
    if (check && allBarsOf(measured).some(({ met }) => !met)) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(bench: Bench, plan: Plan) {
  await using contestants = await startContestants(bench.cores, bench.folder);
  const figures = await measureAll(bench, contestants.all, plan);
  const rate = Math.floor((figures.get("signed")?.callsPerSecond ?? Number.NaN) * EASY);
  const atThatRate = async (name: ContestantName) => {
    const contestant = contestants.all.find((one) => one.name === name);
    if (contestant === undefined || Number.isNaN(rate)) throw new Error(`${name} was not measured`);
    bench.progress(`${name} at ${EASY * 100} % of the signed gate's peak`);
    return await measure(bench, contestant, { seconds: plan.seconds, rate });
  };
  return { figures, easy: await atThatRate("signed"), easyBare: await atThatRate("bareSigned") };
}

// Leaving by `exit` ends the servers too; a signal's own way out would leave them running.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
