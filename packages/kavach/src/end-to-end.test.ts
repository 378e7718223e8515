/** The guide's end-to-end script in TypeScript runs, as it stands, to its end. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { REPO } from "@kavach/testkit";
import { expect, it } from "vitest";

it("the end-to-end example says what it did", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(REPO, "examples/end-to-end.ts")]);
  expect(stderr).toBe("");
  expect(stdout.trim().split("\n")).toEqual([
    "guarded result: { status: 'refunded', orderId: 'ORD-1', amount: 500 }",
    "guard blocked: [NO_POLICY_MATCH] policy: no policy permits 'issue_refund' for principal 'agent-alice'",
    "tolerant geo verdict: permit",
    "directory-backed verify ok",
    "secure channel roundtrip ok",
    "reload roundtrip ok",
  ]);
});
