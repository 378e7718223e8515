/** The first thing a user does: `npm start`, and pastes what it prints. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { awaitCondition, Child, REPO } from "@kavach/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";

// What `npm start` runs, with the Node of the checkout first in PATH, as npm has it. Without npm and its shell in between, which
// pass no signal on: a person's Ctrl-C goes to all of them.
const start = new Child({
  name: "npm start",
  command: process.execPath,
  args: [join(REPO, "tools/start.ts")],
  env: { PATH: `${join(REPO, "node_modules/.bin")}:${process.env.PATH}` },
});

beforeAll(async () => {
  start.start();
  await awaitCondition(() => start.log.includes("Ctrl-C"), {
    what: "npm start prints what to try",
    withinMs: 60_000,
    hopeless: () => (start.isRunning ? undefined : "it ended"),
    detail: () => start.log,
  });
});

afterAll(() => start.end("SIGTERM"));

/** The commands as printed, each between its number and the next. */
function printed(): string[] {
  return [...start.log.matchAll(/^\d\. .*:\n\n([\s\S]*?)\n\n/gm)].map((match) => match[1] ?? "");
}

function paste(command: string): Promise<string> {
  return new Promise((resolve) => {
    execFile("bash", ["-c", command], { cwd: REPO, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve(error === null ? stdout : `${stdout}${stderr}${error.message}`),
    );
  });
}

it("prints three requests, and each gets its permit as printed", async () => {
  const commands = printed();
  expect(commands).toHaveLength(3);
  for (const [i, way] of [/^curl /, /^npx buf curl /, /^npx node /].entries()) expect(commands[i]).toMatch(way);
  const answers = await Promise.all(commands.map(paste));
  for (const answer of answers) expect(answer).toMatch(/"permit":|^permit [0-9a-f-]{36}/);
});

it("is not tied to the answer: 5000 is refused", async () => {
  const answer = await paste((printed()[0] ?? "").replace('"amount":500', '"amount":5000'));
  expect(answer).toContain("REFUSE_CODE_NO_POLICY_MATCH");
});
