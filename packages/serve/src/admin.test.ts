/** The admin port: metrics and probes, and nothing that it was not given. */
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { expect, onTestFinished, test } from "vitest";
import { startAdminServer } from "./admin.ts";
import { HealthState } from "./health.ts";

async function admin(isLive: () => boolean, isReady: () => boolean | string) {
  const metrics = new PrometheusExporter({ preventServerStart: true });
  const provider = new MeterProvider({ readers: [metrics] });
  provider.getMeter("test").createCounter("decisions").add(3, { verdict: "permit" });
  const health = new HealthState();
  const server = await startAdminServer({
    host: "127.0.0.1",
    port: 0,
    isLive,
    isReady,
    metrics,
    health,
    onInternalError: () => {},
  });
  onTestFinished(() => server.drain(0));
  return async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
    return { status: answer.status, text: await answer.text() };
  };
}

test("metrics are Prometheus text", async () => {
  const get = await admin(
    () => true,
    () => true,
  );
  const { status, text } = await get("/metrics");
  expect(status).toBe(200);
  expect(text).toContain('decisions_total{verdict="permit"');
});

test("probes follow the process, and say why it is not ready", async () => {
  let ready: boolean | string = "no policy yet";
  let live = true;
  const get = await admin(
    () => live,
    () => ready,
  );
  expect(await get("/readyz")).toEqual({ status: 503, text: "no policy yet\n" });
  ready = true;
  expect(await get("/readyz")).toEqual({ status: 200, text: "ok\n" });
  expect((await get("/livez")).status).toBe(200);
  live = false;
  expect((await get("/livez")).status).toBe(503);
});

test("another method, another path and a large body are refused", async () => {
  const get = await admin(
    () => true,
    () => true,
  );
  expect((await get("/livez", { method: "POST", body: "x".repeat(1000) })).status).toBe(405);
  expect((await get("/nothing")).status).toBe(404);
});
