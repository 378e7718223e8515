/** The laws of a decision, over drawn sets and calls: what adding, moving or repeating may never do. */
import { loadPolicySet } from "@kavach/engine";
import type { ActionContext } from "@kavach/model";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ReferenceAnswer, ReferenceOptions } from "../reference/source.ts";
import { call, type DrawnPolicy, named, options, policies, policy, START_MS } from "./drawn.ts";
import { EngineGate } from "./engine-gate.ts";
import { seeded } from "./seeded.ts";

const NOW_MS = START_MS[0];
const SHARE = 0.04;
const LONG = { timeout: 3_600_000 };

/** One decision of a gate that has counted nothing yet: equal facts. */
async function answer(
  drawn: readonly DrawnPolicy[],
  given: ReferenceOptions,
  context: ActionContext,
): Promise<ReferenceAnswer> {
  const source = { format: "object", value: { policies: named(drawn) } } as const;
  return await new EngineGate(
    loadPolicySet(source, (bytes) => bytes.slice(0, 32)),
    given,
  ).evaluate(context, NOW_MS);
}

const judged = fc.record({ drawn: policies, given: options, context: call.map((at) => at(NOW_MS)) });

async function holds(
  law: string,
  property: (
    world: typeof judged extends fc.Arbitrary<infer World> ? World : never,
    extra: DrawnPolicy,
    at: number,
  ) => Promise<boolean>,
): Promise<void> {
  let met = 0;
  const checked = fc.asyncProperty(judged, policy, fc.nat(6), async (world, extra, at) => {
    if (await property(world, extra, at)) met++;
  });
  await fc.assert(checked, seeded(law, 1, SHARE));
  // A law whose premise never came true would hold for nothing.
  expect(met).toBeGreaterThan(0);
}

test("default deny: what is permitted, a permit policy of the set permits alone", LONG, async () => {
  await holds("default deny", async ({ drawn, given, context }) => {
    const whole = await answer(drawn, given, context);
    if (whole.kind !== "permit") return false;
    const alone = await Promise.all(drawn.map((one) => answer([one], given, context)));
    const permitting = drawn.filter((one, i) => one.effect === "permit" && alone[i]?.kind === "permit");
    expect(permitting.length).toBeGreaterThan(0);
    return true;
  });
});

test("without permit policies nothing is permitted", LONG, async () => {
  await holds("no permit policies", async ({ drawn, given, context }) => {
    const refusing = drawn.filter(({ effect }) => effect === "refuse");
    expect((await answer(refusing, given, context)).kind).not.toBe("permit");
    return refusing.length > 0;
  });
});

test("adding a refuse policy anywhere never turns a non-permit into a permit", LONG, async () => {
  await holds("adding a refuse", async ({ drawn, given, context }, extra, at) => {
    if ((await answer(drawn, given, context)).kind === "permit") return false;
    const conditions = extra.conditions.filter((condition) => !("rate_limit" in condition));
    const more = drawn.toSpliced(at, 0, { ...extra, conditions, effect: "refuse" });
    expect((await answer(more, given, context)).kind).not.toBe("permit");
    return true;
  });
});

test("adding a permit policy at the end never turns a permit into anything else", LONG, async () => {
  await holds("adding a permit", async ({ drawn, given, context }, extra) => {
    if ((await answer(drawn, given, context)).kind !== "permit") return false;
    const last = { ...extra, effect: "permit", priority: 4_294_967_295 } as const;
    expect((await answer([...drawn, last], given, context)).kind).toBe("permit");
    return true;
  });
});

test("order inside one priority is position, and between priorities it is the priority", LONG, async () => {
  await holds("order", async ({ drawn, given, context }) => {
    const sorted = drawn.toSorted((a, b) => (a.priority ?? 100) - (b.priority ?? 100));
    const flat = sorted.map(({ priority: _, ...rest }) => rest);
    const { policyName: _, reason: said, ...plain } = await answer(flat, given, context);
    const { policyName, reason, ...other } = await answer(drawn, given, context);
    expect(other).toEqual(plain);
    // Names follow positions, so only the reasons of policies may differ.
    if (other.evaluator !== "policy" || other.code === "NO_POLICY_MATCH") expect(reason).toBe(said);
    return policyName !== undefined;
  });
});

test("invariants hold whatever the policies say", LONG, async () => {
  await holds("invariants", async ({ drawn, given, context }) => {
    const capped = {
      ...given,
      invariants: [{ kind: "blocked_actions", name: "none", actions: [context.action.name] }],
    };
    const found = await answer(drawn, capped, context);
    expect(found.kind).not.toBe("permit");
    return found.code === "INVARIANT_VIOLATION";
  });
});

test("the same set, context and facts give the same finding on every run", LONG, async () => {
  await holds("determinism", async ({ drawn, given, context }) => {
    expect(await answer(drawn, given, context)).toEqual(await answer(drawn, given, context));
    return true;
  });
});
