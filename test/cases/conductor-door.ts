/** The cases on the conductor in process: on memory twins with a clock that stands still, or on a store of one's own. */
import { MemoryAuditSink } from "@kavach/audit";
import { KavachKeyPair, PermitSigner, randomBytes, sha256 } from "@kavach/crypto";
import { compileGateRules, loadPolicySet } from "@kavach/engine";
import { Conductor, type Decision, EmbeddedView, gateMetrics, Outbox, PolicyBook } from "@kavach/gate";
import { type Clock, contextFromInput, type InvalidationTarget, uuidFromRandom } from "@kavach/model";
import { MemoryRevocationLog, MemoryStore, type Store } from "@kavach/store";
import type { Answer } from "./answers.ts";
import type { Case } from "./case-files.ts";
import type { Ask } from "./case-schema.ts";
import { inputOf } from "./contexts.ts";
import { errorAnswer } from "./engine-door.ts";

class StillClock implements Clock {
  ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }

  nowMs = () => this.ms;
  monotonicMs = () => this.ms;
}

export interface SharedStore {
  readonly store: Store;
  readonly clock: Clock;
  /** Names the realm of a case, so that cases share a store without meeting. */
  readonly realmOf: (realm: string) => string;
}

const NOON_MS = Date.UTC(2026, 5, 15, 12);

// One for all cases: making keys costs more than everything else together.
const keyPair = KavachKeyPair.generate({ clock: new StillClock(0) });

/** `shared`: absent for memory twins of the case's own. */
export async function askConductor(one: Case, shared?: SharedStore): Promise<Answer> {
  try {
    const still = new StillClock(one.nowMs ?? NOON_MS);
    const clock = shared?.clock ?? still;
    const store = shared?.store ?? new MemoryStore(still);
    const home = shared?.realmOf("default") ?? "default";
    const { conductor, publish } = await conductorOf(one, { clock, store, home });
    const realm = shared?.realmOf(one.realm) ?? one.realm;
    for (const revoked of one.revoked) {
      await publish(realm, { target: targetOf(revoked), reason: "revoked", evaluator: "case" }, "");
    }
    const call = (ask: Ask) => evaluate(conductor, realm, ask, clock.nowMs());
    for (const { ask, times, secondsAgo } of one.before) {
      still.ms -= secondsAgo * 1000;
      for (let i = 0; i < times; i++) await call(ask);
      still.ms += secondsAgo * 1000;
    }
    return answerOf(await call(one.ask));
  } catch (error) {
    return errorAnswer(error);
  }
}

interface Place {
  readonly clock: Clock;
  readonly store: Store;
  readonly home: string;
}

async function conductorOf(one: Case, { clock, store, home }: Place) {
  const { observeOnly = false, ...options } = one.options;
  const rules = compileGateRules(options as Parameters<typeof compileGateRules>[0]);
  const set = loadPolicySet(one.source, sha256);
  const nothing = loadPolicySet({ format: "object", value: {} }, sha256);
  const revocations = await EmbeddedView.open(new MemoryRevocationLog(clock), clock);
  const publish: typeof revocations.publish = (...args) => revocations.publish(...args);
  const conductor = new Conductor({
    policies: new PolicyBook({ set: nothing, rules }, new Map([[home, { set, rules }]])),
    store,
    revocations,
    outbox: new Outbox({ publish, waitMs: 1000, retryMs: 1000, onFailure: () => undefined }),
    signer: new PermitSigner({ keyPair, clock }),
    audit: { sink: new MemoryAuditSink(), mode: "required" },
    evaluators: [],
    clock,
    random: randomBytes,
    metrics: gateMetrics(),
    session: { mode: "inline", lifetimeMs: 86_400_000 },
    permitTtlMs: 30_000,
    singleUse: "on_request",
    observeOnly,
    report: (error, what) => {
      throw new Error(what, { cause: error });
    },
  });
  return { conductor, publish };
}

async function evaluate(conductor: Conductor, realm: string, ask: Ask, nowMs: number): Promise<Decision> {
  const evaluationId = uuidFromRandom(randomBytes(16));
  const context = contextFromInput(inputOf(ask, nowMs), { nowMs, unnamedSessionId: evaluationId });
  return await conductor.evaluate({ realm, evaluationId, context, audience: [], singleUse: false });
}

export function targetOf(revoked: Case["revoked"][number]): InvalidationTarget {
  if ("session" in revoked) return { kind: "session", principalId: revoked.of, id: revoked.session };
  if ("principal" in revoked) return { kind: "principal", id: revoked.principal };
  if ("role" in revoked) return { kind: "role", id: revoked.role };
  return { kind: "realm" };
}

export function answerOf(decision: Decision): Answer {
  const { policyName, retryAfterMs, observed } = decision;
  return {
    ...partOf(decision.verdict),
    ...(policyName !== undefined && { policyName }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(observed !== undefined && {
      observed: { ...partOf(observed), ...(policyName !== undefined && { policyName }) },
    }),
  };
}

function partOf(verdict: Decision["verdict"]): Answer {
  switch (verdict.kind) {
    case "permit":
      if (verdict.permit.token.length === 0) throw new Error("a permit without a token");
      return { kind: "permit" };
    case "refuse":
      return { kind: "refuse", code: verdict.code, evaluator: verdict.evaluator, reason: verdict.reason };
    case "invalidate":
      return { kind: "invalidate", evaluator: verdict.scope.evaluator, reason: verdict.scope.reason };
  }
}
