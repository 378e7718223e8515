/** The decision engine: policy text to a compiled set, plan, decide. Pure: no clock, no I/O, nothing asynchronous. */
export { decide } from "./decide.ts";
export type { DriftSignal, DriftThresholds } from "./drift.ts";
export { distanceKm } from "./drift-geo.ts";
export {
  type ConditionExplanation,
  type Explanation,
  explain,
  type InvariantExplanation,
  type PolicyExplanation,
} from "./explain.ts";
export { faultText, GateOptionError, type OptionFault, PolicyError, type PolicyFault } from "./faults.ts";
export {
  compileGateRules,
  type DriftOptions,
  type GateRuleOptions,
  type GateRules,
  type InvariantOption,
} from "./gate-rules.ts";
export type { Invariant, InvariantCheck } from "./invariants.ts";
export { type LintCode, type LintFinding, lintPolicySet } from "./lint.ts";
export { type Facts, type Plan, type PlannedCandidate, type PlanOptions, plan } from "./plan.ts";
export { policyJsonSchema } from "./policy-json-schema.ts";
export type { PolicySource } from "./policy-reader.ts";
export { type CompiledPolicy, loadPolicySet, type PolicySet, type RateLimit, type Sha256 } from "./policy-set.ts";
export { optionFaults } from "./schema-faults.ts";
