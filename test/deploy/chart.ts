/** Renders the chart with the pinned helm and reads what comes out, for the tests beside. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REPO, toolPath } from "@kavach/testkit";
import { parseAllDocuments } from "yaml";

export const CHART = join(REPO, "deploy/helm/kavach");

export function valuesFile(name: string): string {
  return join(REPO, "test/deploy/values", `${name}.yaml`);
}

export interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** Never rejects for a failing command: its code and both its streams are the result. */
export function execute(command: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(command, args, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 127;
      resolve({ code, output: stdout + stderr });
    });
  });
}

export function helm(...args: readonly string[]): Promise<Outcome> {
  return execute(toolPath("helm"), args);
}

/** Standard output alone, since helm warns on the other stream. Rejects when the chart does not render. */
export async function rendered(values: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = ["template", "kavach", CHART, "--namespace", "authz", "-f", values];
    execFile(toolPath("helm"), args, (error, stdout, stderr) => (error ? reject(new Error(stderr)) : resolve(stdout)));
  });
}

/** Judges manifests by the strict schemas of one Kubernetes version: an unknown field is an error. */
export async function validated(manifests: string, version: string): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "kavach-chart-"));
  try {
    const path = join(folder, "rendered.yaml");
    await writeFile(path, manifests);
    return await execute(toolPath("kubernetes-validate"), ["--strict", "-k", version, path]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Labels = Readonly<Record<string, string>>;

/** What the tests look at; the schemas judge the rest. */
export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly replicas?: number;
    readonly selector?: Labels & { readonly matchLabels?: Labels };
    readonly podSelector?: { readonly matchLabels: Labels };
    readonly ports?: readonly { readonly name: string; readonly targetPort: string; readonly appProtocol?: string }[];
    readonly template?: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec };
  };
}

export interface PodSpec {
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly containers: readonly Container[];
  readonly volumes?: readonly {
    readonly name: string;
    readonly secret?: { readonly secretName: string; readonly items?: readonly unknown[] };
    readonly persistentVolumeClaim?: { readonly claimName: string };
    readonly emptyDir?: object;
    readonly configMap?: { readonly name: string };
  }[];
}

export interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly image: string;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly ports: readonly { readonly name: string }[];
  readonly env: readonly { readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string } } }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

export function manifestsOf(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

export function podsOf(manifests: readonly Manifest[]) {
  return manifests.flatMap(({ kind, metadata, spec }) =>
    kind === "Deployment" && spec?.template ? [{ name: metadata.name, ...spec.template }] : [],
  );
}

/** True where every label that a selector names is on the pod. */
export function selects(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
