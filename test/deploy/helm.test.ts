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
    const told = ["kavach-keys", "shared-redis", "permit-keys", "team-policies", "gate-tls"];
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
