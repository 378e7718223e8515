/** The one request of every measurement: a refund that is within the policy, with all that a real caller knows. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type EvaluateRequest, EvaluateRequestSchema, type GeoLocationSchema, PrincipalKind } from "@kavach/api";

export const PRINCIPAL_ID = "agent-bot";
export const ACTION_NAME = "issue_refund";
export const AMOUNT = 500;

const DEVICE_HASH = "f1e5a3c2".repeat(8);
const BERLIN: MessageInitShape<typeof GeoLocationSchema> = {
  countryCode: "DE",
  region: "Berlin",
  city: "Berlin",
  latitude: 52.52,
  longitude: 13.405,
};
/** A minute before the benchmark, and the same in every request of it. */
const STARTED_AT_MS = Math.floor(performance.timeOrigin) - 60_000;
const IP = "203.0.113.7";
const USER_AGENT =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

/** Without an evaluation id, so that every call is a new evaluation. About 1 KB. */
export function refundRequest(): EvaluateRequest {
  const params = {
    amount: AMOUNT,
    currency: "EUR",
    order_id: "order-2026-0000412",
    customer_id: "customer-77120934",
    reason:
      "The parcel arrived damaged; the customer sent three photographs and asks for the price of one of two items.",
    ticket: "https://support.example.com/tickets/8812049",
    partial: true,
  };
  return create(EvaluateRequestSchema, {
    audience: ["payments"],
    context: {
      principal: { id: PRINCIPAL_ID, kind: PrincipalKind.AGENT, roles: ["support", "refunds", "tier-1"] },
      action: {
        name: ACTION_NAME,
        resource: "orders/2026/0000412/items/2",
        params: Object.fromEntries(Object.entries(params).map(([name, value]) => [name, { kind: kindOf(value) }])),
      },
      session: {
        sessionId: "4f7c0f4e-2a39-4c51-9d6c-8f1d6a0c8d11",
        startedAt: timestampFromMs(STARTED_AT_MS),
        actionCount: 12,
        originIp: IP,
        originGeo: BERLIN,
        originDevice: { hash: DEVICE_HASH, description: "Chrome on Linux" },
      },
      environment: {
        ip: IP,
        geo: BERLIN,
        device: { hash: DEVICE_HASH, description: "Chrome on Linux" },
        userAgent: USER_AGENT,
      },
    },
  });
}

function kindOf(value: string | number | boolean) {
  if (typeof value === "number") return { case: "numberValue", value } as const;
  if (typeof value === "string") return { case: "stringValue", value } as const;
  return { case: "boolValue", value } as const;
}

/** One message as it travels: a zero byte, four bytes of length, the message. */
export function grpcFrame(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

export function requestFrame(): Buffer {
  return grpcFrame(toBinary(EvaluateRequestSchema, refundRequest()));
}
