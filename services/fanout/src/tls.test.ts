import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FanoutClient, type TlsOptions } from "@kavach/client";
import { UnavailableError } from "@kavach/model";
import { MemoryRevocationLog } from "@kavach/store";
import { SYSTEM_CLOCK } from "@kavach/system";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningFanout, startFanout } from "./fanout.ts";

const folder = mkdtempSync(join(tmpdir(), "kavach-tls-"));
const file = (name: string) => join(folder, name);
const text = (name: string) => readFileSync(file(name), "utf8");

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: "pipe" });
}

/** An authority of its own. */
function makeAuthority(name: string): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file(`${name}.key`)];
  openssl("req", "-x509", ...key, "-days", "2", "-subj", `/CN=${name}`, "-out", file(`${name}.pem`));
}

/** A certificate for `localhost` or for a client, signed by an authority. */
function makeCertificate(name: string, authority: string): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file(`${name}.key`)];
  openssl(
    "req",
    ...key,
    "-subj",
    `/CN=${name}`,
    "-addext",
    "subjectAltName=DNS:localhost",
    "-out",
    file(`${name}.csr`),
  );
  const signer = ["-CA", file(`${authority}.pem`), "-CAkey", file(`${authority}.key`), "-CAcreateserial"];
  openssl(
    "x509",
    "-req",
    "-in",
    file(`${name}.csr`),
    ...signer,
    "-days",
    "2",
    "-copy_extensions",
    "copy",
    "-out",
    file(`${name}.pem`),
  );
}

let fanout: RunningFanout;

beforeAll(async () => {
  for (const name of ["ours", "theirs"]) makeAuthority(name);
  makeCertificate("server", "ours");
  makeCertificate("node", "ours");
  makeCertificate("stranger", "theirs");
  fanout = await startFanout({
    log: new MemoryRevocationLog(SYSTEM_CLOCK),
    clock: SYSTEM_CLOCK,
    listen: { host: "127.0.0.1", port: 0 },
    tls: { cert: text("server.pem"), key: text("server.key"), clientCa: text("ours.pem") },
    heartbeatMs: 100,
    leaseMs: 300,
    events: { onOpened: () => {}, onReading: () => {}, onInternalError: () => {} },
  });
});

afterAll(async () => {
  await fanout.stop(0);
  rmSync(folder, { recursive: true, force: true });
});

async function headOver(host: string, tls: TlsOptions | undefined): Promise<unknown> {
  const client = new FanoutClient({ endpoints: `${host}:${fanout.main.port}`, ...(tls !== undefined && { tls }) });
  try {
    return await client.head();
  } catch (error) {
    return error;
  } finally {
    client.close();
  }
}

describe("mutual TLS", () => {
  const node = () => ({ ca: text("ours.pem"), cert: text("node.pem"), key: text("node.key") });

  test("lets in who has a certificate of the authority, under the name of the endpoint or the one given", async () => {
    expect(await headOver("localhost", node())).toHaveProperty("head");
    expect(await headOver("127.0.0.1", { ...node(), serverName: "localhost" })).toHaveProperty("head");
  });

  test.each<[string, string, () => TlsOptions | undefined]>([
    ["nobody in clear text", "localhost", () => undefined],
    ["nobody without a certificate", "localhost", () => ({ ca: text("ours.pem") })],
    [
      "no stranger",
      "localhost",
      () => ({ ca: text("ours.pem"), cert: text("stranger.pem"), key: text("stranger.key") }),
    ],
    ["no server of another authority", "localhost", () => ({ ...node(), ca: text("theirs.pem") })],
    ["no server of another name", "127.0.0.1", () => node()],
  ])("lets through %s", async (_, host, tls) => {
    expect(await headOver(host, tls())).toBeInstanceOf(UnavailableError);
  });
});
