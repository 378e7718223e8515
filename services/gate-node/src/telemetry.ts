/** The metrics of this process: OpenTelemetry's SDK with a Prometheus reader, made once, before anything measures. */
import { metrics } from "@opentelemetry/api";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";

/** Sets the global meter provider; the exporter answers /metrics. */
export function openTelemetry(): PrometheusExporter {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }));
  return exporter;
}
