/** What one decision is about, as a user writes it: checked, copied and frozen when it is made, so that it can be judged many times. */
import {
  type ContextInput,
  contextFromInput,
  type Device,
  type FlatReading,
  type GeoLocation,
  type ActionContext as ModelContext,
  type ParamValue,
  type PrincipalKind,
} from "@kavach/model";

/** Stands for what only the evaluation knows, until `at` puts it in. */
const UNREAD: FlatReading = { nowMs: 0, unnamedSessionId: "unnamed" };

export class ActionContext implements ContextInput {
  declare readonly principalId: string;
  declare readonly principalKind: PrincipalKind;
  declare readonly actionName: string;
  declare readonly roles?: readonly string[];
  declare readonly resource?: string;
  declare readonly params?: Readonly<Record<string, ParamValue>>;
  declare readonly ip?: string;
  declare readonly sessionId?: string;
  declare readonly originIp?: string;
  declare readonly currentGeo?: GeoLocation;
  declare readonly originGeo?: GeoLocation;
  declare readonly device?: Device;
  declare readonly originDevice?: Device;
  declare readonly sessionStartedAt?: Date | number;
  declare readonly actionCount?: number;
  declare readonly userAgent?: string;
  readonly #read: ModelContext;

  /** Throws `InputError` with every violation, each named by its key. */
  constructor(input: ContextInput) {
    this.#read = contextFromInput(input, UNREAD);
    const { principal, action, session, environment } = this.#read;
    const copies: Partial<Record<keyof ContextInput, unknown>> = {
      roles: Object.freeze([...principal.roles]),
      params: Object.freeze(Object.fromEntries(action.params)),
      currentGeo: frozenCopy(environment.geo),
      originGeo: frozenCopy(session?.originGeo),
      device: frozenCopy(environment.device),
      originDevice: frozenCopy(session?.originDevice),
      // A copy: a date can be changed.
      sessionStartedAt:
        input.sessionStartedAt instanceof Date ? new Date(input.sessionStartedAt) : input.sessionStartedAt,
    };
    for (const key of Object.keys(input) as (keyof ContextInput)[]) {
      if (input[key] === undefined) continue;
      Object.assign(this, { [key]: Object.hasOwn(copies, key) ? copies[key] : input[key] });
    }
    Object.freeze(this);
  }

  /** The same with one param more, or another value for it. */
  withParam(name: string, value: ParamValue): ActionContext {
    const params = new Map(this.#read.action.params).set(name, value);
    return new ActionContext({ ...this, params });
  }

  /** The model's context, with the instant and the name of a session that says neither. */
  at(reading: FlatReading): ModelContext {
    const { session } = this.#read;
    if (session === undefined || (this.sessionId !== undefined && session.startAssumed !== true)) return this.#read;
    return {
      ...this.#read,
      session: {
        ...session,
        id: this.sessionId ?? reading.unnamedSessionId,
        startedAtMs: session.startAssumed === true ? reading.nowMs : session.startedAtMs,
      },
    };
  }
}

/** Of either form; an `ActionContext` is not checked a second time. */
export function readContext(context: ContextInput, reading: FlatReading): ModelContext {
  return context instanceof ActionContext ? context.at(reading) : contextFromInput(context, reading);
}

function frozenCopy<T extends object>(value: T | undefined): Readonly<T> | undefined {
  return value === undefined ? undefined : Object.freeze({ ...value });
}
