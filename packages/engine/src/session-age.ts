/** How old a session is. */
import type { Session } from "@kavach/model";

/**
 * Whole seconds since the session's start, towards zero; negative when it starts in the future. Without a session it is
 * zero, as for one whose start is not given: it starts with this action.
 */
export function sessionAgeSeconds(session: Session | undefined, nowMs: number): number {
  return session === undefined ? 0 : Math.trunc((nowMs - session.startedAtMs) / 1000);
}
