/** One container of a cluster, with the faults a test may put on it. */
import type { GenericContainer, getContainerRuntimeClient, StartedNetwork, WaitStrategy } from "testcontainers";
import type { ServiceNode } from "./cluster.ts";
import { ownerLabels } from "./owner.ts";
import type { Starting } from "./readiness.ts";

type Dockerode = Awaited<ReturnType<typeof getContainerRuntimeClient>>["container"]["dockerode"];

export interface ContainerSpec {
  /** Also its name on the network. */
  readonly name: string;
  readonly container: GenericContainer;
  readonly network: StartedNetwork;
  /** Inside the container. */
  readonly port: number;
  readonly adminPort: number;
  /** On this machine; fixed, so that the address survives stop and start. */
  readonly hostPort: number;
  readonly hostAdminPort: number;
  readonly ready: (part: Starting) => Promise<void>;
}

// The same wait serves the first start and every later one, so testcontainers' own is not used.
const NO_WAIT: WaitStrategy = {
  waitUntilReady: () => Promise.resolve(),
  withStartupTimeout: () => NO_WAIT,
  isStartupTimeoutSet: () => true,
  getStartupTimeout: () => 0,
};

export class ContainerNode implements ServiceNode, Starting {
  readonly name: string;
  readonly address: string;
  readonly adminUrl: string;
  readonly #spec: ContainerSpec;
  readonly #dockerode: Dockerode;
  #id: string | undefined;

  constructor(spec: ContainerSpec, dockerode: Dockerode) {
    this.name = spec.name;
    this.address = `127.0.0.1:${spec.hostPort}`;
    this.adminUrl = `http://127.0.0.1:${spec.hostAdminPort}`;
    this.#spec = spec;
    this.#dockerode = dockerode;
  }

  async start(): Promise<void> {
    if (this.#id === undefined) {
      const { container, network, name, port, adminPort, hostPort, hostAdminPort } = this.#spec;
      const started = await container
        .withNetwork(network)
        .withNetworkAliases(name)
        .withLabels(ownerLabels())
        .withExposedPorts({ container: port, host: hostPort }, { container: adminPort, host: hostAdminPort })
        .withWaitStrategy(NO_WAIT)
        .start();
      this.#id = started.getId();
    } else {
      await this.#handle.start();
    }
    await this.#spec.ready(this);
  }

  async kill(): Promise<void> {
    await this.#handle.kill({ signal: "SIGKILL" });
    await this.#handle.wait();
  }

  async stop(): Promise<number> {
    // Longer than a drain may take, so that the exit code is the service's own.
    await this.#handle.stop({ t: 30 });
    return (await this.#handle.inspect()).State.ExitCode;
  }

  async pause(): Promise<void> {
    await this.#handle.pause();
  }

  async unpause(): Promise<void> {
    await this.#handle.unpause();
  }

  async logs(): Promise<string> {
    if (this.#id === undefined) return "";
    const stream = await this.#handle.logs({ stdout: true, stderr: true, follow: false });
    return demultiplexed(stream);
  }

  async isRunning(): Promise<boolean> {
    return (await this.#handle.inspect()).State.Running;
  }

  async remove(): Promise<void> {
    if (this.#id !== undefined) await this.#handle.remove({ force: true, v: true });
  }

  get #handle() {
    if (this.#id === undefined) throw new Error(`${this.name} was never started`);
    return this.#dockerode.getContainer(this.#id);
  }
}

/** Docker frames what a container without a terminal writes: eight bytes of header, the last four of them the length. */
function demultiplexed(frames: Buffer): string {
  const parts: string[] = [];
  for (let at = 0; at + 8 <= frames.length; ) {
    const length = frames.readUInt32BE(at + 4);
    parts.push(frames.toString("utf8", at + 8, at + 8 + length));
    at += 8 + length;
  }
  return parts.join("");
}
