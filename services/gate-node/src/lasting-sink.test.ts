import { AuditError, type AuditRecord, type AuditSink, MemoryAuditSink } from "@kavach/audit";
import { describe, expect, it } from "vitest";
import { openLastingSink } from "./lasting-sink.ts";

const RECORD = {} as AuditRecord;
const STOPPED = new AuditError("LOG_STOPPED", "stopped");

class Stoppable extends MemoryAuditSink {
  stopped: AuditError | undefined;
  closed = 0;

  override async close(): Promise<void> {
    this.closed++;
    await super.close();
    if (this.stopped !== undefined) throw new Error("no last checkpoint");
  }
}

/** `plan`: what each opening gives. */
async function lasting(...plan: readonly (AuditSink | Error | Promise<AuditSink>)[]) {
  const events: string[] = [];
  const attempts = plan.values();
  const sink = await openLastingSink(
    async () => {
      const next = attempts.next().value;
      if (next === undefined) throw new Error("opened once too often");
      if (next instanceof Error) throw next;
      return await next;
    },
    {
      onOpenedAnew: () => events.push("anew"),
      onFault: (error) => events.push((error as Error).message),
      everyMs: 5,
    },
  );
  return { sink, events };
}

describe("a lasting sink", () => {
  it("rejects when the first opening does", async () => {
    await expect(lasting(new Error("no folder"))).rejects.toThrow("no folder");
  });

  it("leaves a sink alone that has not stopped", async () => {
    const only = new Stoppable();
    const { sink, events } = await lasting(only);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await sink.append(RECORD);
    await sink.close();
    expect([only.records.length, only.closed, events]).toEqual([1, 1, []]);
  });

  it("lets go of one that stopped, and opens it anew until it can, once", async () => {
    const [first, second] = [new Stoppable(), new Stoppable()];
    const { sink, events } = await lasting(first, new Error("full"), new Error("full"), second);
    first.stopped = STOPPED;
    await expect(sink.append(RECORD)).rejects.toBe(STOPPED);
    expect(sink.stopped).toBe(STOPPED);
    await expect.poll(() => events).toEqual(["full", "anew"]);
    expect(sink.stopped).toBeUndefined();
    await sink.append(RECORD);
    await sink.close();
    expect([first.records.length, second.records.length, second.closed]).toEqual([0, 1, 1]);
  });

  it("says that it has stopped, not that it is closed, while it is opened anew", async () => {
    const { promise, resolve } = Promise.withResolvers<AuditSink>();
    const first = new Stoppable();
    const { sink, events } = await lasting(first, promise);
    first.stopped = STOPPED;
    await expect.poll(() => first.closed).toBe(1);
    await expect(sink.append(RECORD)).rejects.toBe(STOPPED);
    resolve(new Stoppable());
    await expect.poll(() => events).toEqual(["anew"]);
    await sink.close();
  });

  it("closes the one that is just being opened", async () => {
    const { promise, resolve } = Promise.withResolvers<AuditSink>();
    const [first, second] = [new Stoppable(), new Stoppable()];
    const { sink } = await lasting(first, promise);
    first.stopped = STOPPED;
    await expect.poll(() => first.closed).toBe(1);
    const closing = sink.close();
    resolve(second);
    await closing;
    expect(second.closed).toBe(1);
    await expect(sink.append(RECORD)).rejects.toMatchObject({ code: "SINK_CLOSED" });
  });
});
