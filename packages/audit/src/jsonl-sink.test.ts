import { mkdtemp, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AuditFile, JsonlAuditSink, openJsonlSink } from "./jsonl-sink.ts";
import { recordLine } from "./record.ts";
import { auditRecord } from "./record-fixture.ts";
import { MemoryAuditSink } from "./sink.ts";

const record = (n: number) => auditRecord({ principalId: `p-${n}` });
const lineOf = (n: number) => `${recordLine(record(n))}\n`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-audit-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** A disk that says what it was asked for, syncs only when it is let, and fails where it is told. */
class FakeFile implements AuditFile {
  content: string;
  durable: string;
  syncs = 0;
  /** Bytes that a failing write leaves behind. */
  failAppendAfter: number | undefined;
  failSync: string | undefined;
  failTruncate = false;
  readonly #held: (() => void)[] = [];
  hold = false;

  constructor(content = "") {
    this.content = content;
    this.durable = content;
  }

  async stat() {
    return { size: Buffer.byteLength(this.content) };
  }

  async read(buffer: Uint8Array, offset: number, length: number, position: number) {
    const bytes = Buffer.from(this.content).subarray(position, position + length);
    buffer.set(bytes, offset);
    return { bytesRead: bytes.length };
  }

  async appendFile(data: string) {
    if (this.failAppendAfter !== undefined) {
      this.content += data.slice(0, this.failAppendAfter);
      throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    }
    this.content += data;
  }

  async truncate(length: number) {
    if (this.failTruncate) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    this.content = this.content.slice(0, length);
  }

  async datasync() {
    if (this.hold) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.failSync !== undefined) throw Object.assign(new Error("not synced"), { code: this.failSync });
    this.durable = this.content;
    this.syncs++;
  }

  async close() {
    this.release();
  }

  release() {
    this.hold = false;
    for (const go of this.#held.splice(0)) go();
  }
}

