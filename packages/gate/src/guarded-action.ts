/** A permitted action, to be begun exactly once and only as it was permitted. */
import { type ContextInput, DEFAULT_REALM, type ParamValue, type PermitVerdict } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { ActionContext } from "./action-context.ts";
import { Caller, type CallerInput } from "./caller.ts";
import { GateError } from "./errors.ts";
import { type Instant, readInstant } from "./freshness.ts";
import { refuseUnknownKeys } from "./option-keys.ts";
import type { PermitExpectation, PermitResult } from "./permits.ts";

/** Whoever decides: an embedded `Gate`, or a `GateClient`. */
export interface Checker {
  check(context: ContextInput): Promise<PermitVerdict>;
}

/** What the gate is told about an action. */
export interface DescribedAction {
  readonly actionName: string;
  readonly resource?: string | undefined;
  readonly params?: Readonly<Record<string, ParamValue>> | ReadonlyMap<string, ParamValue> | undefined;
}

export interface GuardedOptions {
  /**
   * Asked about the permit's bytes just before the action runs, such as `permits.redeem`, which lets it run once in a whole cluster. Absent: the
   * gate's word is believed, which a gate in this process, or one behind TLS, deserves.
   */
  readonly verify?: (token: Uint8Array, expected: PermitExpectation) => Promise<PermitResult>;
  /** Realm that the permit must name. Default: the default realm. */
  readonly realm?: string;
}

const MADE_HERE: unique symbol = Symbol("made by Guarded.request");

interface Grant<A> {
  readonly action: A;
  readonly describe: (action: A) => DescribedAction;
  /** What was judged. */
  readonly context: ActionContext;
  readonly options: GuardedOptions;
  readonly permit: PermitVerdict;
  /** Before the gate was asked. */
  readonly asked: Instant;
}

export class Guarded<A> {
  readonly #grant: Grant<A>;
  #begun: boolean = false;

  private constructor(made: typeof MADE_HERE, grant: Grant<A>) {
    // `private` binds TypeScript alone.
    if (made !== MADE_HERE) throw new TypeError("a Guarded comes from Guarded.request alone");
    this.#grant = grant;
  }

  /**
   * Asks the gate. `describe` says what the action is, now and again just before it runs; it must not change anything. Throws `Refused`
   * or `Invalidated`, and what the gate's `check` throws.
   */
  static async request<A>(
    gate: Checker,
    caller: Caller | CallerInput,
    action: A,
    describe: (action: A) => DescribedAction,
    options: GuardedOptions = {},
  ): Promise<Guarded<A>> {
    refuseUnknownKeys(options, ["verify", "realm"]);
    const { facts } = caller instanceof Caller ? caller : new Caller(caller);
    const context = new ActionContext({ ...facts, ...describe(action) });
    const asked = readInstant(SYSTEM_CLOCK);
    const permit = await gate.check(context);
    return new Guarded(MADE_HERE, { action, describe, context, options, permit, asked });
  }

  /** What the service that acts may want to see. */
  get permit(): PermitVerdict {
    return this.#grant.permit;
  }

  /**
   * Runs the action: once, within the permit's time, and only if it still is what was permitted. Rejects with `GateError`
   * `ALREADY_EXECUTED`, `PERMIT_EXPIRED`, `PERMIT_INVALID` or `ACTION_CHANGED`, and with what `run` throws; the permit is spent in any case.
   */
  async execute<R>(run: (action: A) => R): Promise<Awaited<R>> {
    if (this.#begun) throw new GateError("ALREADY_EXECUTED", "what was permitted has been begun before");
    this.#begun = true;
    const { action, describe, context, permit, asked } = this.#grant;
    await this.#verify();
    // Lifetimes are compared, not instants: the gate may judge by another clock than this machine's.
    if (!(elapsedMs(asked) < permit.expiresAtMs - permit.issuedAtMs)) {
      throw new GateError("PERMIT_EXPIRED", "the permit expired before its action began");
    }
    // Last, and at once before the run: nothing can come between.
    if (textOf(describe(action)) !== textOf(context)) {
      throw new GateError("ACTION_CHANGED", "the action is not what was permitted any more");
    }
    return await run(action);
  }

  async #verify(): Promise<void> {
    const { context, options, permit } = this.#grant;
    if (options.verify === undefined) return;
    const { action, principal } = context.at({ nowMs: 0, unnamedSessionId: "unnamed" });
    const expected = { realm: options.realm ?? DEFAULT_REALM, principalId: principal.id, action, audience: "" };
    const result = await options.verify(permit.permit, expected);
    if (result?.kind === "valid") return;
    throw new GateError("PERMIT_INVALID", `the permit does not hold: ${result?.failure ?? "no answer"}`);
  }
}

/** The larger of what both clocks say, for a suspended machine's monotonic clock stands still. */
function elapsedMs(since: Instant): number {
  const now = readInstant(SYSTEM_CLOCK);
  return Math.max(now.monotonicMs - since.monotonicMs, now.wallMs - since.wallMs);
}

/** Equal for equal actions, whatever the order of their params. */
function textOf({ actionName, resource, params = {} }: DescribedAction): string {
  const pairs = params instanceof Map ? [...(params as ReadonlyMap<string, ParamValue>)] : Object.entries(params);
  return JSON.stringify([actionName, resource ?? null, pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))]);
}
