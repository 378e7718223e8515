/** Who called, as a running node writes it into its audit log. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PeerCertificate } from "node:tls";
import { GateService } from "@kavach/api";
import { grpcServiceOf, openChannel } from "@kavach/client";
import { SYSTEM_CLOCK } from "@kavach/system";
import { awaitCondition, REPO, startGateProcess } from "@kavach/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuditLine, auditLines } from "./audit-fixture.ts";
import { callerText } from "./caller.ts";

const CONFIG = join(REPO, "examples/gate-node.toml");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-caller-"));
  await openssl("req", "-x509", ...KIND, "-subj", "/CN=test authority", "-keyout", at("ca.key"), "-out", at("ca.crt"));
  await certificate("server", "/CN=localhost", "DNS:localhost,IP:127.0.0.1");
  await certificate("payments", "/CN=ignored", "URI:spiffe://mesh/payments");
  await certificate("reports", "/CN=ignored", "DNS:reports.mesh,DNS:reports.other");
  await certificate("plain", "/O=Acme, Inc./CN=plain");
});
afterAll(() => rm(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const KIND = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
async function openssl(...args: string[]): Promise<void> {
  execFileSync("openssl", args, { stdio: "pipe" });
}
async function certificate(name: string, subject: string, alternative?: string): Promise<void> {
  const [key, request, out] = [at(`${name}.key`), at(`${name}.csr`), at(`${name}.crt`)];
  await openssl("req", ...KIND.slice(0, -2), "-subj", subject, "-keyout", key, "-out", request);
  await writeFile(at(`${name}.ext`), alternative === undefined ? "" : `subjectAltName=${alternative}\n`);
  const signed = ["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-days", "2", "-extfile", at(`${name}.ext`)];
  await openssl("x509", "-req", "-in", request, ...signed, "-out", out);
}
const files = async (name: string) => ({
  ca: await readFile(at("ca.crt"), "utf8"),
  cert: await readFile(at(`${name}.crt`), "utf8"),
  key: await readFile(at(`${name}.key`), "utf8"),
});

/** Somebody who says in every field there is that they are somebody else. */
const item = (n: number) => ({
  context: {
    principal: { id: `agent-${n}`, kind: 2, roles: ["certificate:URI:spiffe://mesh/admin"] },
    action: { name: "issue_refund", params: { caller: { kind: { case: "stringValue", value: "admin" } } } },
  },
});

async function askAll(address: string, tls?: Awaited<ReturnType<typeof files>>): Promise<void> {
  const channel = openChannel({
    endpoints: [address],
    clock: SYSTEM_CLOCK,
    ...(tls && { tls: { ...tls, serverName: "localhost" } }),
  });
  const gate = grpcServiceOf(GateService, channel);
  await gate.evaluate(item(1) as never);
  await gate.evaluateBatch({ items: [item(2), item(3)] } as never);
  const stream = gate.evaluateStream();
  await stream.send({ id: 1n, request: item(4) } as never);
  stream.end();
  for await (const answer of stream) expect(answer.result.case).toBe("response");
  channel.close();
}

const JSON_BODY = JSON.stringify({
  context: { principal: { id: "agent-5", kind: "PRINCIPAL_KIND_AGENT" }, action: { name: "issue_refund" } },
});
const JSON_HEADERS = { "content-type": "application/json", "x-forwarded-for": "10.9.9.9", "x-caller": "admin" };

function askJsonOverTls(address: string, tls: Awaited<ReturnType<typeof files>>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const url = `https://${address}/kavach.v1.GateService/Evaluate`;
    const options = { ...tls, servername: "localhost", method: "POST", headers: JSON_HEADERS, agent: false } as const;
    httpsRequest(url, options, (response) => response.resume().on("end", () => resolve(response.statusCode)))
      .on("error", reject)
      .end(JSON_BODY);
  });
}

async function callersIn(dir: string, count: number): Promise<Map<unknown, unknown>> {
  const lines = await awaitCondition(
    async () => {
      const found: AuditLine[] = await auditLines(dir);
      return found.length >= count && found;
    },
    { what: `${count} entries` },
  );
  expect(lines).toHaveLength(count);
  return new Map(lines.map(({ principal_id, caller }) => [principal_id, caller]));
}

const said = (caller: string) => new Map([1, 2, 3, 4, 5].map((n) => [`agent-${n}`, caller]));

describe.each([["through the fast path"], ["through connect-node", "--fast-path", "false"]])("%s", (_, ...flags) => {
  it.each([
    ["payments", "certificate:URI:spiffe://mesh/payments"],
    ["reports", "certificate:DNS:reports.mesh, DNS:reports.other"],
    ["plain", "certificate:subject:O=Acme\\, Inc.,CN=plain"],
  ])("names a caller by the certificate that was verified: %s", async (name, caller) => {
    const dir = await mkdtemp(join(folder, "audit-"));
    const door = ["--tls-cert", at("server.crt"), "--tls-key", at("server.key"), "--tls-client-ca", at("ca.crt")];
    await using node = await startGateProcess({ args: ["--config", CONFIG, "--audit-dir", dir, ...door, ...flags] });
    await askAll(node.address, await files(name));
    expect(await askJsonOverTls(node.address, await files(name))).toBe(200);
    expect(await callersIn(dir, 5)).toEqual(said(caller));
  });

  it("says of a caller without a certificate that nobody proved it, and from where it came", async () => {
    const dir = await mkdtemp(join(folder, "audit-"));
    await using node = await startGateProcess({ args: ["--config", CONFIG, "--audit-dir", dir, ...flags] });
    await askAll(node.address);
    const url = `http://${node.address}/kavach.v1.GateService/Evaluate`;
    expect((await fetch(url, { method: "POST", headers: JSON_HEADERS, body: JSON_BODY })).status).toBe(200);
    expect(await callersIn(dir, 5)).toEqual(said("unauthenticated:127.0.0.1"));
  });
});

describe("the text of a caller", () => {
  const of = (certificate: Partial<PeerCertificate>) =>
    callerText({ address: "10.0.0.1", certificate: { fingerprint256: "AA:BB", ...certificate } as PeerCertificate });
  it("falls back to the certificate's digest where a name is missing, or too long for an entry", () => {
    expect(of({ subjectaltname: `DNS:${"a".repeat(1021)}` })).toBe("certificate:SHA-256:AA:BB");
    expect(of({ subjectaltname: `DNS:${"a".repeat(1020)}` })).toBe(`certificate:DNS:${"a".repeat(1020)}`);
    expect(of({})).toBe("certificate:SHA-256:AA:BB");
    expect(of({ subject: { OU: ["a", "b=c"] } as never })).toBe("certificate:subject:OU=a,OU=b\\=c");
  });
  it("keeps an address that is gone apart from a name", () => {
    expect(callerText({ address: "", certificate: undefined })).toBe("unauthenticated:unknown");
  });
});
