/** When a part of a cluster counts as started. */
import { connect } from "node:net";
import { awaitCondition } from "./await-condition.ts";

/** What the waits need to know of a part that is starting. */
export interface Starting {
  readonly name: string;
  readonly address: string;
  readonly adminUrl: string;
  logs(): Promise<string>;
  /** False once it has ended: then nobody waits for it any more. */
  isRunning(): boolean | Promise<boolean>;
}

/** A service: its admin port says so. */
export function awaitService(part: Starting): Promise<void> {
  return until(part, async () => (await fetch(`${part.adminUrl}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok);
}

/** Redis: it answers a PING. While it loads its file it accepts connections and answers with an error. */
export function awaitRedis(part: Starting): Promise<void> {
  return until(part, async () => (await ask(part.address, "PING\r\n")).startsWith("+PONG"));
}

/** Envoy: a balancer that has not seen its hosts healthy yet answers for none of them, although it listens. */
export function awaitEnvoy(part: Starting, gates: number): Promise<void> {
  const url = `${part.adminUrl}/stats?filter=cluster.gates.membership_healthy`;
  return until(part, async () => {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return (await answer.text()).trim().endsWith(`: ${gates}`);
  });
}

async function until(part: Starting, isReady: () => Promise<boolean>): Promise<void> {
  await awaitCondition(isReady, {
    what: `start of ${part.name}`,
    hopeless: async () => ((await part.isRunning()) ? undefined : "it ended"),
    detail: async () => `its log ends:\n${(await part.logs()).slice(-4_000)}`,
  });
}

function ask(address: string, question: string): Promise<string> {
  const at = address.lastIndexOf(":");
  return new Promise((resolve, reject) => {
    const socket = connect(Number(address.slice(at + 1)), address.slice(0, at), () => socket.write(question));
    socket.setTimeout(2_000, () => socket.destroy(new Error("no answer within 2 s")));
    socket.setEncoding("utf8").once("data", (answer: string) => {
      socket.destroy();
      resolve(answer);
    });
    socket.once("error", reject);
    socket.once("end", () => reject(new Error("connection ended")));
  });
}
