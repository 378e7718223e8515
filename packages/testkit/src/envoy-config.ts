/** Envoy before the gate-nodes, as docs and examples show it: HTTP/2 upstream, round robin, health checks, one retry. */

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface EnvoyOptions {
  readonly port: number;
  readonly adminPort: number;
  /** Address both listeners bind. */
  readonly bind: string;
  readonly gates: readonly Endpoint[];
}

const TYPE = "type.googleapis.com/envoy.extensions";
const GATES = "gates";

/** The bootstrap, as the JSON that Envoy takes for YAML. */
export function envoyConfig(options: EnvoyOptions): string {
  return JSON.stringify({
    admin: { address: address(options.bind, options.adminPort) },
    static_resources: { listeners: [listener(options)], clusters: [gates(options.gates)] },
  });
}

function address(host: string, port: number) {
  return { socket_address: { address: host, port_value: port } };
}

function listener(options: EnvoyOptions) {
  const manager = {
    "@type": `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "kavach",
    codec_type: "AUTO",
    route_config: { virtual_hosts: [{ name: "kavach", domains: ["*"], routes: [route()] }] },
    http_filters: [
      { name: "envoy.filters.http.router", typed_config: { "@type": `${TYPE}.filters.http.router.v3.Router` } },
    ],
  };
  return {
    name: "kavach",
    address: address(options.bind, options.port),
    filter_chains: [{ filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }] }],
  };
}

function route() {
  return {
    match: { prefix: "/" },
    route: {
      cluster: GATES,
      // Streams live as long as their caller; unary calls carry the caller's own deadline.
      timeout: "0s",
      // A retry carries the same evaluation id, so it neither multiplies a charge nor loses it.
      retry_policy: {
        retry_on: "unavailable,reset,connect-failure,refused-stream",
        num_retries: 1,
        retry_host_predicate: [
          {
            name: "envoy.retry_host_predicates.previous_hosts",
            typed_config: { "@type": `${TYPE}.retry.host.previous_hosts.v3.PreviousHostsPredicate` },
          },
        ],
        host_selection_retry_max_attempts: 5,
      },
    },
  };
}

function gates(endpoints: readonly Endpoint[]) {
  return {
    name: GATES,
    type: "STRICT_DNS",
    dns_refresh_rate: "1s",
    connect_timeout: "1s",
    lb_policy: "ROUND_ROBIN",
    // Envoy holds back changes of health for a second; a balancer that knows of a dead host uses what it knows.
    common_lb_config: { update_merge_window: "0s" },
    // When a gate-node dies, every call that was on it is retried, not three of them.
    circuit_breakers: { thresholds: [{ max_requests: 4096, max_pending_requests: 4096, max_retries: 4096 }] },
    // Node counts a mass of resets as an attack; a smaller pool of streams keeps a burst of deadlines below that.
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${TYPE}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 100 } },
      },
    },
    health_checks: [
      {
        timeout: "1s",
        interval: "1s",
        no_traffic_interval: "1s",
        unhealthy_threshold: 2,
        healthy_threshold: 1,
        grpc_health_check: {},
      },
    ],
    load_assignment: {
      cluster_name: GATES,
      endpoints: [
        { lb_endpoints: endpoints.map(({ host, port }) => ({ endpoint: { address: address(host, port) } })) },
      ],
    },
  };
}
