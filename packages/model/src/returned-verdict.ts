/** Verdicts as a caller holds them, from an embedded gate and from a cluster alike: a union on `kind` that never prints a permit's bytes. */
import type { Revision } from "./revocation.ts";
import type { InvalidationScope, RefuseCode } from "./verdict.ts";

/** What every verdict says besides its answer. */
export interface DecisionFacts {
  /** UUID. */
  readonly evaluationId: string;
  /** SHA-256 of the policy set that decided, lower hex. */
  readonly policyDigest: string;
  /** Name of the policy that decided; empty where none did. */
  readonly policyName: string;
  /** What the deciding node had applied of the revocation log. */
  readonly revision?: Revision;
  /** From a gate that only observes: the verdict that would have been given. */
  readonly observed?: ObservedVerdict;
}

export interface PermitAnswer {
  readonly kind: "permit";
  /** What travels to the verifier; empty only where the gate has no signer, or observes and could not sign. */
  readonly permit: Uint8Array;
  /** UUID of the permit. */
  readonly tokenId: string;
  /** Unix milliseconds. */
  readonly issuedAtMs: number;
  /** Unix milliseconds; from then on the permit is void. */
  readonly expiresAtMs: number;
}

/** A permit as it was issued. */
export interface IssuedFacts extends Omit<PermitAnswer, "kind" | "permit"> {
  readonly token: Uint8Array;
  readonly signature?: Uint8Array | undefined;
}

export interface RefuseAnswer {
  readonly kind: "refuse";
  readonly code: RefuseCode;
  readonly evaluator: string;
  readonly reason: string;
}

export interface InvalidateAnswer {
  readonly kind: "invalidate";
  readonly scope: InvalidationScope;
  readonly evaluator: string;
  readonly reason: string;
}

export type ObservedVerdict = PermitAnswer | RefuseAnswer | InvalidateAnswer;

/** How far an invalidation had got when it was answered. */
export type PropagationName = "UNSPECIFIED" | "PUBLISHED" | "LOCAL_ONLY" | "PRIMARY_ONLY";

/** A permit in the terms of format 1, as existing Kavach verifiers know it. */
export interface PermitTokenView {
  readonly tokenId: string;
  readonly evaluationId: string;
  /** Unix seconds, whole. */
  readonly issuedAt: number;
  /** Unix seconds, whole. */
  readonly expiresAt: number;
  readonly actionName: string;
  /** The envelope of format 1; undefined where the gate signs another format, or nothing. */
  readonly signature: Uint8Array | undefined;
}

/**
 * What verdicts are made of lies under symbols: not printed, not in JSON, and, unlike private members, still there in the copies that
 * tools of comparison make.
 */
const FACTS: unique symbol = Symbol("facts");
const ISSUED: unique symbol = Symbol("issued");
const ANSWER: unique symbol = Symbol("answer");

/** Node prints an object by this method, where it has one. */
const PRINTED: unique symbol = Symbol.for("nodejs.util.inspect.custom");

abstract class AnyVerdict {
  readonly [FACTS]: DecisionFacts;

  constructor(facts: DecisionFacts) {
    this[FACTS] = facts;
  }

  get evaluationId(): string {
    return this[FACTS].evaluationId;
  }
  get policyDigest(): string {
    return this[FACTS].policyDigest;
  }
  get policyName(): string {
    return this[FACTS].policyName;
  }
  get revision(): Revision | undefined {
    return this[FACTS].revision;
  }
  get observed(): ObservedVerdict | undefined {
    return this[FACTS].observed;
  }

  /** For logs: all but the permit's bytes, for whoever reads a log must not be able to use a permit. */
  abstract toJSON(): object;

  [PRINTED](): object {
    return this.toJSON();
  }

  protected facts(): object {
    const { evaluationId, policyDigest, policyName, revision, observed } = this[FACTS];
    return { evaluationId, policyDigest, policyName, revision, ...(observed && { observed: withoutBytes(observed) }) };
  }
}

function withoutBytes(verdict: ObservedVerdict): object {
  if (verdict.kind !== "permit") return verdict;
  const { kind, tokenId, issuedAtMs, expiresAtMs } = verdict;
  return { kind, tokenId, issuedAtMs, expiresAtMs };
}

export class PermitVerdict extends AnyVerdict implements PermitAnswer {
  readonly [ISSUED]: { readonly issued: IssuedFacts; readonly actionName: string };

  constructor(facts: DecisionFacts, issued: IssuedFacts, actionName: string) {
    super(facts);
    this[ISSUED] = { issued, actionName };
  }

