/** The policies that the examples ship say what their comments say. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { answerOf, type ContextParts, contextOf, judge, noDigest } from "./engine-fixture.ts";
import { loadPolicySet } from "./policy-set.ts";

const file = "examples/policies/refunds.toml";
const text = readFileSync(new URL(`../../../${file}`, import.meta.url), "utf8");
const refunds = loadPolicySet({ format: "toml", text, file }, noDigest);

test.each<readonly [ContextParts, string]>([
  [{ kind: "agent", action: "issue_refund", params: { amount: 500 } }, "pass"],
  [{ kind: "agent", action: "issue_refund", params: { amount: 1000 } }, "pass"],
  [{ kind: "agent", action: "issue_refund", params: { amount: 1000.01 } }, "NO_POLICY_MATCH"],
  [{ kind: "agent", action: "issue_refund", params: { amount: "500" } }, "NO_POLICY_MATCH"],
  [{ kind: "agent", action: "issue_refund" }, "NO_POLICY_MATCH"],
  [{ kind: "user", action: "issue_refund", params: { amount: 500 } }, "NO_POLICY_MATCH"],
  [{ kind: "agent", action: "delete_customer", params: { amount: 500 } }, "NO_POLICY_MATCH"],
])("%j: %s", (parts, answer) => {
  expect(answerOf(judge(refunds, contextOf(parts)))).toBe(answer);
  expect(refunds.policies.map(({ name }) => name)).toEqual(["agent_small_refunds"]);
});
