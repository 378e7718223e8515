/** Functions and methods that run only when the gate permits, with what they are about to do taken from their arguments. */
import { InputError, type ParamValue } from "@kavach/model";
import { Caller, currentCaller } from "./caller.ts";
import { GateError } from "./errors.ts";
import { type Checker, type DescribedAction, Guarded, type GuardedOptions } from "./guarded-action.ts";
import { unknownKeys } from "./option-keys.ts";

export interface GuardOptions<A extends unknown[]> extends GuardedOptions {
  /** Name of the action, 1 to 256 bytes. */
  readonly action: string;
  /** Which of the arguments the policies may look at. Absent: none. Called twice, before the gate is asked and before the function runs. */
  readonly params?: (args: A) => Readonly<Record<string, ParamValue>>;
  /** What is acted on. */
  readonly resource?: (args: A) => string | undefined;
}

/** Leads with its caller, or runs inside `withCaller`. */
export interface GuardedFunction<A extends unknown[], R> {
  (caller: Caller, ...args: A): Promise<Awaited<R>>;
  (...args: A): Promise<Awaited<R>>;
}

/** A standard decorator of an asynchronous method. */
export type GuardedMethod<A extends unknown[]> = <This, R>(
  method: (this: This, ...args: A) => Promise<R>,
  context: ClassMethodDecoratorContext<This>,
) => (this: This, ...args: A) => Promise<R>;

/**
 * Wraps `fn`, or without one makes a method decorator. The wrapped function is always asynchronous. It rejects with `Refused` or
 * `Invalidated` where the gate does not permit, with `GateError` `CALLER_MISSING` where nobody is named, with `ACTION_CHANGED` where its
 * arguments were changed while the gate decided.
 */
export function guarded<A extends unknown[], R>(
  gate: Checker,
  options: GuardOptions<A>,
  fn: (...args: A) => R,
): GuardedFunction<A, R>;
export function guarded<A extends unknown[]>(gate: Checker, options: GuardOptions<A>): GuardedMethod<A>;
export function guarded<A extends unknown[], R>(
  gate: Checker,
  options: GuardOptions<A>,
  fn?: (...args: A) => R,
): GuardedFunction<A, R> | GuardedMethod<A> {
  checkOptions(options, ["action", "params", "resource", "verify", "realm"]);
  if (fn !== undefined) return wrap(gate, options, fn) as GuardedFunction<A, R>;
  const decorator = (method: (...args: A) => R, context: ClassMethodDecoratorContext) => {
    if (context?.kind !== "method") throw new TypeError("guarded decorates methods");
    return wrap(gate, options, method);
  };
  return decorator as unknown as GuardedMethod<A>;
}

/** `guarded` for a function of one object, all of whose numbers, strings and booleans are params. */
export function guardedTool<T extends object, R>(
  gate: Checker,
  options: GuardedOptions & { readonly action: string; readonly resource?: (input: T) => string | undefined },
  fn: (input: T) => R,
): GuardedFunction<[input: T], R> {
  checkOptions(options, ["action", "resource", "verify", "realm"]);
  const { resource, ...rest } = options;
  return guarded<[input: T], R>(
    gate,
    {
      ...rest,
      params: ([input]) => scalarsOf(input),
      ...(resource !== undefined && { resource: ([input]: [T]) => resource(input) }),
    },
    fn,
  );
}

function wrap<A extends unknown[], R>(gate: Checker, options: GuardOptions<A>, fn: (...args: A) => R) {
  const { action, params, resource, ...granting } = options;
  const describe = (args: A): DescribedAction => ({
    actionName: action,
    ...(params !== undefined && { params: params(args) }),
    ...(resource !== undefined && { resource: resource(args) }),
  });
  return async function (this: unknown, ...given: unknown[]): Promise<Awaited<R>> {
    const leads = given[0] instanceof Caller;
    const caller = leads ? (given[0] as Caller) : currentCaller();
    if (caller === undefined) {
      throw new GateError("CALLER_MISSING", `nobody calls '${action}': lead with a Caller, or run inside withCaller`);
    }
    const args = (leads ? given.slice(1) : given) as unknown as A;
    const granted = await Guarded.request(gate, caller, args, describe, granting);
    return await granted.execute((checked) => fn.apply(this, checked));
  };
}

/** Own and inherited, for the function reads both. What the gate cannot judge, such as a bigint, is left for it to refuse. */
function scalarsOf(input: object): Record<string, ParamValue> {
  if (input === null || typeof input !== "object") {
    throw new InputError([{ field: "input", reason: "must be one object" }]);
  }
  const scalars: [string, ParamValue][] = [];
  for (const name in input) {
    const value: unknown = input[name as keyof typeof input];
    if (["number", "string", "boolean", "bigint"].includes(typeof value)) scalars.push([name, value as ParamValue]);
  }
  return Object.fromEntries(scalars);
}

function checkOptions(options: object, known: readonly string[]): void {
  const violations = unknownKeys(options, known);
  const { action, realm: _realm, ...functions } = Object(options) as Readonly<Record<string, unknown>>;
  for (const [field, value] of Object.entries(functions)) {
    if (known.includes(field) && value !== undefined && typeof value !== "function")
      violations.push({ field, reason: "must be a function" });
  }
  if (typeof action !== "string" || action === "") violations.push({ field: "action", reason: "must be a name" });
  if (violations.length > 0) throw new InputError(violations);
}
