/** The cases on the gate that an application embeds, made and asked as an application does. */
import { KavachKeyPair, PermitSigner } from "@kavach/crypto";
import { Gate, type GateOptions, InMemoryInvalidationBroadcaster } from "@kavach/gate";
import type { ObservedVerdict } from "@kavach/model";
import type { Answer } from "./answers.ts";
import type { Case } from "./case-files.ts";
import type { Ask } from "./case-schema.ts";
import { targetOf } from "./conductor-door.ts";
import { inputOf } from "./contexts.ts";
import { errorAnswer } from "./engine-door.ts";

const NOON_MS = Date.UTC(2026, 5, 15, 12);

// One for all cases: making keys costs more than everything else together.
const keyPair = KavachKeyPair.generate({ clock: { nowMs: () => 0, monotonicMs: () => 0 } });

export async function askGate(one: Case): Promise<Answer> {
  try {
    let nowMs = one.nowMs ?? NOON_MS;
    const broadcaster = new InMemoryInvalidationBroadcaster();
    await using gate = gateOf(one, broadcaster, () => nowMs);
    for (const revoked of one.revoked) {
      await broadcaster.publish({ target: targetOf(revoked), reason: "revoked", evaluator: "case" });
    }
    const call = (ask: Ask) => gate.evaluate(inputOf(ask, nowMs));
    for (const { ask, times, secondsAgo } of one.before) {
      nowMs -= secondsAgo * 1000;
      for (let i = 0; i < times; i++) await call(ask);
      nowMs += secondsAgo * 1000;
    }
    const verdict = await call(one.ask);
    const { policyName, observed } = verdict;
    return {
      ...partOf(verdict),
      policyName,
      ...(verdict.kind === "refuse" && verdict.retryAfterMs !== undefined && { retryAfterMs: verdict.retryAfterMs }),
      ...(observed !== undefined && { observed: { ...partOf(observed), policyName } }),
    };
  } catch (error) {
    return errorAnswer(error);
  }
}

function gateOf({ source, options }: Case, broadcaster: InMemoryInvalidationBroadcaster, clock: () => number): Gate {
  const { drift, ...rest } = options;
  const { geoMaxKm, ...thresholds } = drift ?? {};
  // What is no option, or no value of one, is a case too.
  const given: object = {
    ...rest,
    ...(drift !== undefined && { drift: thresholds }),
    ...(geoMaxKm !== undefined && { geoDriftMaxKm: geoMaxKm }),
    broadcaster,
    clock,
    tokenSigner: new PermitSigner({ keyPair, clock: { nowMs: clock, monotonicMs: clock } }),
  };
  if (source.format === "object") return Gate.fromObject(source.value as object, given as GateOptions);
  const made = source.format === "json" ? Gate.fromJsonString : Gate.fromToml;
  return made(source.text, given as GateOptions);
}

function partOf(verdict: ObservedVerdict): Answer {
  switch (verdict.kind) {
    case "permit":
      if (verdict.permit.length === 0) throw new Error("a permit without a token");
      return { kind: "permit" };
    case "refuse":
      return { kind: "refuse", code: verdict.code, evaluator: verdict.evaluator, reason: verdict.reason };
    case "invalidate":
      return { kind: "invalidate", evaluator: verdict.evaluator, reason: verdict.reason };
  }
}
