/** Custom evaluators: they may refuse or invalidate, never permit, and see no counter. */
import type { ActionContext, Finding, InvalidationTarget } from "@kavach/model";

export type CustomFinding =
  | { readonly kind: "pass" }
  | { readonly kind: "refuse"; readonly reason: string }
  | { readonly kind: "invalidate"; readonly reason: string; readonly target?: InvalidationTarget };

export interface CustomEvaluator {
  /** Unique; names the evaluator in findings. */
  readonly name: string;
  evaluate(context: ActionContext): CustomFinding | Promise<CustomFinding>;
}

/** Runs the evaluators in the order of their registration, after a finding that passed. The first that does not pass ends the run. */
export async function runEvaluators(
  evaluators: readonly CustomEvaluator[],
  context: ActionContext,
  passed: Finding,
  sessionTarget: InvalidationTarget,
): Promise<Finding> {
  for (const evaluator of evaluators) {
    const found = await askOne(evaluator, context);
    if (found.kind === "refuse") {
      return { kind: "refuse", code: "POLICY_DENIED", evaluator: evaluator.name, reason: found.reason };
    }
    if (found.kind === "invalidate") {
      const target = found.target ?? sessionTarget;
      return { kind: "invalidate", scope: { target, reason: found.reason, evaluator: evaluator.name } };
    }
  }
  return passed;
}

async function askOne(evaluator: CustomEvaluator, context: ActionContext): Promise<CustomFinding> {
  const failed: CustomFinding = { kind: "refuse", reason: `evaluator '${evaluator.name}' failed` };
  try {
    const found = await evaluator.evaluate(context);
    // An answer of no known kind must not count as a pass.
    return found?.kind === "pass" || found?.kind === "refuse" || found?.kind === "invalidate" ? found : failed;
  } catch {
    return failed;
  }
}
