/** The gate that an application embeds: policies and options in, a verdict for every action context out. */
import { readFileSync } from "node:fs";
import { type PermitVerifier, PqTokenSigner, randomBytes, sha256 } from "@kavach/crypto";
import { type GateRules, loadPolicySet, PolicyError, type PolicySet, type PolicySource } from "@kavach/engine";
import type { DecisionRequest } from "@kavach/model";
import {
  type Clock,
  type ContextInput,
  InputError,
  LIMITS,
  measureText,
  type PermitVerdict,
  requirePermit,
  type Verdict,
} from "@kavach/model";
import { composeStore, MemoryRevocationLog, MemoryStore, type Store } from "@kavach/store";
import { SYSTEM_CLOCK } from "@kavach/system";
import { readContext } from "./action-context.ts";
import { Conductor } from "./conductor.ts";
import { EmbeddedView } from "./embedded-view.ts";
import { GateError } from "./errors.ts";
import { EvaluationIds } from "./evaluation-ids.ts";
import type { DecisionExplanation } from "./explanation.ts";
import { formatOneSealer } from "./format-one.ts";
import { StoreClock } from "./freshness.ts";
import { type CheckedGateOptions, checkGateOptions, type GateOptions } from "./gate-options.ts";
import { LeasedView } from "./leased-view.ts";
import { refuseUnknownKeys, unknownKeys } from "./option-keys.ts";
import { Outbox } from "./outbox.ts";
import { Permits } from "./permits.ts";
import { PolicyBook } from "./policy-book.ts";
import { verdictOf } from "./returned.ts";
import { gateMetrics } from "./telemetry.ts";

export interface GateEvaluateOptions {
  /** Who may accept the permit: at most 16 names of 1 to 256 bytes. */
  readonly audience?: readonly string[];
  /** Asks for a permit that can be redeemed once. */
  readonly singleUse?: boolean;
  /** Who asks, as the application has proved it: 1 to 256 bytes. It goes into the audit log and decides nothing. */
  readonly caller?: string;
}

export interface ReloadOptions {
  /** Of a text. Default `toml`. */
  readonly format?: "toml" | "json";
  /** Named in faults. */
  readonly file?: string;
}

/** Absolute lifetime of a session that a session store keeps, milliseconds. */
const SESSION_LIFETIME_MS = 86_400_000;
/** Of a log that other processes share, milliseconds. */
const LEASE_MS = 5000;
const PUBLISH_WAIT_MS = 250;
const PUBLISH_RETRY_MS = 500;

export class Gate {
  readonly #options: CheckedGateOptions;
  readonly #clock: Clock;
  readonly #policies: PolicyBook;
  readonly #store: Store;
  readonly #revocations: EmbeddedView | LeasedView;
  readonly #outbox: Outbox;
  readonly #conductor: Conductor;
  readonly #ids: EvaluationIds = new EvaluationIds(randomBytes);
  #opening: Promise<void> | undefined;
  #closed: boolean = false;

