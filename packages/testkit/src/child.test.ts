import { expect, it } from "vitest";
import { awaitCondition } from "./await-condition.ts";
import { Child } from "./child.ts";

function node(code: string): Child {
  return new Child({ name: "child", command: process.execPath, args: ["--eval", code] });
}

const logs = (child: Child, text: string) =>
  awaitCondition(() => child.log.includes(text), { what: `'${text}' in the log`, detail: () => child.log });

it("keeps both streams over several starts", async () => {
  const child = node('console.log("out"); console.error("err");');
  for (const starts of [1, 2]) {
    child.start();
    await awaitCondition(() => !child.isRunning, { what: "it ends" });
    expect(child.log.match(/out/g)).toHaveLength(starts);
    expect(child.log.match(/err/g)).toHaveLength(starts);
  }
});

it("tells the exit code of a process that ends itself on SIGTERM, and 128 of one that is killed", async () => {
  const code = 'process.once("SIGTERM", () => process.exit(7)); setInterval(() => {}, 1000); console.log("up");';
  const child = node(code);
  child.start();
  await logs(child, "up");
  expect(await child.end("SIGTERM")).toBe(7);
  child.start();
  await awaitCondition(() => child.log.match(/up/g)?.length === 2, { what: "it is up again" });
  expect(await child.end("SIGKILL")).toBe(128);
  expect(await child.end("SIGKILL")).toBe(0);
});

it("ends a process that stands still", async () => {
  const child = node('process.once("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1000); console.log("up");');
  child.start();
  await logs(child, "up");
  child.signal("SIGSTOP");
  expect(await child.end("SIGTERM")).toBe(0);
});

it("reports a command that does not exist", async () => {
  const child = new Child({ name: "none", command: "no-such-command-anywhere", args: [] });
  child.start();
  await awaitCondition(() => !child.isRunning, { what: "it ends" });
  expect(child.log).toContain("ENOENT");
});

it("does not start twice", async () => {
  const child = node("setInterval(() => {}, 1000);");
  child.start();
  expect(() => child.start()).toThrow("child is running already");
  await child.end("SIGKILL");
});
