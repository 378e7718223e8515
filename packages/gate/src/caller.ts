/** Who calls, apart from what they call: the part of an action context that a guarded function cannot know from its arguments. */
import { AsyncLocalStorage } from "node:async_hooks";
import { type ContextInput, InputError } from "@kavach/model";
import { ActionContext } from "./action-context.ts";

/** The action, its resource and its params come from the guarded function. */
export type CallerInput = Omit<ContextInput, "actionName" | "resource" | "params">;

const OF_THE_FUNCTION = ["actionName", "resource", "params"] as const;

/** A class of its own, so that no argument of a guarded function can pass for one. */
export class Caller {
  /** Checked and frozen. */
  readonly facts: CallerInput;

  /** Throws `InputError` with every violation. */
  constructor(input: CallerInput) {
    const foreign = OF_THE_FUNCTION.filter((key) => Object.hasOwn(Object(input), key));
    if (foreign.length > 0) {
      throw new InputError(foreign.map((field) => ({ field, reason: "comes from the guarded function" })));
    }
    const { actionName: _action, ...facts } = new ActionContext({ ...input, actionName: "any" });
    this.facts = Object.freeze(facts);
    Object.freeze(this);
  }
}

const callers = new AsyncLocalStorage<Caller>();

/** Runs `run`, and whatever it starts, in the name of `caller`. An inner one stands before an outer one. Returns what `run` returns. */
export function withCaller<R>(caller: Caller | CallerInput, run: () => R): R {
  return callers.run(caller instanceof Caller ? caller : new Caller(caller), run);
}

/** In whose name this runs; undefined outside of every `withCaller`. */
export function currentCaller(): Caller | undefined {
  return callers.getStore();
}
