/** The chart: it lints, renders what two Kubernetes versions take strictly, hangs together, and refuses bad values. */
import { join } from "node:path";
import { REPO } from "@kavach/testkit";
import { describe, expect, it } from "vitest";
import {
  CHART,
  execute,
  helm,
  type Manifest,
  manifestsOf,
  podsOf,
  rendered,
  selects,
  validated,
  valuesFile,
} from "./chart.ts";

const VALUES = ["smallest", "own-objects", "everything"];
const VERSIONS = ["1.33.0", "1.36.0"];

async function manifests(values: string): Promise<Manifest[]> {
  return manifestsOf(await rendered(valuesFile(values)));
}

describe.each(VALUES)("with values %s", (values) => {
  it("lints without a warning", async () => {
    const { code, output } = await helm("lint", "--strict", CHART, "-f", valuesFile(values));
    expect(output).toContain("0 chart(s) failed");
    expect(code).toBe(0);
  });

  it.each(VERSIONS)("is taken by the strict schemas of Kubernetes %s", async (version) => {
    const { code, output } = await validated(await rendered(valuesFile(values)), version);
    expect(code, output).toBe(0);
    expect(output).toContain("passed for resource deployment/");
  });

  it("runs every container as the restricted Pod Security Standard wants it", async () => {
    const pods = podsOf(await manifests(values));
    expect(pods).toHaveLength(2);
    for (const { spec } of pods) {
      expect(spec.automountServiceAccountToken).toBe(false);
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
      for (const { securityContext } of spec.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
      }
    }
  });

  it("has every selector choose exactly one kind of pod, and every target port exist there", async () => {
    const all = await manifests(values);
    const pods = podsOf(all);
    for (const { kind, metadata, spec } of all) {
      const selector = spec?.podSelector?.matchLabels ?? spec?.selector?.matchLabels ?? spec?.selector;
      if (selector === undefined) continue;
      const chosen = pods.filter((pod) => selects(selector as Record<string, string>, pod.metadata.labels));
      expect(chosen, `${kind} ${metadata.name}`).toHaveLength(1);
      if (kind !== "Service") continue;
      const names = chosen[0]?.spec.containers.flatMap(({ ports }) => ports.map(({ name }) => name));
      for (const port of spec?.ports ?? []) expect(names).toContain(port.targetPort);
    }
  });

  it("mounts only volumes it declares, from objects it makes or was told of", async () => {
    const all = await manifests(values);
    const made = new Set(all.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
    const told = ["kavach-keys", "shared-redis", "permit-keys", "audit-keys", "team-policies", "gate-tls"];
    const exists = (kind: string, name: string) => made.has(`${kind}/${name}`) || told.includes(name);
    for (const { spec } of podsOf(all)) {
      const volumes = spec.volumes ?? [];
      for (const { volumeMounts = [], env } of spec.containers) {
        expect(volumeMounts.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name));
        for (const { valueFrom } of env) {
          const secret = valueFrom?.secretKeyRef?.name;
          if (secret !== undefined) expect(exists("Secret", secret), secret).toBe(true);
        }
      }
      for (const { secret, configMap } of volumes) {
        if (secret) expect(exists("Secret", secret.secretName), secret.secretName).toBe(true);
        if (configMap) expect(exists("ConfigMap", configMap.name), configMap.name).toBe(true);
      }
    }
  });

  it("starts the services with flags they know", async () => {
    for (const { spec } of podsOf(await manifests(values))) {
      for (const { args } of spec.containers) {
        const [service, ...flags] = args;
        const main = join(REPO, "services", String(service), "src/main.ts");
        const { output } = await execute(process.execPath, [main, "--help"]);
        for (const flag of flags) expect(output).toContain(`${flag.split("=")[0]} `);
      }
    }
  });
});

it("runs three gate-nodes and two fan-outs where nothing else is said, and lets gRPC clients see each pod", async () => {
  const all = await manifests("smallest");
  const replicas = all
    .filter(({ kind }) => kind === "Deployment")
    .map(({ metadata, spec }) => [metadata.name, spec?.replicas]);
  expect(new Map(replicas as [string, number][])).toEqual(
    new Map([
      ["kavach", 3],
      ["kavach-fanout", 2],
    ]),
  );
  const headless = all.find(({ metadata }) => metadata.name === "kavach-headless");
  expect(headless?.spec).toMatchObject({ clusterIP: "None" });
  expect(headless?.spec?.ports?.[0]).toMatchObject({ name: "grpc", appProtocol: "kubernetes.io/h2c" });
});

