/** A case's call as each door takes it. */
import { type ActionContext, type ContextInput, contextFromInput } from "@kavach/model";
import type { Ask } from "./case-schema.ts";

/** The flat form that SDK users write. */
export function inputOf({ sessionAgeSeconds, ...ask }: Ask, nowMs: number): ContextInput {
  const started = sessionAgeSeconds === undefined ? {} : { sessionStartedAt: nowMs / 1000 - sessionAgeSeconds };
  return { ...ask, ...started } as ContextInput;
}

/** The model's context; throws `InputError`. */
export function contextOf(ask: Ask, nowMs: number): ActionContext {
  return contextFromInput(inputOf(ask, nowMs), { nowMs, unnamedSessionId: "unnamed" });
}
