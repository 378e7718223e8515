/** The metrics of a process: OpenTelemetry's SDK with a Prometheus reader, made once, before anything measures. */
import { metrics } from "@opentelemetry/api";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider } from "@opentelemetry/sdk-metrics";

/** Sets the global meter provider; the exporter answers /metrics. */
export function openTelemetry(service: string, instance?: string): PrometheusExporter {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const resource = resourceFromAttributes({
    "service.name": service,
    ...(instance !== undefined && { "service.instance.id": instance }),
  });
  metrics.setGlobalMeterProvider(new MeterProvider({ resource, readers: [exporter] }));
  return exporter;
}

export interface Gauge {
  readonly name: string;
  readonly description: string;
  /** Undefined: nothing is shown. */
  readonly read: () => number | undefined;
}

/** Values that are read whenever somebody asks; made after `openTelemetry`. */
export function showGauges(meter: string, gauges: readonly Gauge[]): void {
  for (const { name, description, read } of gauges) {
    metrics
      .getMeter(meter)
      .createObservableGauge(name, { description })
      .addCallback((result) => {
        const value = read();
        if (value !== undefined) result.observe(value);
      });
  }
}
