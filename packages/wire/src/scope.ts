/** Invalidation scopes between wire and model. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { InvalidationScopeSchema, type InvalidationScope as WireScope } from "@kavach/api";
import type { InvalidationScope, InvalidationTarget } from "@kavach/model";
import { below, refuseField } from "./violation.ts";

export function scopeToWire(scope: InvalidationScope): WireScope {
  const { target, reason, evaluator } = scope;
  return create(InvalidationScopeSchema, { target: targetToWire(target), reason, evaluator });
}

/**
 * Throws `InputError` where no target is given, or an unknown one, or one without a name. An empty principal of a session
 * (every principal's session of that id) passes: only `Invalidate` and its records may carry it, so other doors check it.
 */
export function scopeFromWire(scope: WireScope | undefined, path: string): InvalidationScope {
  if (scope === undefined) return refuseField(path, "is required");
  return { target: targetFromWire(scope.target, path), reason: scope.reason, evaluator: scope.evaluator };
}

function targetToWire(
  target: InvalidationTarget,
): NonNullable<MessageInitShape<typeof InvalidationScopeSchema>["target"]> {
  switch (target.kind) {
    case "session":
      return { case: "session", value: { principalId: target.principalId, sessionId: target.id } };
    case "principal":
      return { case: "principalId", value: target.id };
    case "role":
      return { case: "role", value: target.id };
    case "realm":
      return { case: "wholeRealm", value: {} };
  }
}

function targetFromWire(target: WireScope["target"], path: string): InvalidationTarget {
  switch (target.case) {
    case "session": {
      const { principalId, sessionId } = target.value;
      return { kind: "session", principalId, id: named(sessionId, below(path, "session.session_id")) };
    }
    case "principalId":
      return { kind: "principal", id: named(target.value, below(path, "principal_id")) };
    case "role":
      return { kind: "role", id: named(target.value, below(path, "role")) };
    case "wholeRealm":
      return { kind: "realm" };
    default:
      return refuseField(path, "must name a session, a principal, a role or the whole realm");
  }
}

function named(text: string, path: string): string {
  return text === "" ? refuseField(path, "must not be empty") : text;
}