describe("lets a gate-node write", () => {
  const gateNode = async (values: string) => {
    const pod = podsOf(await manifests(values)).find(({ spec }) => spec.containers[0]?.name === "gate-node");
    if (pod === undefined) throw new Error("no gate-node");
    const { args = [], volumeMounts = [] } = pod.spec.containers[0] ?? {};
    const flags = new Map(args.slice(1).map((arg) => arg.split("=") as [string, string]));
    const state = pod.spec.volumes?.find(({ name }) => name === "state");
    return { flags, state, mounts: volumeMounts, volumes: pod.spec.volumes ?? [] };
  };

  it.each(VALUES)("in one place alone, where it remembers the manifest it saw: values %s", async (values) => {
    const { flags, mounts } = await gateNode(values);
    expect(mounts.filter(({ readOnly }) => readOnly !== true)).toEqual([
      { name: "state", mountPath: "/var/lib/kavach" },
    ]);
    for (const flag of ["--seen-version", "--audit-dir"]) {
      const path = flags.get(flag);
      if (path !== undefined) expect(path).toMatch(/^\/var\/lib\/kavach\//);
    }
    expect(flags.get("--seen-version")).toBe("/var/lib/kavach/manifest-seen");
  });

  it("an audit log of its own for every pod, signed by a key that no other purpose has, on a volume that stays", async () => {
    const { flags, state, volumes } = await gateNode("everything");
    expect(flags.get("--audit-dir")).toBe("/var/lib/kavach/audit/$(KAVACH_NODE_ID)");
    expect(flags.get("--audit-mode")).toBe("best_effort");
    expect(flags.get("--audit-key")).toBe("/etc/kavach/audit/audit.key");
    expect(volumes.find(({ name }) => name === "audit-key")?.secret).toMatchObject({
      secretName: "audit-keys",
      items: [{ key: "signing.key", path: "audit.key" }],
    });
    expect(state).toEqual({ name: "state", persistentVolumeClaim: { claimName: "gate-state" } });
  });

  it("no audit log where none is asked for, and nothing that outlives the pod", async () => {
    const { flags, state } = await gateNode("smallest");
    expect([...flags.keys()].filter((flag) => flag.startsWith("--audit") || flag.startsWith("--pass"))).toEqual([]);
    expect(flags.has("--permit-format")).toBe(false);
    expect(state).toEqual({ name: "state", emptyDir: {} });
  });

  it("with keys that are encrypted, in a Secret of its own or of the chart", async () => {
    for (const [values, key] of [
      ["own-objects", "pass"],
      ["everything", "passphrase.txt"],
    ] as const) {
      const { flags, volumes } = await gateNode(values);
      expect(flags.get("--passphrase-file")).toBe("/etc/kavach/keys/passphrase");
      const keys = volumes.find(({ name }) => name === "keys")?.secret;
      expect(keys).toMatchObject({ items: expect.arrayContaining([{ key, path: "passphrase" }]) });
    }
    const secret = (await manifests("everything")).find(({ metadata }) => metadata.name === "authz-keys");
    expect(secret?.data).toMatchObject({ "passphrase.txt": "cGFzcw==" });
  });

  it("permits of the format that is named", async () => {
    const { output } = await helm(
      "template",
      "kavach",
      CHART,
      "-f",
      valuesFile("smallest"),
      "--set",
      "gateNode.permitFormat=v1",
    );
    expect(output).toContain("- --permit-format=v1");
  });
});

it("makes no Secret of keys that was not given", async () => {
  const secrets = (await manifests("smallest"))
    .filter(({ kind }) => kind === "Secret")
    .map(({ metadata }) => metadata.name);
  expect(secrets).toEqual(["kavach-redis"]);
});

it("carries policies to the ConfigMap unchanged", async () => {
  const maps = (await manifests("everything")).filter(({ kind }) => kind === "ConfigMap");
  const policies = maps.find(({ metadata }) => metadata.name === "authz-policies");
  expect(policies?.data?.["policies.toml"]).toBe('version = 1\n# a comment with $dollars, {{braces}} and "quotes"\n');
});

it("is judged by schemas that see an unknown field", async () => {
  const broken = (await rendered(valuesFile("smallest"))).replace("  replicas: 3", "  replicas: 3\n  replicsa: 3");
  const { code, output } = await validated(broken, "1.36.0");
  expect(code).not.toBe(0);
  expect(output).toContain("replicsa");
});

describe("refuses", () => {
  it.each([
    ["an unknown key", "gateNode.replicsa=3", "additional properties 'replicsa' not allowed"],
    ["an unknown key at the top", "replicas=3", "additional properties 'replicas' not allowed"],
    ["no replica", "gateNode.replicas=0", "minimum: got 0, want 1"],
    ["a lease beyond its bound", "gateNode.leaseMs=60001", "maximum: got 60,001, want 60,000"],
    ["a lease that is no number", "gateNode.leaseMs=soon", "got string, want integer"],
    ["a Redis that is none", "redis.url=http://redis:6379", "/redis/url"],
    ["a flag that is none", "gateNode.extraArgs[0]=log-level", "/gateNode/extraArgs/0"],
    ["a digest that is none", "image.digest=latest", "/image/digest"],
    ["keys that are not Base64", "keys.data.permitKey=***", "/keys/data/permitKey"],
    ["an eviction of all at once", "fanout.podDisruptionBudget.maxUnavailable=100%", "/fanout/podDisruptionBudget"],
    ["no image", "image.repository=", "image.repository: name the image"],
    ["no Redis", "redis.url=", "redis: give url, or existingSecret"],
    ["two places for Redis", "redis.existingSecret=other", "redis: give url or existingSecret, not both"],
    ["no keys", "keys.existingSecret=", "keys: there is no default key"],
    [
      "a passphrase beside a Secret that is yours",
      "keys.data.passphrase=cGFzcw==",
      "keys: give existingSecret or data, not both",
    ],
    ["a permit format that is none", "gateNode.permitFormat=v3", "/gateNode/permitFormat"],
    ["an audit log without a key", "audit.enabled=true", "audit.existingSecret: name the Secret"],
    ["an audit log that dies with its pod", "audit.enabled=true,audit.existingSecret=x", "gone with their pods"],
    ["an audit mode that is none", "audit.mode=sometimes", "/audit/mode"],
    ["a claim that is no name", "state.existingClaim=Not A Name", "/state/existingClaim"],
    ["no policies", "policies.toml=", "policies: give toml"],
    [
      "two places for policies",
      "policies.existingConfigMap=other",
      "policies: give toml or existingConfigMap, not both",
    ],
    ["strangers as callers", "insecure=false", "callers would not be authenticated"],
  ])("%s", async (_, value, message) => {
    const { code, output } = await helm("template", "kavach", CHART, "-f", valuesFile("smallest"), "--set", value);
    expect(output).toContain(message);
    expect(code).not.toBe(0);
  });
});
