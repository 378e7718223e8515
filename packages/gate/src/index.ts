/** The gate: `Gate`, which an application embeds, and the conductor and its parts, which a service wires. */
export type {
  ActionContext as ContextFacts,
  ContextInput,
  Decision,
  DecisionRequest,
  IssuedPermit,
  Outcome,
  Propagation,
  SingleUse,
} from "@kavach/model";
export { ActionContext } from "./action-context.ts";
export { InMemoryInvalidationBroadcaster } from "./broadcaster.ts";
export { Caller, type CallerInput, currentCaller, withCaller } from "./caller.ts";
export { Conductor } from "./conductor.ts";

export { EmbeddedView } from "./embedded-view.ts";
export { GateError, type GateErrorCode } from "./errors.ts";
export type { CustomEvaluator, CustomFinding } from "./evaluators.ts";
export type { DecisionExplanation } from "./explanation.ts";
export { formatOneSealer } from "./format-one.ts";
export { type Instant, Lease, type RevocationView, readInstant, StoreClock } from "./freshness.ts";
export { Gate, type GateEvaluateOptions, type ReloadOptions } from "./gate.ts";
export type { GateOptions } from "./gate-options.ts";
export { type GeoDetails, GeoLocation } from "./geo-location.ts";
export { type GuardedFunction, type GuardedMethod, type GuardOptions, guarded, guardedTool } from "./guarded.ts";
export { type Checker, type DescribedAction, Guarded, type GuardedOptions } from "./guarded-action.ts";
export {
  type InvalidationListener,
  type ListenerHandle,
  type ListenerOptions,
  spawnInvalidationListener,
} from "./invalidation-listener.ts";
export { Outbox, type OutboxOptions, type Publish } from "./outbox.ts";
export type { GateParts, PermitSealer, SealedInFormatOne, SessionOptions } from "./parts.ts";
export { type PermitExpectation, type PermitFailure, type PermitResult, Permits } from "./permits.ts";
export { PolicyBook, type RealmPolicies } from "./policy-book.ts";
export {
  type PolicyFileWatch,
  type PolicyTarget,
  type PolicyWatchOptions,
  watchPolicyFile,
} from "./policy-file-watch.ts";
export { InMemorySessionStore } from "./session-store.ts";
export { Sessions } from "./sessions.ts";
export { type GateMetrics, gateMetrics } from "./telemetry.ts";
