/** What an unsigned decision on state in memory costs: no timer, no file, no socket, no turn of the event loop. */
import { createHook } from "node:async_hooks";
import { KavachKeyPair, PermitSigner } from "@kavach/crypto";
import type { ContextInput } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { describe, expect, it } from "vitest";
import { ActionContext } from "./action-context.ts";
import { MOVED, POLICIES, refund, report } from "./gate.test-kit.ts";
import { Gate } from "./gate.ts";
import type { GateOptions } from "./gate-options.ts";
import { InMemorySessionStore } from "./session-store.ts";

/** Promises cost no more than memory, and randomness is drawn on the calling thread. */
const FREE: ReadonlySet<string> = new Set(["PROMISE", "RANDOMBYTESREQUEST"]);

/** The asynchronous resources that `run` makes. */
async function resourcesOf(run: () => Promise<unknown>): Promise<string[]> {
  const types: string[] = [];
  const hook = createHook({
    init(_id, type) {
      if (!FREE.has(type)) types.push(type);
    },
  });
  hook.enable();
  try {
    await run();
  } finally {
    hook.disable();
  }
  return types;
}

/** True when `run` is through before anything but promises has had its turn. */
async function isWithinOneTurn(run: () => Promise<unknown>): Promise<boolean> {
  let turned = false;
  const immediate = setImmediate(() => {
    turned = true;
  });
  await run();
  clearImmediate(immediate);
  return !turned;
}

const evaluators = [{ name: "own", evaluate: () => ({ kind: "pass" }) as const }];

describe.each<[string, GateOptions, ContextInput, string]>([
  ["a permit", {}, refund(), "permit"],
  ["a context checked before", {}, new ActionContext(refund()), "permit"],
  ["a refusal", {}, refund({ roles: [] }), "refuse"],
  ["an invariant", { invariants: [["cap", "amount", 1]] }, refund(), "refuse"],
  ["an invalidation, published", {}, MOVED, "invalidate"],
  ["a limit", {}, report({ actionName: "export" }), "permit"],
  ["a kept session", { sessionStore: new InMemorySessionStore() }, report({ sessionId: "s" }), "permit"],
  ["a gate that only observes", { observeOnly: true }, refund({ roles: [] }), "permit"],
  ["custom evaluators", { evaluators }, refund(), "permit"],
])("%s", (_name, options, context, kind) => {
  it("costs no I/O and no timer, from the first call on", async () => {
    const gate = Gate.fromObject(POLICIES, options);
    const run = async () => expect((await gate.evaluate(context)).kind).toBe(kind);
    expect(await resourcesOf(run)).toEqual([]);
    const again = Gate.fromObject(POLICIES, options);
    expect(await isWithinOneTurn(() => again.evaluate(context))).toBe(true);
  });
});

it("the same look finds the work of a signature, and of a timer", async () => {
  const keyPair = KavachKeyPair.generate({ clock: SYSTEM_CLOCK });
  const gate = Gate.fromObject(POLICIES, { tokenSigner: new PermitSigner({ keyPair, clock: SYSTEM_CLOCK }) });
  expect(await resourcesOf(() => gate.evaluate(refund()))).not.toEqual([]);
  expect(await resourcesOf(() => new Promise((resolve) => setTimeout(resolve, 0)))).toContain("Timeout");
});
