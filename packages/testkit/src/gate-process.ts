/** One gate-node of its own on this machine, from source unless told otherwise, for tests and benchmarks that need no cluster. */
import { join } from "node:path";
import { Child } from "./child.ts";
import { freePorts } from "./ports.ts";
import { awaitService } from "./readiness.ts";
import { SERVICE_ENV, SERVICE_NODE_ARGS } from "./service-flags.ts";
import { REPO } from "./tool-paths.ts";

export interface GateProcessOptions {
  /** Flags beside the addresses; they name at least the policies or a config file. */
  readonly args: readonly string[];
  /** Default: as in the image. */
  readonly nodeArgs?: readonly string[];
  /** What is run; default the source. */
  readonly main?: string;
  /** What runs the command, such as `["taskset", "-c", "0"]`; default nothing. */
  readonly under?: readonly string[];
}

export interface GateProcess extends AsyncDisposable {
  /** `host:port`. */
  readonly address: string;
  readonly adminUrl: string;
  readonly child: Child;
}

/** Resolves once the node is ready, on free ports of the loopback address. Disposing kills it. */
export async function startGateProcess(options: GateProcessOptions): Promise<GateProcess> {
  const [port, adminPort] = await freePorts(2);
  const address = `127.0.0.1:${port}`;
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  const main = options.main ?? join(REPO, "services/gate-node/src/main.ts");
  const nodeArgs = options.nodeArgs ?? SERVICE_NODE_ARGS;
  const flags = ["--listen", address, "--admin-listen", `127.0.0.1:${adminPort}`, ...options.args];
  const [command, ...args] = [...(options.under ?? []), process.execPath, ...nodeArgs, main, ...flags];
  const name = "gate-node";
  const child = new Child({ name, command: command as string, args, env: SERVICE_ENV });
  child.start();
  try {
    await awaitService({ name, address, adminUrl, logs: async () => child.log, isRunning: () => child.isRunning });
  } catch (error) {
    await child.end("SIGKILL");
    throw error;
  }
  return {
    address,
    adminUrl,
    child,
    [Symbol.asyncDispose]: async () => {
      await child.end("SIGKILL");
    },
  };
}
