/** TLS on the one port: the protocol by ALPN, callers by certificate, and certificates that change while it runs. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { peerOf } from "./connection.ts";
import type { TlsFiles } from "./listener.ts";
import { EVALUATE, type Evaluate, testServer } from "./server.test-kit.ts";
import type { RunningServer } from "./server.ts";

let folder: string;
let first: TlsFiles;
let second: TlsFiles;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kavach-tls-"));
  first = selfSigned("first");
  second = selfSigned("second");
});

afterAll(() => rmSync(folder, { recursive: true }));

function selfSigned(name: string): TlsFiles {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost"];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...kind, ...subject, "-keyout", key, "-out", cert], { stdio: "pipe" });
  return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
}

async function dial(server: RunningServer, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port: server.port, servername: "localhost", ...options });
  onTestFinished(() => void socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

const HTTP1 = `POST ${EVALUATE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
const evaluate: Evaluate = (_request, context) => ({
  policyName: peerOf(context).certificate?.subject.CN?.toString() ?? "nobody",
});

async function ask(socket: TLSSocket): Promise<string> {
  socket.write(HTTP1);
  const [answer] = (await once(socket, "data")) as [Buffer];
  return answer.toString();
}

test("a connection that a client keeps in stock is no slow caller, and is ended when it stays unused", async () => {
  const limits = { headersTimeoutMs: 200, connectionAgeGraceMs: 700 };
  const server = await testServer({ evaluate }, limits, { tls: first });
  const [used, unused] = [await dial(server, { ca: first.cert }), await dial(server, { ca: first.cert })];
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(await ask(used)).toMatch(/^HTTP\/1.1 200/);
  const ended = once(unused, "end");
  unused.resume();
  await ended;
});

test("requests that come while a long answer is still on its way are answered after it", async () => {
  const long = "x".repeat(8 * 1024 * 1024);
  const server = await testServer({ evaluate: () => ({ policyName: long }) }, {}, { tls: first });
  const socket = await dial(server, { ca: first.cert });
  // Nobody reads, so the answer does not get away.
  socket.pause().write(HTTP1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  // A TLS record holds 16 KiB at most, so this is several of them, which reach the other end in one read.
  const body = `{}${" ".repeat(40_000)}`;
  socket.write(`${HTTP1.replace("content-length: 2", `content-length: ${body.length}`).slice(0, -2)}${body}`);
  socket.write(HTTP1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.byteLength;
  });
  socket.resume();
  await expect.poll(() => Math.floor(bytes / long.length), { timeout: 10_000 }).toBe(3);
});

test("ALPN picks HTTP/2", async () => {
  const socket = await dial(await testServer({ evaluate }, {}, { tls: first }), {
    ca: first.cert,
    ALPNProtocols: ["h2", "http/1.1"],
  });
  expect(socket.alpnProtocol).toBe("h2");
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
  const [settings] = (await once(socket, "data")) as [Buffer];
  expect(settings[3]).toBe(4);
});

test.for([[["http/1.1"]], [undefined]] as const)("ALPN %j gets HTTP/1.1", async ([protocols]) => {
  const server = await testServer({ evaluate }, {}, { tls: first });
  const socket = await dial(server, {
    ca: first.cert,
    ...(protocols === undefined ? {} : { ALPNProtocols: [...protocols] }),
  });
  expect(await ask(socket)).toMatch(/^HTTP\/1\.1 200/);
});

test("a caller without a certificate of the authority is not served, one with it is known by name", async () => {
  const server = await testServer({ evaluate }, {}, { tls: { ...first, clientCa: second.cert } });
  const stranger = await dial(server, { ca: first.cert });
  await expect(ask(stranger)).rejects.toThrow();
  expect(await ask(await dial(server, { ca: first.cert, key: second.key, cert: second.cert }))).toContain(
    '"policyName":"second"',
  );
});

test("a caller over HTTP/2 is known by name as well", async () => {
  const server = await testServer({ evaluate }, {}, { tls: { ...first, clientCa: second.cert } });
  const trust = { ca: first.cert, key: second.key, cert: second.cert, servername: "localhost" };
  const session = connectHttp2(`https://127.0.0.1:${server.port}`, trust);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":method": "POST", ":path": EVALUATE, "content-type": "application/json" });
  stream.end("{}");
  const [answer] = (await once(stream, "data")) as [Buffer];
  expect(answer.toString()).toContain('"policyName":"second"');
});

test("new certificates count for new connections; unusable ones change nothing", async () => {
  const server = await testServer({ evaluate }, {}, { tls: first });
  server.replaceTls(second);
  expect(() => server.replaceTls({ cert: "x", key: "y" })).toThrow(/cannot be used/);
  expect((await dial(server, { ca: second.cert })).getPeerCertificate().subject.CN).toBe("second");
});

test("bytes that are no TLS end their own connection alone", async () => {
  const server = await testServer({ evaluate }, {}, { tls: first });
  await expect(fetch(`http://127.0.0.1:${server.port}/`)).rejects.toThrow();
  expect(await ask(await dial(server, { ca: first.cert }))).toMatch(/^HTTP\/1\.1 200/);
});
