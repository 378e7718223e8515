/** A channel to one or more servers: balancing, keepalive, reconnection, retries, and who the other side must be. */

import { isIP } from "node:net";
import type { DescMethod } from "@bufbuild/protobuf";
import { type ChannelOptions, Client, credentials } from "@grpc/grpc-js";
import { type Clock, InputError } from "@kavach/model";
import { targetOf } from "./endpoints.ts";

export interface TlsOptions {
  /** PEM. Absent: the certificate authorities that Node trusts. */
  readonly ca?: string;
  /** PEM of this side, for servers that ask for one; `cert` and `key` come together. */
  readonly cert?: string;
  readonly key?: string;
  /** Name that every server's certificate must carry. Default: the host of the first endpoint. */
  readonly serverName?: string;
}

export interface ChannelSettings {
  /** `"host:port"`, `"dns:///name:port"` (round robin over every address of the name), or a list of `"host:port"`. */
  readonly endpoints: string | readonly string[];
  /** Absent: clear text. */
  readonly tls?: TlsOptions;
  /** Deadlines are counted on it. */
  readonly clock: Pick<Clock, "nowMs">;
  /** Methods that are called once more after UNAVAILABLE, where a second call does no harm. */
  readonly retried?: readonly DescMethod[];
  /** Largest answer, bytes. Default 16 MiB: a snapshot of the revocation log is one message. */
  readonly responseBytesMax?: number;
}

const RESPONSE_BYTES_MAX = 16 * 1024 * 1024;

export interface Channel {
  readonly client: Client;
  readonly clock: Pick<Clock, "nowMs">;
  close(): void;
}

/** Connects on first use. Throws `InputError` for endpoints that cannot be read, and for half a client certificate. */
export function openChannel(settings: ChannelSettings): Channel {
  const { target, host } = targetOf(settings.endpoints);
  const { tls } = settings;
  // An address is no server name; the channel then demands a certificate for the address itself.
  const serverName = tls === undefined ? undefined : (tls.serverName ?? (isIP(host) === 0 ? host : undefined));
  const options: ChannelOptions = {
    "grpc.service_config": serviceConfig(settings.retried ?? []),
    // A service config in DNS could switch off balancing and retries.
    "grpc.service_config_disable_resolution": 1,
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2_000,
    "grpc.dns_min_time_between_resolutions_ms": 1_000,
    "grpc.max_receive_message_length": settings.responseBytesMax ?? RESPONSE_BYTES_MAX,
    // Connections and their backoff belong to one client, so that closing or breaking one touches no other.
    "grpc.use_local_subchannel_pool": 1,
    // Decisions do not take a detour because of an environment variable.
    "grpc.enable_http_proxy": 0,
    ...(serverName !== undefined && { "grpc.ssl_target_name_override": serverName }),
  };
  const client = new Client(target, tls === undefined ? credentials.createInsecure() : secure(tls), options);
  return { client, clock: settings.clock, close: () => client.close() };
}

function secure(tls: TlsOptions): ReturnType<typeof credentials.createSsl> {
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new InputError([{ field: "tls", reason: "cert and key come together" }]);
  }
  return credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert));
}

function pem(text: string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}

/** Times have nine digits after the point: with fewer, grpc-js reads some of them as nanoseconds. */
function serviceConfig(retried: readonly DescMethod[]): string {
  const methodConfig = {
    name: retried.map((method) => ({ service: method.parent.typeName, method: method.name })),
    retryPolicy: {
      maxAttempts: 2,
      initialBackoff: "0.010000000s",
      maxBackoff: "0.050000000s",
      backoffMultiplier: 2,
      retryableStatusCodes: ["UNAVAILABLE"],
    },
  };
  return JSON.stringify({
    loadBalancingConfig: [{ round_robin: {} }],
    ...(retried.length > 0 && { methodConfig: [methodConfig] }),
  });
}
