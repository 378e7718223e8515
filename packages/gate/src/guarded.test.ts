/** Guarded functions, tools, methods and actions: nothing runs but what was permitted, in somebody's name, once. */
import { KavachKeyPair, PermitSigner, PermitVerifier, PublicKeyDirectory } from "@kavach/crypto";
import { type ContextInput, InputError, type PermitVerdict, Refused } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { transform } from "esbuild";
import { describe, expect, expectTypeOf, it } from "vitest";
import { Caller, currentCaller, withCaller } from "./caller.ts";
import { POLICIES } from "./gate.test-kit.ts";
import { Gate } from "./gate.ts";
import { guarded, guardedTool } from "./guarded.ts";
import { type Checker, Guarded } from "./guarded-action.ts";

const alice = new Caller({ principalId: "alice", principalKind: "agent", roles: ["support"] });
const mallory = new Caller({ principalId: "mallory", principalKind: "agent" });

/** A gate that remembers what it was asked. */
function watched(gate: Checker = Gate.fromObject(POLICIES)) {
  const asked: ContextInput[] = [];
  const check = async (context: ContextInput) => {
    asked.push(context);
    return await gate.check(context);
  };
  return { asked, gate: { check } };
}

const refundOptions = {
  action: "issue_refund",
  params: ([, amount]: [orderId: string, amount: number]) => ({ amount }),
  resource: ([orderId]: [orderId: string, amount: number]) => `orders/${orderId}`,
};

function refunds(gate: Checker) {
  const done: string[] = [];
  const issueRefund = guarded(gate, refundOptions, (orderId: string, amount: number) => {
    done.push(orderId);
    return { status: "refunded", orderId, amount };
  });
  return { done, issueRefund };
}

describe("guarded functions", () => {
  it("run with their arguments alone when the gate permits, and are asynchronous", async () => {
    const { asked, gate } = watched();
    const { issueRefund } = refunds(gate);
    const running = issueRefund(alice, "ORD-1", 500);
    expect(running).toBeInstanceOf(Promise);
    expect(await running).toEqual({ status: "refunded", orderId: "ORD-1", amount: 500 });
    expect(asked).toEqual([
      expect.objectContaining({
        principalId: "alice",
        roles: ["support"],
        actionName: "issue_refund",
        resource: "orders/ORD-1",
        params: { amount: 500 },
      }),
    ]);
    expectTypeOf(running).resolves.toEqualTypeOf<{ status: string; orderId: string; amount: number }>();
  });

  it("take their caller from withCaller, the innermost, across every await", async () => {
    const { done, issueRefund } = refunds(Gate.fromObject(POLICIES));
    await withCaller(alice.facts, async () => {
      await Promise.resolve();
      await issueRefund("ORD-1", 500);
      expect(currentCaller()?.facts.principalId).toBe("alice");
      await withCaller(mallory, async () => {
        await expect(issueRefund("ORD-2", 500)).rejects.toBeInstanceOf(Refused);
        await issueRefund(alice, "ORD-3", 500);
      });
    });
    expect(currentCaller()).toBeUndefined();
    expect(done).toEqual(["ORD-1", "ORD-3"]);
  });

  it.each<[string, (issueRefund: (...args: never[]) => Promise<unknown>) => Promise<unknown>, object]>([
    [
      "the gate refuses",
      (run) => run(...([mallory, "ORD", 5] as never[])),
      { name: "Refused", code: "NO_POLICY_MATCH" },
    ],
    ["the params are too much", (run) => run(...([alice, "ORD", 999_999] as never[])), { name: "Refused" }],
    ["nobody calls", (run) => run(...(["ORD", 5] as never[])), { code: "CALLER_MISSING" }],
    [
      "an argument only looks like a caller",
      (run) => run(...([{ facts: alice.facts }, "ORD", 5] as never[])),
      { code: "CALLER_MISSING" },
    ],
    [
      "a param is no scalar",
      (run) => run(...([alice, "ORD", { valueOf: () => 5 }] as never[])),
      { name: "InputError" },
    ],
    ["a param is missing", (run) => run(...([alice, "ORD"] as never[])), { name: "InputError" }],
  ])("do not run where %s", async (_name, call, error) => {
    const { done, issueRefund } = refunds(Gate.fromObject(POLICIES));
    await expect(call(issueRefund)).rejects.toMatchObject(error);
    expect(done).toEqual([]);
  });

  it("do not run where the gate is away", async () => {
    const away = { check: () => Promise.reject(new Error("away")) };
    const { done, issueRefund } = refunds(away);
    await expect(issueRefund(alice, "ORD", 5)).rejects.toThrow("away");
    expect(done).toEqual([]);
  });

  it("do not run with arguments that were changed while the gate decided; unchanged, the same call runs", async () => {
    const order = { amount: 500 };
    for (const changed of [500, 999_999]) {
      order.amount = 500;
      const ran: number[] = [];
      const gate = {
        check: async (context: ContextInput) => {
          const permit = await Gate.fromObject(POLICIES).check(context);
          order.amount = changed;
          return permit;
        },
      };
      const pay = guarded(
        gate,
        { action: "issue_refund", params: ([it]: [typeof order]) => ({ amount: it.amount }) },
        (it: typeof order) => ran.push(it.amount),
      );
      const running = pay(alice, order);
      if (changed === 500) await running;
      else await expect(running).rejects.toMatchObject({ code: "ACTION_CHANGED" });
      expect(ran).toEqual(changed === 500 ? [500] : []);
    }
  });

  it("pass on what the function throws, and its `this`", async () => {
    const gate = Gate.fromObject(POLICIES);
    const fails = guarded(gate, { action: "fetch_report" }, () => {
      throw new Error("no paper");
    });
    await expect(fails(alice)).rejects.toThrow("no paper");
    const service = {
      owner: "acme",
      fetch: guarded(gate, { action: "fetch_report" }, function (this: unknown) {
        return (this as { owner: string }).owner;
      }),
    };
    expect(await service.fetch(alice)).toBe("acme");
  });

  it.each<[string, unknown]>([
    ["an unknown option", { action: "a", param: () => ({}) }],
    ["no action", {}],
    ["an empty action", { action: "" }],
    ["params that are no function", { action: "a", params: {} }],
  ])("cannot be made with %s", (_name, options) => {
    expect(() => guarded(Gate.fromObject(POLICIES), options as never, () => 1)).toThrow(InputError);
  });
});