  private constructor(set: PolicySet, options: CheckedGateOptions) {
    this.#options = options;
    // A log that other processes share tells its time with every answer, so that all of them judge by one clock.
    const storeClock = options.broadcaster?.local === false ? new StoreClock(SYSTEM_CLOCK) : undefined;
    const clock = storeClock ?? (options.clock === undefined ? SYSTEM_CLOCK : clockOf(options.clock));
    this.#clock = clock;
    this.#policies = bookOf(options.realm, set, options.rules);
    this.#store = composeStore({
      base: options.store ?? new MemoryStore(clock),
      rates: options.rateStore,
      sessions: options.sessionStore,
    });
    this.#revocations = viewOf(options, clock, storeClock);
    this.#outbox = outboxOf(this.#revocations, options);
    this.#conductor = new Conductor({
      policies: this.#policies,
      store: this.#store,
      revocations: this.#revocations,
      outbox: this.#outbox,
      signer: options.tokenSigner instanceof PqTokenSigner ? formatOneSealer(options.tokenSigner) : options.tokenSigner,
      audit: options.audit,
      evaluators: options.evaluators,
      clock,
      random: randomBytes,
      metrics: gateMetrics(),
      session: {
        mode: options.sessionStore === undefined ? "inline" : "open_on_first_use",
        lifetimeMs: SESSION_LIFETIME_MS,
        bornElsewhere: options.broadcaster === undefined,
      },
      permitTtlMs: options.permitTtlMs,
      singleUse: options.singleUse,
      observeOnly: options.observeOnly,
      report: options.onError,
    });
    this.#opening = this.#revocations.start().then(() => {
      this.#opening = undefined;
    });
    // Whoever evaluates hears of it.
    this.#opening.catch(() => undefined);
  }

  /** Of a plain object. Throws `PolicyError` or `GateOptionError` with every fault; so do the other factories. */
  static fromObject(policies: object, options: GateOptions = {}): Gate {
    return Gate.#from({ format: "object", value: policies }, options);
  }

  static fromJsonString(text: string, options: GateOptions = {}): Gate {
    return Gate.#from({ format: "json", text }, options);
  }

  /** Reads a JSON file, now. */
  static fromJsonFile(path: string, options: GateOptions = {}): Gate {
    return Gate.#from({ format: "json", text: readText(path), file: path }, options);
  }

  static fromToml(text: string, options: GateOptions = {}): Gate {
    return Gate.#from({ format: "toml", text }, options);
  }

  /** Reads a TOML file, now. */
  static fromFile(path: string, options: GateOptions = {}): Gate {
    return Gate.#from({ format: "toml", text: readText(path), file: path }, options);
  }

  static #from(source: PolicySource, options: GateOptions): Gate {
    const checked = checkGateOptions(options);
    return new Gate(loadPolicySet(source, sha256), checked);
  }

  /** SHA-256 of the policy set in force, lower hex. */
  get policyDigest(): string {
    return this.#policies.of(this.#options.realm).set.digest;
  }

  /**
   * The verdict; a refusal is a value. Every call draws its own evaluation id. Rejects with `InputError` when context or options break
   * a rule, with `GateError` for a clock that does not work and after `close`.
   */
  async evaluate(context: ContextInput, options: GateEvaluateOptions = NO_OPTIONS): Promise<Verdict> {
    if (this.#opening !== undefined) await this.#opening;
    const request = this.#request(context, options);
    const decided = this.#conductor.decideSoon(request, options.caller);
    return verdictOf(decided instanceof Promise ? await decided : decided, request.context.action.name);
  }

  /** Resolves only with a permit. Throws `Refused` or `Invalidated` for the other verdicts; otherwise as `evaluate`. */
  async check(context: ContextInput, options: GateEvaluateOptions = NO_OPTIONS): Promise<PermitVerdict> {
    return requirePermit(await this.evaluate(context, options));
  }

  /** Why the gate would decide as it would: charges nothing, mints nothing, records nothing, and asks no custom evaluator. */
  async explain(context: ContextInput): Promise<DecisionExplanation> {
    if (this.#opening !== undefined) await this.#opening;
    return await this.#conductor.explain(this.#request(context, NO_OPTIONS));
  }

  /**
   * Swaps the policies in one step: no decision sees half of two sets. A text is TOML unless `format` says JSON; an empty one refuses
   * everything. Throws `PolicyError` with every fault, and then the previous set stays in force.
   */
  reload(policies: string | object, options: ReloadOptions = {}): void {
    refuseUnknownKeys(options, ["format", "file"]);
    const { format = "toml", file } = options;
    const source: PolicySource =
      typeof policies === "string"
        ? { format, text: policies, ...(file !== undefined && { file }) }
        : { format: "object", value: policies };
    const { realm, rules } = this.#options;
    this.#policies.replace(new Map([[realm, { set: loadPolicySet(source, sha256), rules }]]));
  }

  /** Verifies and redeems permits against this gate's own state. */
  permits(verifier: PermitVerifier): Permits {
    return new Permits({ verifier, revocations: this.#revocations, store: this.#store, clock: this.#clock });
  }

  /** Stops following the log and retrying writes to it; later calls are rejected. What was handed in stays open: it may be shared. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#revocations.close();
    await this.#outbox.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #request(context: ContextInput, options: GateEvaluateOptions): DecisionRequest {
    if (this.#closed) throw new GateError("CLOSED", "this gate is closed");
    if (options !== NO_OPTIONS) checkEvaluateOptions(options);
    const evaluationId = this.#ids.next();
    return {
      realm: this.#options.realm,
      evaluationId,
      context: readContext(context, { nowMs: this.#clock.nowMs(), unnamedSessionId: evaluationId }),
      audience: options.audience === undefined ? NO_AUDIENCE : [...options.audience],
      singleUse: options.singleUse === true,
    };
  }
}

const NO_OPTIONS: GateEvaluateOptions = Object.freeze({});
const NO_AUDIENCE: readonly string[] = Object.freeze([]);

function checkEvaluateOptions(options: GateEvaluateOptions): void {
  const violations = unknownKeys(options, ["audience", "singleUse", "caller"]);
  const fail = (field: string, reason: string) => violations.push({ field, reason });
  const { audience = [], singleUse = false, caller } = options;
  if (caller !== undefined && !isName(caller)) fail("caller", "must be 1 to 256 bytes without control characters");
  if (typeof singleUse !== "boolean") fail("singleUse", "must be a boolean");
  if (!Array.isArray(audience) || audience.length > LIMITS.audienceMax) {
    fail("audience", `must be a list of at most ${LIMITS.audienceMax} names`);
  } else {
    for (const [index, name] of audience.entries()) {
      if (!isName(name)) fail(`audience[${index}]`, "must be 1 to 256 bytes without control characters");
    }
  }
  if (violations.length > 0) throw new InputError(violations);
}

function isName(value: unknown): boolean {
  if (typeof value !== "string") return false;
  const { bytes, control, wellFormed } = measureText(value);
  return bytes >= 1 && bytes <= LIMITS.nameBytesMax && !control && wellFormed;
}

function bookOf(realm: string, set: PolicySet, rules: GateRules): PolicyBook {
  return new PolicyBook({ set, rules }, new Map([[realm, { set, rules }]]));
}

/** A clock that returns no number would make ages and expiries that compare with nothing. */
function clockOf(nowMs: () => number): Clock {
  return {
    nowMs() {
      const instant: unknown = nowMs();
      if (typeof instant === "number" && Number.isFinite(instant)) return instant;
      throw new GateError("CLOCK_INVALID", "the clock returned no finite number");
    },
    monotonicMs: SYSTEM_CLOCK.monotonicMs,
  };
}

function viewOf(
  options: CheckedGateOptions,
  clock: Clock,
  storeClock: StoreClock | undefined,
): EmbeddedView | LeasedView {
  const { broadcaster, onError: report } = options;
  if (broadcaster === undefined) return new EmbeddedView(new MemoryRevocationLog(clock), clock);
  if (storeClock === undefined) return new EmbeddedView(broadcaster.log, clock);
  return new LeasedView({ log: broadcaster.log, clock: SYSTEM_CLOCK, storeClock, leaseMs: LEASE_MS, report });
}

function outboxOf(view: EmbeddedView | LeasedView, { broadcaster, onError }: CheckedGateOptions): Outbox {
  return new Outbox({
    publish: (realm, scope, key) => view.publish(realm, scope, key),
    ...(broadcaster?.local === false && { waitMs: PUBLISH_WAIT_MS }),
    retryMs: PUBLISH_RETRY_MS,
    onFailure: (error, pending) => onError(error, `invalidation not recorded yet; ${pending} waiting`),
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new PolicyError([{ file: path, path: "", message: `cannot be read: ${code ?? "error"}` }]);
  }
}
