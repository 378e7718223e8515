/** What the one package shows: its names and the members of its classes, kept in surface.snap.txt; `vitest run packages/kavach -u` after a change on purpose. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as client from "@kavach/client";
import * as gate from "@kavach/gate";
import * as model from "@kavach/model";
import { describe, expect, expectTypeOf, it } from "vitest";
import * as kavach from "./index.ts";
import * as redis from "./redis.ts";

/** One line for each export: of a class, its static members and those of its instances. */
function surfaceOf(names: object): string[] {
  return Object.entries(names)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, value]: [string, unknown]) => {
      if (typeof value !== "function") return [`${name}: ${typeof value}`];
      if (!/^class\b/.test(Function.prototype.toString.call(value))) return [`${name}(): function`];
      const own = (of: object, skip: readonly string[]) =>
        Reflect.ownKeys(of)
          .map(String)
          .filter((key) => !skip.includes(key))
          .sort();
      return [
        `class ${name}`,
        ...own(value, ["length", "name", "prototype"]).map((key) => `  static ${key}`),
        ...own(value.prototype as object, ["constructor"]).map((key) => `  ${key}`),
      ];
    });
}

describe("the public surface", () => {
  it("is what the snapshot says", async () => {
    const text = [...surfaceOf(kavach), "", "kavach/redis", ...surfaceOf(redis), ""].join("\n");
    await expect(text).toMatchFileSnapshot("./surface.snap.txt");
  });

  it("holds every name of the guide", () => {
    const guide = [
      "ActionContext",
      "DirectoryTokenVerifier",
      "Gate",
      "GeoLocation",
      "InMemoryInvalidationBroadcaster",
      "InMemorySessionStore",
      "Invalidated",
      "KavachKeyPair",
      "PermitToken",
      "PqTokenSigner",
      "PublicKeyDirectory",
      "Refused",
      "SecureChannel",
      "SignedAuditChain",
      "AuditEntry",
      "guarded",
      "guardedTool",
      "spawnInvalidationListener",
      "watchPolicyFile",
    ];
    expect(guide.filter((name) => !Object.hasOwn(kavach, name))).toEqual([]);
  });

  it("has a name for what its calls take and give", () => {
    expectTypeOf<Parameters<kavach.PermitVerifier["verify"]>[1]>().toEqualTypeOf<kavach.PermitVerifierExpectation>();
    expectTypeOf<ReturnType<kavach.PermitVerifier["verify"]>>().resolves.toEqualTypeOf<kavach.PermitVerification>();
    expectTypeOf<kavach.PermitVerifierOptions["directory"]>().toEqualTypeOf<kavach.KeyLookup>();
    expectTypeOf<Parameters<kavach.PermitSigner["seal"]>[0]>().toEqualTypeOf<kavach.PermitClaimsInit>();
    expectTypeOf<Parameters<kavach.SecureChannel["sendSigned"]>[1]>().toEqualTypeOf<kavach.SendOptions>();
    expectTypeOf<Parameters<kavach.SecureChannel["receiveSigned"]>[1]>().toEqualTypeOf<kavach.ReceiveOptions>();
    expectTypeOf<Parameters<typeof kavach.buildSignedManifest>[1]>().toEqualTypeOf<kavach.BuildOptions>();
    expectTypeOf(kavach.PublicKeyDirectory.fromSource).parameter(0).toEqualTypeOf<kavach.DirectorySource>();
    expectTypeOf(kavach.PublicKeyDirectory.fromSignedManifest)
      .parameter(0)
      .toEqualTypeOf<kavach.SignedManifestSource>();
  });

  it("has one class for each error, wherever it comes from", () => {
    expect([client.Refused, client.Invalidated]).toEqual([kavach.Refused, kavach.Invalidated]);
    expect([model.Refused, model.InputError]).toEqual([kavach.Refused, kavach.InputError]);
    expect(gate.GateError).toBe(kavach.GateError);
  });
});

describe("the client of Redis", () => {
  const LOADED = `
    import { registerHooks } from "node:module";
    const urls = [];
    registerHooks({ resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      urls.push(resolved.url);
      return resolved;
    } });
    await import(process.argv[1]);
    console.log(urls.some((url) => url.includes("/ioredis/")));`;

  it.each([
    ["index.ts", false],
    ["redis.ts", true],
  ])("is loaded by %s: %s", async (file, loaded) => {
    const args = ["--input-type=module", "-e", LOADED, new URL(file, import.meta.url).href];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout.trim()).toBe(String(loaded));
  });
});
