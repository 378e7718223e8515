/** The servers that are measured, each a process of its own, each shown to answer rightly before it counts. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  awaitCondition,
  Child,
  freePorts,
  REPO,
  SERVICE_ENV,
  SERVICE_NODE_ARGS,
  startGateProcess,
} from "@kavach/testkit";
import { demandVerifies, permitOf } from "./ask.ts";
import type { Cores } from "./cores.ts";
import { grpcFrame } from "./request.ts";
import { HOST, LISTENING } from "./servers/listening.ts";

const CONFIG = join(REPO, "examples/gate-node.toml");
const POLICIES = join(REPO, "examples/policies/refunds.toml");

export const TITLES = {
  bareUnsigned: "bare node:http2, bytes of the unsigned answer",
  grpcJs: "grpc-js, the same gate, unsigned",
  unsigned: "Kavach, unsigned",
  bareSigned: "bare node:http2, bytes of the signed answer",
  signed: "Kavach gate-node, signed",
} as const;

export type ContestantName = keyof typeof TITLES;

export interface Contestant {
  readonly name: ContestantName;
  readonly address: string;
  readonly child: Child;
  /** Length of one right answer in DATA frames. */
  readonly answerBytes: number;
}

export interface Contestants extends AsyncDisposable {
  readonly all: readonly Contestant[];
}

/** Starts all of them; they stay idle until they are measured. Disposing kills them. */
export async function startContestants(cores: Cores, folder: string): Promise<Contestants> {
  await using children = new AsyncDisposableStack();
  const start = (script: string, argument: string) => startServer(children, cores, script, argument);

  const gate = children.use(
    await startGateProcess({
      main: await bundledGateNode(folder),
      args: ["--config", CONFIG, "--store", "memory"],
      under: cores.server,
    }),
  );
  const signed = await enter("signed", { address: gate.address, child: gate.child });
  await demandVerifies(gate.address, signed.token);
  const unsigned = await enter("unsigned", await start("servers/unsigned.ts", POLICIES));
  const grpcJs = await enter("grpcJs", await start("servers/grpc-js.ts", POLICIES));
  for (const { contestant, token } of [unsigned, grpcJs]) {
    if (token.length > 0) throw new Error(`${TITLES[contestant.name]}: its permit must not be signed`);
  }

  const bareUnsigned = await enterBare("bareUnsigned", unsigned.message);
  const bareSigned = await enterBare("bareSigned", signed.message);
  const entries = [bareUnsigned, grpcJs, unsigned, bareSigned, signed];
  const started = children.move();
  return {
    all: entries.map(({ contestant }) => contestant),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };

  async function enterBare(name: ContestantName, message: Uint8Array) {
    const file = join(folder, `${name}.answer`);
    await writeFile(file, grpcFrame(message));
    return await enter(name, await start("servers/bare-http2.ts", file));
  }
}

/** The service as it ships: from source it would hold the memory of the TypeScript compiler too. */
async function bundledGateNode(folder: string): Promise<string> {
  const out = join(folder, "services");
  await promisify(execFile)(process.execPath, ["tools/build.ts", "--bundle", "--out", out], { cwd: REPO });
  return join(out, "gate-node/main.js");
}

interface Started {
  readonly address: string;
  readonly child: Child;
}

async function startServer(
  children: AsyncDisposableStack,
  cores: Cores,
  script: string,
  argument: string,
): Promise<Started> {
  const [port] = await freePorts(1);
  const path = join(import.meta.dirname, script);
  const [command, ...args] = [...cores.server, process.execPath, ...SERVICE_NODE_ARGS, path, String(port), argument];
  const child = new Child({ name: script, command: command as string, args, env: SERVICE_ENV });
  children.defer(async () => {
    await child.end("SIGKILL");
  });
  child.start();
  await awaitCondition(() => child.log.includes(LISTENING), {
    what: `start of ${script}`,
    hopeless: () => (child.isRunning ? undefined : "it ended"),
    detail: () => child.log.slice(-4_000),
  });
  return { address: `${HOST}:${port}`, child };
}

/** One real call that must be answered with a permit. */
async function enter(name: ContestantName, { address, child }: Started) {
  const { message, token } = await permitOf(address);
  const answerBytes = grpcFrame(message).length;
  const contestant: Contestant = { name, address, child, answerBytes };
  return { contestant, message, token };
}
