/** The second port: metrics and the two probes for machines, and admin services where they are enabled. */
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import type { MetricReader } from "@opentelemetry/sdk-metrics";
import { type Page, plain } from "./pages.ts";
import { type RunningServer, type ServerOptions, startServer } from "./server.ts";

export interface AdminServerOptions extends Omit<ServerOptions, "services" | "pages"> {
  readonly services?: ServerOptions["services"];
  /** False: the process is beyond repair and should be replaced. */
  isLive(): boolean;
  /** True, or why no calls should be sent here now. */
  isReady(): boolean | string;
  /** A PrometheusExporter with `preventServerStart`, registered with the process's MeterProvider. */
  readonly metrics: Pick<MetricReader, "collect">;
}

export function startAdminServer(options: AdminServerOptions): Promise<RunningServer> {
  const { isLive, isReady, metrics, ...rest } = options;
  const serializer = new PrometheusSerializer();
  const pages: Page[] = [
    { method: "GET", path: "/livez", answer: () => (isLive() ? plain(200, "ok") : plain(503, "not live")) },
    { method: "GET", path: "/readyz", answer: () => readiness(isReady()) },
    {
      method: "GET",
      path: "/metrics",
      async answer() {
        const { resourceMetrics } = await metrics.collect();
        const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
        return { status: 200, headers, body: serializer.serialize(resourceMetrics) };
      },
    },
  ];
  return startServer({ listenSetting: "--admin-listen", ...rest, services: rest.services ?? [], pages });
}

function readiness(ready: boolean | string) {
  return ready === true ? plain(200, "ok") : plain(503, ready === false ? "not ready" : ready);
}
