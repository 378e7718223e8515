/** The conductor's spans and metrics. OpenTelemetry's API only: without an SDK in the process all of it costs next to nothing. */

import type { Decision } from "@kavach/model";
import { metrics, ProxyTracerProvider, type Span, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";

const NAME = "kavach.gate";
let found: Tracer | undefined;

/** Undefined while the process has no tracer provider: a span that nobody collects is not made, for it costs more than the step it is about. */
function tracer(): Tracer | undefined {
  if (found !== undefined) return found;
  const provider = trace.getTracerProvider();
  found = provider instanceof ProxyTracerProvider ? provider.getDelegateTracer(NAME) : provider.getTracer(NAME);
  return found;
}

/** Runs one step inside a span of its name; what it throws is recorded and thrown on. */
export function step<T>(name: string, run: () => T): T {
  const spans = tracer();
  return spans === undefined ? run() : spans.startActiveSpan(`kavach.${name}`, (span) => spanned(span, run));
}

function spanned<T>(span: Span, run: () => T): T {
  const fail = (error: unknown): never => {
    span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
    throw error;
  };
  try {
    const result = run();
    if (result instanceof Promise) {
      return result.then((value) => {
        span.end();
        return value;
      }, fail) as T;
    }
    span.end();
    return result;
  } catch (error) {
    return fail(error);
  }
}

export interface GateMetrics {
  verdict(decision: Decision, elapsedMs: number): void;
  publishFailed(): void;
  auditFailed(): void;
}

/** Made after the process has set its meter provider. */
export function gateMetrics(): GateMetrics {
  const meter = metrics.getMeter("kavach.gate");
  // The Prometheus exporter appends `_total` to a counter's name.
  const verdicts = meter.createCounter("kavach_verdicts", { description: "Verdicts, by kind, code and evaluator" });
  const duration = meter.createHistogram("kavach_decision_duration_seconds", {
    description: "Time of one decision in the gate",
    advice: {
      explicitBucketBoundaries: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
    },
  });
  const publishFailures = meter.createCounter("kavach_publish_failures", {
    description: "Failed writes to the revocation log",
  });
  const auditFailures = meter.createCounter("kavach_audit_failures", {
    description: "Verdicts that could not be recorded",
  });
  return {
    verdict(decision, elapsedMs) {
      const verdict = decision.observed ?? decision.verdict;
      const observed = decision.observed !== undefined;
      if (verdict.kind === "refuse") {
        verdicts.add(1, { kind: "refuse", code: verdict.code, evaluator: verdict.evaluator, observed });
      } else verdicts.add(1, { kind: verdict.kind, observed });
      duration.record(elapsedMs / 1000);
    },
    publishFailed: () => publishFailures.add(1),
    auditFailed: () => auditFailures.add(1),
  };
}
