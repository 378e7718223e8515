/** The cases over the wire, at a gate that has loaded their group: by gRPC, and by JSON over plain HTTP. */
import { create, fromJson, type JsonValue, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  EvaluateRequestSchema,
  type EvaluateResponse,
  EvaluateResponseSchema,
  GateService,
  InvalidationService,
} from "@kavach/api";
import { type Channel, grpcServiceOf, RpcError } from "@kavach/client";
import type { ParamValue, PrincipalKind } from "@kavach/model";
import { principalKindToWire, refuseCodeFromWire, scopeToWire } from "@kavach/wire";
import type { Answer, Fault } from "./answers.ts";
import type { Ask } from "./case-schema.ts";
import { targetOf } from "./conductor-door.ts";
import type { WireCase } from "./wire-groups.ts";

export type WireDoor = "grpc" | "json";

export interface WireGate {
  readonly channel: Channel;
  /** Such as `http://127.0.0.1:4600`. */
  readonly url: string;
}

/**
 * A node of a cluster goes by its estimate of the store's clock, which may be some milliseconds behind ours. A session
 * said to be 20,000 s old is to be so by every clock concerned, so it begins a moment earlier.
 */
const CLOCKS_APART_MS = 250;

export async function askWire(door: WireDoor, one: WireCase, gate: WireGate, nowMs: () => number): Promise<Answer> {
  const { of } = one;
  for (const revoked of of.revoked) {
    const scope = scopeToWire({ target: targetOf(revoked), reason: "revoked", evaluator: "case" });
    await grpcServiceOf(InvalidationService, gate.channel).invalidate({ realm: of.realm, scope });
  }
  const call = async (ask: Ask) => {
    const request = requestOf(one.apart(ask, door), of.realm, nowMs() - CLOCKS_APART_MS);
    return door === "grpc" ? await overGrpc(gate, request) : await overJson(gate, request);
  };
  for (const { ask, times } of of.before) for (let i = 0; i < times; i++) await call(ask);
  return together(await call(of.ask), (text) => one.together(text, door));
}

type Request = MessageInitShape<typeof EvaluateRequestSchema>;

async function overGrpc({ channel }: WireGate, request: Request): Promise<Answer> {
  try {
    return answerOf(await grpcServiceOf(GateService, channel).evaluate(request, { deadlineMs: 10_000 }));
  } catch (error) {
    if (!(error instanceof RpcError) || error.code !== "INVALID_ARGUMENT") throw error;
    const faults = error.violations.map(({ field, reason }) => ({ path: field, message: reason }));
    return { kind: "inputError", faults };
  }
}

async function overJson({ url }: WireGate, request: Request): Promise<Answer> {
  const response = await fetch(`${url}/kavach.v1.GateService/Evaluate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(toJson(EvaluateRequestSchema, create(EvaluateRequestSchema, request))),
  });
  const body = (await response.json()) as JsonValue;
  if (response.ok) return answerOf(fromJson(EvaluateResponseSchema, body));
  const { code, message } = body as { code: string; message: string };
  if (code !== "invalid_argument") throw new Error(`${code}: ${message}`);
  return { kind: "inputError", faults: message.split("; ").map(faultOf) };
}

function faultOf(text: string): Fault {
  const at = text.indexOf(": ");
  return { path: text.slice(0, at), message: text.slice(at + 2) };
}

function answerOf(response: EvaluateResponse): Answer {
  const { policyName, retryAfter, observed } = response;
  return {
    ...partOf(response.verdict),
    policyName,
    ...(retryAfter !== undefined && { retryAfterMs: Number(retryAfter.seconds) * 1000 + retryAfter.nanos / 1e6 }),
    ...(observed !== undefined && { observed: { ...partOf(observed.verdict), policyName } }),
  };
}

function partOf(verdict: EvaluateResponse["verdict"]): Answer {
  switch (verdict.case) {
    case "permit":
      if (verdict.value.token.length === 0) throw new Error("a permit without a token");
      return { kind: "permit" };
    case "refuse": {
      const { code, evaluator, reason } = verdict.value;
      return { kind: "refuse", code: refuseCodeFromWire(code) ?? "", evaluator, reason };
    }
    case "invalidate": {
      const { evaluator = "", reason = "" } = verdict.value.scope ?? {};
      return { kind: "invalidate", evaluator, reason };
    }
    default:
      throw new Error("the answer holds no verdict");
  }
}

function together(answer: Answer, plain: (text: string) => string): Answer {
  const { reason, policyName, observed } = answer;
  return {
    ...answer,
    ...(reason !== undefined && { reason: plain(reason) }),
    ...(policyName !== undefined && { policyName: plain(policyName) }),
    ...(observed !== undefined && { observed: together(observed, plain) }),
  };
}

export function requestOf(ask: Ask, realm: string, nowMs: number): Request {
  const { principalId = "", principalKind, roles = [], actionName = "", resource = "", params = {} } = ask;
  const { ip = "", currentGeo, device, userAgent = "" } = ask;
  return {
    realm: realm === "default" ? "" : realm,
    context: {
      principal: { id: principalId, kind: principalKindToWire(principalKind as PrincipalKind) ?? 0, roles },
      action: { name: actionName, resource, params: Object.fromEntries(Object.entries(params).map(paramOf)) },
      ...(ask.sessionId !== undefined && { session: sessionOf(ask, nowMs) }),
      environment: { ip, ...(currentGeo && { geo: currentGeo }), ...(device && { device }), userAgent },
    },
  } as Request;
}

function sessionOf(ask: Ask, nowMs: number) {
  const { sessionId, sessionAgeSeconds, actionCount = 0, originIp = "", originGeo, originDevice } = ask;
  return {
    sessionId,
    ...(sessionAgeSeconds !== undefined && { startedAt: timestampFromMs(nowMs - sessionAgeSeconds * 1000) }),
    actionCount,
    originIp,
    ...(originGeo && { originGeo }),
    ...(originDevice && { originDevice }),
  };
}

function paramOf([name, value]: [string, ParamValue]) {
  if (typeof value === "number") return [name, { kind: { case: "numberValue", value } }] as const;
  if (typeof value === "string") return [name, { kind: { case: "stringValue", value } }] as const;
  return [name, { kind: { case: "boolValue", value } }] as const;
}

const WIRE_NAMES: Readonly<Record<string, string>> = {
  principalId: "principal.id",
  principalKind: "principal.kind",
  roles: "principal.roles",
  actionName: "action.name",
  resource: "action.resource",
  params: "action.params",
  sessionId: "session.session_id",
  originIp: "session.origin_ip",
  originGeo: "session.origin_geo",
  originDevice: "session.origin_device",
  ip: "environment.ip",
  currentGeo: "environment.geo",
  device: "environment.device",
  userAgent: "environment.user_agent",
};

/** The flat name of a field as the wire spells it; names of params stay as they are. */
export function wireField(field: string): string {
  const [, head = "", rest = ""] = /^(\w+)(.*)$/.exec(field) ?? [];
  const below = rest.startsWith(".") ? rest.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : rest;
  return `context.${WIRE_NAMES[head]}${below}`;
}
