/** What a door answered, and what a case expects, in one shape. */
import { expect } from "vitest";
import type { Case } from "./case-files.ts";
import type { Expectation } from "./case-schema.ts";

export interface Answer {
  readonly kind: "permit" | "refuse" | "invalidate" | "inputError" | "loadError" | "optionError";
  readonly code?: string;
  readonly evaluator?: string;
  readonly reason?: string;
  readonly policyName?: string;
  readonly retryAfterMs?: number;
  /** From a gate that only observes. */
  readonly observed?: Answer;
  /** Of errors: what is wrong where, the field or path in the door's own spelling. */
  readonly faults?: readonly Fault[];
}

export interface Fault {
  readonly path: string;
  readonly message: string;
  readonly [detail: string]: unknown;
}

export interface DoorHabits {
  /** How this door spells the flat name of a field. */
  readonly spell: (field: string) => string;
  /** Its clock stands still between calls, so that retry times are exact. */
  readonly stillClock: boolean;
}

export function expectAnswer({ expect: expected, ask }: Case, answer: Answer, habits: DoorHabits): void {
  const wanted = wantedOf(expected, ask.actionName ?? "", ask.principalId ?? "");
  expect(answer).toMatchObject(wanted.answer);
  if (wanted.field !== undefined) {
    const path = habits.spell(wanted.field.path);
    const fault = expect.objectContaining({
      ...wanted.field.details,
      path,
      message: expect.stringContaining(wanted.field.says),
    });
    expect(answer.faults).toContainEqual(fault);
  }
  if (wanted.retryAfterMs === undefined) return;
  if (habits.stillClock) expect(answer.retryAfterMs).toBe(wanted.retryAfterMs);
  else {
    expect(answer.retryAfterMs).toBeGreaterThan(0);
    expect(answer.retryAfterMs).toBeLessThanOrEqual(wanted.retryAfterMs);
  }
}

interface Wanted {
  readonly answer: Partial<Answer>;
  readonly field?: { readonly path: string; readonly says: string; readonly details?: object };
  readonly retryAfterMs?: number;
}

function wantedOf(expected: Expectation, actionName: string, principalId: string): Wanted {
  if (expected === "permit") return { answer: { kind: "permit" } };
  if ("permit" in expected) return { answer: { kind: "permit", policyName: expected.permit } };
  if ("invalidate" in expected) {
    return { answer: { kind: "invalidate", evaluator: "drift", reason: expected.invalidate } };
  }
  if ("inputError" in expected) {
    return { answer: { kind: "inputError" }, field: { path: expected.inputError, says: expected.says ?? "" } };
  }
  if ("loadError" in expected) {
    const { path, says, ...details } = expected.loadError;
    return { answer: { kind: "loadError" }, field: { path, says, details } };
  }
  if ("optionError" in expected) return { answer: { kind: "optionError" }, field: expected.optionError };
  if ("observed" in expected) {
    const observed = wantedOf(expected.observed as Expectation, actionName, principalId).answer;
    return { answer: { kind: "permit", observed: observed as Answer } };
  }
  return refusalOf(expected, actionName, principalId);
}

function refusalOf(
  expected: Extract<Expectation, { refuse: string }>,
  actionName: string,
  principalId: string,
): Wanted {
  const code = expected.refuse;
  if ("reason" in expected) {
    return { answer: { kind: "refuse", code, evaluator: expected.evaluator, reason: expected.reason } };
  }
  if (!("by" in expected)) {
    const reason = `no policy permits '${actionName}' for principal '${principalId}'`;
    return { answer: { kind: "refuse", code, evaluator: "policy", reason } };
  }
  const { by, retryAfterSeconds } = expected;
  const reason = code === "POLICY_DENIED" ? `denied by policy '${by}'` : `rate limit of policy '${by}' exceeded`;
  return {
    answer: { kind: "refuse", code, evaluator: "policy", reason, policyName: by },
    ...(retryAfterSeconds !== undefined && { retryAfterMs: retryAfterSeconds * 1000 }),
  };
}
