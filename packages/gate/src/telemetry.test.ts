/** The spans and the metric that every decision leaves, as an OpenTelemetry SDK in the process would receive them. */
import { type Span, type SpanOptions, type Tracer, trace } from "@opentelemetry/api";
import { afterEach, expect, it } from "vitest";
import { Gate } from "./gate.ts";

const begun: string[] = [];
const ended: string[] = [];

function spanOf(name: string): Span {
  return {
    setStatus: () => spanOf(name),
    end: () => void ended.push(name),
  } as unknown as Span;
}

const tracer = {
  startActiveSpan(name: string, ...rest: [SpanOptions | ((span: Span) => unknown), ...unknown[]]) {
    begun.push(name);
    const run = rest.find((one) => typeof one === "function") as (span: Span) => unknown;
    return run(spanOf(name));
  },
} as unknown as Tracer;

afterEach(() => trace.disable());

it("are plan, admit, decide and settle, in this order, each ended", async () => {
  trace.setGlobalTracerProvider({ getTracer: () => tracer });
  const policies = [{ name: "all", effect: "permit", conditions: [{ action: "read" }] }];
  const gate = Gate.fromObject({ policies });
  const verdict = await gate.evaluate({ principalId: "a", principalKind: "user", actionName: "read" });
  expect(verdict.kind).toBe("permit");
  const steps = ["kavach.plan", "kavach.admit", "kavach.decide", "kavach.settle"];
  expect(begun).toEqual(steps);
  expect(ended).toEqual(steps);
  await gate.close();
});
