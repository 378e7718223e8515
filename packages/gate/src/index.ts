/** The conductor and what it needs: what a service serves and an application embeds. */
export { Conductor, type GateParts, type SessionOptions } from "./conductor.ts";
export type { Decision, DecisionRequest, IssuedPermit, Outcome, Propagation, SingleUse } from "./decision.ts";
export { EmbeddedView } from "./embedded-view.ts";
export { GateError, type GateErrorCode } from "./errors.ts";
export type { CustomEvaluator, CustomFinding } from "./evaluators.ts";
export { type Instant, Lease, type RevocationView, readInstant, StoreClock } from "./freshness.ts";
export { Outbox, type OutboxOptions, type Publish } from "./outbox.ts";
export { type PermitExpectation, type PermitFailure, type PermitResult, Permits } from "./permits.ts";
export { PolicyBook, type RealmPolicies } from "./policy-book.ts";
export { Sessions } from "./sessions.ts";
export type { PermitSealer } from "./settle.ts";
export { type GateMetrics, gateMetrics } from "./telemetry.ts";