  get kind(): "permit" {
    return "permit";
  }
  get isPermit(): true {
    return true;
  }
  get isRefuse(): false {
    return false;
  }
  get isInvalidate(): false {
    return false;
  }
  get permit(): Uint8Array {
    return this[ISSUED].issued.token;
  }
  get tokenId(): string {
    return this[ISSUED].issued.tokenId;
  }
  get issuedAtMs(): number {
    return this[ISSUED].issued.issuedAtMs;
  }
  get expiresAtMs(): number {
    return this[ISSUED].issued.expiresAtMs;
  }
  /** The envelope of format 1; undefined where the gate signs another format, or nothing. */
  get signature(): Uint8Array | undefined {
    return this[ISSUED].issued.signature;
  }
  get permitToken(): PermitTokenView {
    return {
      tokenId: this.tokenId,
      evaluationId: this.evaluationId,
      issuedAt: Math.floor(this.issuedAtMs / 1000),
      expiresAt: Math.floor(this.expiresAtMs / 1000),
      actionName: this[ISSUED].actionName,
      signature: this.signature,
    };
  }
  get code(): undefined {
    return undefined;
  }
  get evaluator(): undefined {
    return undefined;
  }
  get reason(): undefined {
    return undefined;
  }

  toJSON(): object {
    return { ...withoutBytes(this), ...this.facts() };
  }
}

/** What a permit has and the other verdicts do not. */
abstract class NotPermitted extends AnyVerdict {
  get isPermit(): false {
    return false;
  }
  get permit(): undefined {
    return undefined;
  }
  get tokenId(): undefined {
    return undefined;
  }
  get permitToken(): undefined {
    return undefined;
  }
  get signature(): undefined {
    return undefined;
  }
}

export class RefuseVerdict extends NotPermitted implements RefuseAnswer {
  readonly [ANSWER]: Omit<RefuseAnswer, "kind"> & { readonly retryAfterMs?: number };

  constructor(facts: DecisionFacts, answer: Omit<RefuseAnswer, "kind"> & { readonly retryAfterMs?: number }) {
    super(facts);
    this[ANSWER] = answer;
  }

  get kind(): "refuse" {
    return "refuse";
  }
  get isRefuse(): true {
    return true;
  }
  get isInvalidate(): false {
    return false;
  }
  get code(): RefuseCode {
    return this[ANSWER].code;
  }
  get evaluator(): string {
    return this[ANSWER].evaluator;
  }
  get reason(): string {
    return this[ANSWER].reason;
  }
  /** After a rate limit refused: milliseconds until a place is free again at the earliest. */
  get retryAfterMs(): number | undefined {
    return this[ANSWER].retryAfterMs;
  }

  toJSON(): object {
    const { kind, code, evaluator, reason, retryAfterMs } = this;
    return { kind, code, evaluator, reason, ...(retryAfterMs !== undefined && { retryAfterMs }), ...this.facts() };
  }
}

export class InvalidateVerdict extends NotPermitted implements InvalidateAnswer {
  readonly scope: InvalidationScope;
  readonly propagation: PropagationName;

  constructor(facts: DecisionFacts, scope: InvalidationScope, propagation: PropagationName) {
    super(facts);
    this.scope = scope;
    this.propagation = propagation;
  }

  get kind(): "invalidate" {
    return "invalidate";
  }
  get isRefuse(): false {
    return false;
  }
  get isInvalidate(): true {
    return true;
  }
  get code(): undefined {
    return undefined;
  }
  get evaluator(): string {
    return this.scope.evaluator;
  }
  get reason(): string {
    return this.scope.reason;
  }

  toJSON(): object {
    const { kind, scope, propagation } = this;
    return { kind, scope, propagation, ...this.facts() };
  }
}

export type Verdict = PermitVerdict | RefuseVerdict | InvalidateVerdict;

/** The gate refused the action. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly verdict: RefuseVerdict;

  constructor(verdict: RefuseVerdict) {
    super(`[${verdict.code}] ${verdict.evaluator}: ${verdict.reason}`);
    this.verdict = verdict;
  }

  get code(): RefuseCode {
    return this.verdict.code;
  }
  get evaluator(): string {
    return this.verdict.evaluator;
  }
  get reason(): string {
    return this.verdict.reason;
  }
  /** After a rate limit refused: milliseconds until a place is free again at the earliest. */
  get retryAfterMs(): number | undefined {
    return this.verdict.retryAfterMs;
  }
}

/** The gate refused the action and revoked what its scope names. */
export class Invalidated extends Error {
  override readonly name = "Invalidated";
  readonly verdict: InvalidateVerdict;

  constructor(verdict: InvalidateVerdict) {
    super(`${verdict.evaluator}: ${verdict.reason}`);
    this.verdict = verdict;
  }

  get scope(): InvalidationScope {
    return this.verdict.scope;
  }
  get evaluator(): string {
    return this.verdict.evaluator;
  }
  get reason(): string {
    return this.verdict.reason;
  }
}

/** The permit, or its refusal thrown: nothing but a permit comes through. */
export function requirePermit(verdict: Verdict): PermitVerdict {
  if (verdict.kind === "permit") return verdict;
  throw verdict.kind === "refuse" ? new Refused(verdict) : new Invalidated(verdict);
}