describe("callers", () => {
  it.each<[string, unknown, string]>([
    ["an action", { ...alice.facts, actionName: "x" }, "actionName: comes from the guarded function"],
    ["params", { ...alice.facts, params: {} }, "params: comes from the guarded function"],
    ["an unknown kind", { principalId: "a", principalKind: "robot" }, "principalKind: must be one of"],
    ["an unknown key", { ...alice.facts, ipp: "10.0.0.1" }, "ipp: is not a known key"],
  ])("are refused with %s", (_name, input, message) => {
    expect(() => new Caller(input as never)).toThrow(InputError);
    expect(() => withCaller(input as never, () => 1)).toThrow(message);
  });

  it("do not change after they were made", () => {
    const roles = ["support"];
    const caller = new Caller({ principalId: "a", principalKind: "user", roles });
    roles.push("admin");
    expect(caller.facts.roles).toEqual(["support"]);
    expect(() => Object.assign(caller.facts, { principalId: "b" })).toThrow(TypeError);
  });
});

describe("guardedTool", () => {
  it("makes every scalar of its one object a param, inherited ones included, and nothing else", async () => {
    const { asked, gate } = watched();
    const input = Object.assign(Object.create({ hidden: 1 }) as object, {
      amount: 5,
      note: "late",
      urgent: true,
      lines: [1],
      nothing: null,
    });
    const tool = guardedTool(
      gate,
      { action: "issue_refund", resource: () => "orders/1" },
      (it: typeof input) => it.amount,
    );
    expect(await tool(alice, input)).toBe(5);
    expect(asked[0]).toMatchObject({ resource: "orders/1" });
    expect(asked[0]?.params).toEqual({ amount: 5, note: "late", urgent: true, hidden: 1 });
  });

  it.each([[5], [null], [undefined], [{ amount: 5n }], [{ amount: Number.NaN }]])(
    "does not run with %o",
    async (input) => {
      let ran = false;
      const tool = guardedTool(Gate.fromObject(POLICIES), { action: "issue_refund" }, () => {
        ran = true;
      });
      await expect(tool(alice, input as never)).rejects.toBeInstanceOf(InputError);
      expect(ran).toBe(false);
    },
  );
});

