/** How a client names the servers it calls: one name that resolves to many addresses, or a list of them. */
import { experimental } from "@grpc/grpc-js";
import { InputError } from "@kavach/model";

/** Scheme of a list of `host:port`, one connection each; grpc-js itself only knows lists of bare addresses. */
const LIST_SCHEME = "kavach-list";

export interface Target {
  readonly target: string;
  /** Host of the first endpoint: the name that a TLS certificate must carry unless another is given. */
  readonly host: string;
}

/**
 * `"dns:///name:port"` and `"name:port"` stand for every address of the name, asked again when connections fail. A list stands for
 * one connection to each entry. Throws `InputError` for an entry without a port.
 */
export function targetOf(endpoints: string | readonly string[]): Target {
  const entries = typeof endpoints === "string" ? [endpoints] : endpoints;
  const first = entries[0];
  if (first === undefined) throw new InputError([{ field: "endpoints", reason: "must name at least one server" }]);
  if (entries.length === 1) {
    const name = first.replace(/^dns:(\/\/\/)?/, "");
    return { target: `dns:///${name}`, host: parseEndpoint(name, "endpoints[0]").host };
  }
  const parsed = entries.map((entry, i) => parseEndpoint(entry, `endpoints[${i}]`));
  registerListScheme();
  return { target: `${LIST_SCHEME}:///${entries.join(",")}`, host: parsed[0]?.host ?? "" };
}

function parseEndpoint(entry: string, field: string): { host: string; port: number } {
  const parsed = /[/,\s]/.test(entry) ? null : experimental.splitHostPort(entry);
  const port = parsed?.port;
  if (parsed === null || parsed.host === "" || port === undefined || port < 1 || port > 65_535) {
    throw new InputError([{ field, reason: `must read host:port, is ${JSON.stringify(entry)}` }]);
  }
  return { host: parsed.host, port };
}

let registered: boolean = false;

function registerListScheme(): void {
  if (registered) return;
  registered = true;
  experimental.registerResolver(LIST_SCHEME, ListResolver);
}

/** A list never changes; a name in it is looked up by the system at each connection attempt. */
class ListResolver implements experimental.Resolver {
  readonly #listener: experimental.ResolverListener;
  readonly #endpoints: experimental.Endpoint[];
  #told: boolean = false;

  constructor(target: experimental.GrpcUri, listener: experimental.ResolverListener) {
    this.#listener = listener;
    this.#endpoints = hostPorts(target).map((address) => ({ addresses: [address] }));
  }

  updateResolution(): void {
    if (this.#told) return;
    this.#told = true;
    process.nextTick(() => {
      if (this.#told) this.#listener(experimental.statusOrFromValue(this.#endpoints), {}, null, "");
    });
  }

  destroy(): void {
    this.#told = false;
  }

  static getDefaultAuthority(target: experimental.GrpcUri): string {
    return target.path.split(",")[0] ?? "";
  }
}

function hostPorts(target: experimental.GrpcUri): { host: string; port: number }[] {
  return target.path.split(",").map((entry, i) => parseEndpoint(entry, `endpoints[${i}]`));
}
