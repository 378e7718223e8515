/** One entry of a chain of format 1, and what is signed of it. */

import { instantText, randomBytes } from "@kavach/crypto";
import { type Clock, uuidFromRandom } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { optionsOf } from "./options.ts";

export interface AuditEntryOptions {
  readonly resource?: string;
  /** Evaluator or policy that decided. */
  readonly decidedBy?: string;
  readonly ip?: string;
  /** UUID text. Absent: a fresh one; the same holds for the two below. */
  readonly evaluationId?: string;
  readonly sessionId?: string;
  readonly id?: string;
  /** Absent: this machine's. */
  readonly clock?: Clock;
}

const VERDICTS = ["permit", "refuse", "invalidate"] as const;
const UUID_FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const OPTIONS: ReadonlySet<string> = new Set([
  ...["resource", "decidedBy", "ip", "evaluationId", "sessionId", "id", "clock"],
]);

/** One entry, with ids and time of its own. Texts are of any length; `clock` gives its time. */
export class AuditEntry {
  readonly id: string;
  readonly evaluationId: string;
  readonly sessionId: string;
  readonly principalId: string;
  readonly actionName: string;
  readonly verdict: (typeof VERDICTS)[number];
  readonly detail: string;
  readonly resource: string | null;
  readonly decidedBy: string | null;
  readonly ip: string | null;
  /** RFC 3339. */
  readonly timestamp: string;

  /** Throws RangeError for a verdict that is none, what is no text or has no UTF-8 form, an id that is no UUID, and an unknown option. */
  constructor(
    principalId: string,
    actionName: string,
    verdict: (typeof VERDICTS)[number],
    detail: string,
    options: AuditEntryOptions = {},
  ) {
    const unknown = Object.keys(optionsOf(options)).find((name) => !OPTIONS.has(name));
    if (unknown !== undefined) throw new RangeError(`unknown option ${unknown}`);
    if (!VERDICTS.includes(verdict)) throw new RangeError("the verdict is permit, refuse or invalidate");
    const { resource = null, decidedBy = null, ip = null, clock = SYSTEM_CLOCK } = options;
    const texts = [principalId, actionName, detail, ...[resource, decidedBy, ip].filter((text) => text !== null)];
    for (const text of texts) {
      if (typeof text !== "string" || !text.isWellFormed()) throw new RangeError("not a text");
    }
    this.id = uuidOr(options.id);
    this.evaluationId = uuidOr(options.evaluationId);
    this.sessionId = uuidOr(options.sessionId);
    this.principalId = principalId;
    this.actionName = actionName;
    this.verdict = verdict;
    this.detail = detail;
    this.resource = resource;
    this.decidedBy = decidedBy;
    this.ip = ip;
    this.timestamp = instantText(Math.floor(clock.nowMs()));
  }

  /** The JSON that is signed, with the names and their order that existing readers know. */
  dataBytes(): Uint8Array<ArrayBuffer> {
    const json = {
      id: this.id,
      evaluation_id: this.evaluationId,
      timestamp: this.timestamp,
      principal_id: this.principalId,
      action_name: this.actionName,
      resource: this.resource,
      verdict: this.verdict,
      verdict_detail: this.detail,
      decided_by: this.decidedBy,
      session_id: this.sessionId,
      ip: this.ip,
      context_snapshot: null,
    };
    return new TextEncoder().encode(JSON.stringify(json));
  }
}

function uuidOr(text: string | undefined): string {
  if (text === undefined) return uuidFromRandom(randomBytes(16));
  if (typeof text !== "string" || !UUID_FORM.test(text)) throw new RangeError("not a UUID");
  return text.toLowerCase();
}