describe("openJsonlSink", () => {
  it("writes a line for each record, to a file of its owner alone, and goes on where it stopped", async () => {
    const path = join(folder, "audit.jsonl");
    for (const n of [1, 2]) {
      const sink = await openJsonlSink(path);
      await sink.append(record(n));
      await sink.close();
    }
    expect(await readFile(path, "utf8")).toBe(lineOf(1) + lineOf(2));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it.each(["", "{", `${"x".repeat(70_000)}`])("cuts off a torn last line (%#), and nothing else", async (torn) => {
    const path = join(folder, "audit.jsonl");
    for (const whole of ["", lineOf(1)]) {
      await writeFile(path, whole + torn);
      const sink = await openJsonlSink(path);
      await sink.append(record(2));
      await sink.close();
      expect(await readFile(path, "utf8")).toBe(whole + lineOf(2));
    }
  });

  it("acknowledges nothing that is in a file which was removed, and goes on in one that was renamed or cut", async () => {
    const [path, moved] = [join(folder, "verdicts.jsonl"), join(folder, "moved")];
    const sink = await openJsonlSink(path);
    await sink.append(record(1));
    await rename(path, moved);
    await sink.append(record(2));
    await truncate(moved, 0);
    await sink.append(record(3));
    expect(await readFile(moved, "utf8")).toBe(lineOf(3));
    await rm(moved);
    await expect(sink.append(record(4))).rejects.toMatchObject({ code: "WRITE_FAILED" });
    await expect(sink.append(record(5))).rejects.toMatchObject({ code: "LOG_STOPPED" });
    expect(sink.stopped).toMatchObject({ code: "LOG_STOPPED" });
    await sink.close();
  });

  it("rejects when there is no such folder", async () => {
    await expect(openJsonlSink(join(folder, "none", "audit.jsonl"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("JsonlAuditSink", () => {
  it("acknowledges nothing before it is durable, and makes what waited durable together", async () => {
    const file = new FakeFile();
    const sink = await JsonlAuditSink.open(file);
    file.hold = true;
    let acknowledged = 0;
    const appends = Array.from({ length: 100 }, (_, n) =>
      sink.append(record(n)).then(() => {
        acknowledged++;
      }),
    );
    await expect.poll(() => file.content).toBe(lineOf(0));
    expect(acknowledged).toBe(0);
    file.release();
    await Promise.all(appends);
    expect(file.durable).toBe(Array.from({ length: 100 }, (_, n) => lineOf(n)).join(""));
    expect(file.syncs).toBe(2);
  });

  it("rejects what did not fit on the disk, cuts it off, and goes on when there is room", async () => {
    const file = new FakeFile();
    const sink = await JsonlAuditSink.open(file);
    await sink.append(record(1));
    file.failAppendAfter = 10;
    await expect(sink.append(record(2))).rejects.toMatchObject({ code: "WRITE_FAILED" });
    await expect(sink.append(record(3))).rejects.toMatchObject({ code: "WRITE_FAILED" });
    file.failAppendAfter = undefined;
    file.failTruncate = true;
    await expect(sink.append(record(4))).rejects.toMatchObject({ code: "WRITE_FAILED" });
    file.failTruncate = false;
    await sink.append(record(5));
    expect(file.durable).toBe(lineOf(1) + lineOf(5));
  });

  it("rejects what was written but not synced, and does not leave it to be taken for durable", async () => {
    const file = new FakeFile();
    const sink = await JsonlAuditSink.open(file);
    file.failSync = "ENOSPC";
    await expect(sink.append(record(1))).rejects.toMatchObject({ code: "WRITE_FAILED" });
    file.failSync = undefined;
    await sink.append(record(2));
    expect(file.content).toBe(lineOf(2));
  });

  it("takes nothing more after a sync that failed for another reason than room", async () => {
    const file = new FakeFile();
    const sink = await JsonlAuditSink.open(file);
    file.failSync = "EIO";
    await expect(sink.append(record(1))).rejects.toMatchObject({ code: "WRITE_FAILED" });
    file.failSync = undefined;
    await expect(sink.append(record(2))).rejects.toMatchObject({ code: "LOG_STOPPED" });
    expect(file.durable).toBe("");
    await sink.close();
  });

  it("holds no more records than it was told", async () => {
    const file = new FakeFile();
    const sink = await JsonlAuditSink.open(file, { waitingMax: 2 });
    file.hold = true;
    const accepted = [1, 2, 3].map((n) => sink.append(record(n)));
    await expect(sink.append(record(4))).rejects.toMatchObject({ code: "SINK_FULL" });
    file.release();
    await Promise.all(accepted);
    await sink.append(record(5));
  });

  it("finishes what it has when it is closed, and refuses what comes later", async () => {
    const file = new FakeFile();
    const sink = await JsonlAuditSink.open(file);
    const accepted = [1, 2, 3].map((n) => sink.append(record(n)));
    await Promise.all([sink.close(), sink.close()]);
    await Promise.all(accepted);
    expect(file.durable).toBe(lineOf(1) + lineOf(2) + lineOf(3));
    await expect(sink.append(record(4))).rejects.toMatchObject({ code: "SINK_CLOSED" });
  });

  it.each([{ waitingMax: 0 }, { waitingMax: 0.5 }, { waiting: 1 }])("refuses option %o", async (option) => {
    await expect(JsonlAuditSink.open(new FakeFile(), option as object)).rejects.toThrow(RangeError);
  });
});

describe("MemoryAuditSink", () => {
  it("keeps records in order until it is closed", async () => {
    const sink = new MemoryAuditSink();
    await sink.append(record(1));
    await sink.append(record(2));
    await sink.close();
    await expect(sink.append(record(3))).rejects.toMatchObject({ code: "SINK_CLOSED" });
    expect(sink.records).toEqual([record(1), record(2)]);
  });
});