describe("the method decorator", () => {
  const source = `
    export function refundsOf(guarded, gate) {
      class Refunds {
        #done = [];
        @guarded(gate, { action: "issue_refund", params: ([orderId, amount]) => ({ amount }) })
        async issue(orderId, amount) {
          this.#done.push(orderId);
          return this.#done;
        }
        @guarded(gate, { action: "fetch_report" })
        static async report() {
          return "report";
        }
      }
      return { refunds: new Refunds(), Refunds };
    }`;

  async function compiled(gate: Checker) {
    const { code } = await transform(source, { target: "es2022", format: "esm" });
    const module = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code)}`)) as {
      refundsOf(
        decorate: typeof guarded,
        checker: Checker,
      ): {
        refunds: { issue(...args: unknown[]): Promise<string[]> };
        Refunds: { report(): Promise<string> };
      };
    };
    return module.refundsOf(guarded, gate);
  }

  it("guards methods of instances and of classes, as compilers apply it", async () => {
    const { refunds: service, Refunds } = await compiled(Gate.fromObject(POLICIES));
    await withCaller(alice, async () => {
      expect(await service.issue("ORD-1", 500)).toEqual(["ORD-1"]);
      await expect(service.issue("ORD-2", 999_999)).rejects.toBeInstanceOf(Refused);
      expect(await service.issue("ORD-3", 5)).toEqual(["ORD-1", "ORD-3"]);
      expect(await Refunds.report()).toBe("report");
    });
    await expect(service.issue("ORD-4", 5)).rejects.toMatchObject({ code: "CALLER_MISSING" });
    expect(await service.issue(alice, "ORD-5", 5)).toEqual(["ORD-1", "ORD-3", "ORD-5"]);
  });

  it.each(["getter", "field", "class", undefined])("decorates no %s", (kind) => {
    const decorate = guarded(Gate.fromObject(POLICIES), { action: "fetch_report" });
    const method = async () => 1;
    expect(() => decorate(method, { kind, name: "x" } as never)).toThrow(TypeError);
  });
});

describe("Guarded", () => {
  const describeRefund = (order: { amount: number }) => ({
    actionName: "issue_refund",
    params: { amount: order.amount },
  });

  it("runs exactly once, however many begin it at the same time", async () => {
    const granted = await Guarded.request(Gate.fromObject(POLICIES), alice, { amount: 5 }, describeRefund);
    expect(granted.permit.isPermit).toBe(true);
    let ran = 0;
    const runs = await Promise.allSettled(Array.from({ length: 20 }, () => granted.execute(() => ++ran)));
    expect(ran).toBe(1);
    expect(runs.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expect(granted.execute(() => ++ran)).rejects.toMatchObject({ code: "ALREADY_EXECUTED" });
  });

  it("is spent by a run that fails", async () => {
    const granted = await Guarded.request(Gate.fromObject(POLICIES), alice, { amount: 5 }, describeRefund);
    await expect(granted.execute(() => Promise.reject(new Error("bank away")))).rejects.toThrow("bank away");
    await expect(granted.execute(() => 1)).rejects.toMatchObject({ code: "ALREADY_EXECUTED" });
  });

  it("does not run what it was not permitted for", async () => {
    const order = { amount: 5 };
    const granted = await Guarded.request(Gate.fromObject(POLICIES), alice, order, describeRefund);
    order.amount = 4000;
    await expect(granted.execute(() => 1)).rejects.toMatchObject({ code: "ACTION_CHANGED" });
  });

  it("does not run after the permit's time", async () => {
    const gate = Gate.fromObject(POLICIES);
    const spent = {
      check: async (context: ContextInput): Promise<PermitVerdict> => {
        const permit = await gate.check(context);
        // A permit without any life left.
        return new Proxy(permit, {
          get: (target, key) => (key === "expiresAtMs" ? target.issuedAtMs : Reflect.get(target, key, target)),
        });
      },
    };
    const granted = await Guarded.request(spent, alice, { amount: 5 }, describeRefund);
    await expect(granted.execute(() => 1)).rejects.toMatchObject({ code: "PERMIT_EXPIRED" });
  });

  describe("with a verifier of permits", () => {
    function signing() {
      const keyPair = KavachKeyPair.generate();
      const tokenSigner = new PermitSigner({ keyPair, clock: SYSTEM_CLOCK });
      const directory = PublicKeyDirectory.inMemory([keyPair.publicKeys()]);
      const gate = Gate.fromObject(POLICIES, { tokenSigner, singleUse: "always" });
      return { gate, permits: gate.permits(new PermitVerifier({ directory, suite: tokenSigner.suite })) };
    }
    const other = signing();

    it("runs what the permit's own bytes allow, and uses it up", async () => {
      const { gate, permits } = signing();
      const verify: typeof permits.redeem = (token, expected) => permits.redeem(token, expected);
      const pay = guarded(gate, { ...refundOptions, verify }, (_orderId: string, amount: number) => amount);
      expect(await pay(alice, "ORD-1", 5)).toBe(5);
      const granted = await Guarded.request(gate, alice, { amount: 5 }, describeRefund, { verify });
      const action = { name: "issue_refund", params: new Map([["amount", 5]]) };
      await permits.redeem(granted.permit.permit, { realm: "default", principalId: "alice", action, audience: "" });
      await expect(granted.execute(() => 1)).rejects.toMatchObject({
        code: "PERMIT_INVALID",
        message: "the permit does not hold: ALREADY_REDEEMED",
      });
    });

    it.each<[string, Parameters<typeof Guarded.request>[4]]>([
      ["of another gate", { verify: (token, expected) => other.permits.redeem(token, expected) }],
      ["of another realm", { verify: (token, expected) => signing().permits.redeem(token, expected), realm: "acme" }],
      ["that nobody answers for", { verify: async () => undefined as never }],
      ["whose verifier is away", { verify: () => Promise.reject(new Error("away")) }],
    ])("runs nothing on a permit %s", async (_name, options) => {
      const granted = await Guarded.request(signing().gate, alice, { amount: 5 }, describeRefund, options);
      let ran = false;
      await expect(granted.execute(() => (ran = true))).rejects.toThrow(/does not hold|away/);
      expect(ran).toBe(false);
    });
  });

  it("comes from a permit alone: a refusal makes none, and neither does its constructor", async () => {
    await expect(Guarded.request(Gate.fromObject(POLICIES), mallory, { amount: 5 }, describeRefund)).rejects.toThrow(
      Refused,
    );
    expect(() => Reflect.construct(Guarded, [Symbol("forged"), {}])).toThrow(TypeError);
    expect(() => Reflect.construct(Guarded, [])).toThrow(TypeError);
  });
});
