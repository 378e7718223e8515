/** A caller in another language: stock grpcio and generated stubs against a gate-node of its own. */
import { rm } from "node:fs/promises";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts, type GateProcess, REPO, startGateProcess } from "@kavach/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Ended, preparePython, type RunExample } from "./python-environment.ts";

const PERMIT_FILE = join(tmpdir(), `kavach-python-${process.pid}.permit`);

let example: RunExample;
let gate: GateProcess;

beforeAll(async () => {
  example = await preparePython();
  gate = await startGateProcess({ args: ["--config", join(REPO, "examples/gate-node.toml"), "--store", "memory"] });
}, 240_000);

afterAll(async () => {
  await gate?.[Symbol.asyncDispose]();
  await rm(PERMIT_FILE, { force: true });
});

function refund(...args: string[]): Promise<Ended> {
  return example("refund.py", "--address", gate.address, "--deadline", "10", ...args);
}

function verify(...args: string[]): Promise<Ended> {
  return example("verify.py", "--address", gate.address, "--deadline", "10", "--permit-file", PERMIT_FILE, ...args);
}

test("a refund within the policy is permitted, and its permit covers exactly that refund", async () => {
  const permitted = await refund("--amount", "500", "--permit-file", PERMIT_FILE);
  expect(permitted.output).toMatch(/^permit [0-9a-f-]{36} by policy agent_small_refunds, void from \d{4}-\S+Z\n$/);
  expect(permitted.code).toBe(0);

  const same = await verify("--amount", "500");
  expect(same.output).toMatch(/^holds: agent-bot may issue_refund, signed by key [0-9a-f]{32}\n$/);
  expect(same.code).toBe(0);

  expect(await verify("--amount", "501")).toEqual({ code: 1, output: "does not hold: PARAMS_MISMATCH\n" });
  const other = await verify("--amount", "500", "--principal", "another-bot");
  expect(other).toEqual({ code: 1, output: "does not hold: PRINCIPAL_MISMATCH\n" });
});

test("a refund that no policy permits is refused", async () => {
  expect(await refund("--amount", "5000")).toEqual({
    code: 1,
    output: "refuse NO_POLICY_MATCH by policy: no policy permits 'issue_refund' for principal 'agent-bot'\n",
  });
});

test("a malformed request is not permitted, and names the field", async () => {
  const { code, output } = await refund("--amount", "500", "--principal", "");
  expect(output).toMatch(/^not permitted: INVALID_ARGUMENT: context\.principal\.id: \S.*\n$/);
  expect(code).toBe(1);
});

test("a gate that is not there permits nothing", async () => {
  const [port] = await freePorts(1);
  const { code, output } = await example("refund.py", "--address", `127.0.0.1:${port}`, "--amount", "500");
  expect(output).toMatch(/^not permitted: UNAVAILABLE: /);
  expect(code).toBe(1);
});

test("a wrong command line has an exit code that is no verdict's", async () => {
  expect((await example("refund.py", "--amount", "much")).code).toBe(64);
});

// What no gate of ours answers, and a caller must survive all the same.
test.for([
  ["no verdict", (stream: ServerHttp2Stream) => answer(stream, Buffer.alloc(0)), /^not permitted: the answer holds no/],
  // Field 31, a message, which this contract does not know: a verdict of some later version.
  ["an unknown verdict", (stream: ServerHttp2Stream) => answer(stream, Buffer.from([0xfa, 0x01, 0x00])), /holds no/],
  [
    "bytes that are no message",
    (stream: ServerHttp2Stream) => answer(stream, Buffer.from([0xff])),
    /^not permitted: INT/,
  ],
  ["silence", (stream: ServerHttp2Stream) => stream.resume(), /^not permitted: DEADLINE_EXCEEDED/],
] as const)("an answer of %s permits nothing", async ([_name, reply, expected]) => {
  const server = createServer().on("stream", reply);
  const address = await listen(server);
  try {
    const { code, output } = await example("refund.py", "--address", address, "--amount", "500", "--deadline", "1");
    expect(output).toMatch(expected);
    expect(code).toBe(1);
  } finally {
    server.close();
  }
});

function answer(stream: ServerHttp2Stream, message: Buffer): void {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, 5);
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(frame);
}

function listen(server: Http2Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}
