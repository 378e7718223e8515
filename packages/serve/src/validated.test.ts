/** Rules of the contract become violations with the caller's own field paths, and what is not the caller's stays inside. */
import { readdirSync, readFileSync } from "node:fs";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { EvaluateBatchRequestSchema, EvaluateRequestSchema, PrincipalKind } from "@kavach/api";
import { Bug, InputError, UnavailableError } from "@kavach/model";
import { expect, test } from "vitest";
import { serveLimits } from "./limits.ts";
import { publicError } from "./public-error.ts";
import { matches, validated } from "./validated.ts";

const good = {
  context: {
    principal: { id: "alice", kind: PrincipalKind.USER },
    action: { name: "read", resource: "doc/1" },
  },
} satisfies MessageInitShape<typeof EvaluateRequestSchema>;

function violations(check: () => void): readonly string[] {
  try {
    check();
  } catch (error) {
    if (error instanceof InputError) return error.violations.map(({ field }) => field);
    throw error;
  }
  return [];
}

test("a good request passes, a bad one names its field", () => {
  expect(violations(() => validated(EvaluateRequestSchema, create(EvaluateRequestSchema, good)))).toEqual([]);
  const empty = create(EvaluateRequestSchema, {
    context: { ...good.context, principal: { id: "", kind: PrincipalKind.USER } },
  });
  expect(violations(() => validated(EvaluateRequestSchema, empty))).toEqual(["context.principal.id"]);
  const batch = create(EvaluateBatchRequestSchema, { items: [good, { ...good, realm: "x".repeat(300) }] });
  expect(violations(() => validated(EvaluateBatchRequestSchema, batch))).toEqual(["items[1].realm"]);
});

test("every pattern of the contract is of the form that cannot explode, and no other is taken", () => {
  const folder = new URL("../../../proto/kavach/v1/", import.meta.url);
  const texts = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), "utf8"));
  const patterns = texts.flatMap((text) =>
    [...text.matchAll(/pattern\s*[:=]\s*("(?:[^"\\]|\\.)*")/g)].map(([, quoted]) => JSON.parse(quoted!) as string),
  );
  expect(patterns.length).toBeGreaterThan(0);
  for (const pattern of patterns) expect(matches(pattern, "alice"), pattern).toBe(true);
  expect(matches("^\\P{Cc}*$", "a\u0000b")).toBe(false);
  expect(matches("^\\P{Cc}*$", "ab\n")).toBe(false);
  expect(() => matches("^(a+)+$", "a")).toThrow(Bug);
});

test.for([
  [new InputError([{ field: "a", reason: "b" }]), Code.InvalidArgument, "a: b"],
  [new UnavailableError("STORE_UNAVAILABLE", "10.0.0.7:6379 refused"), Code.Unavailable, "the store is unavailable"],
  [
    new UnavailableError("LOG_UNAVAILABLE", "10.0.0.7:6379 refused"),
    Code.Unavailable,
    "the revocation log is unavailable",
  ],
  [new UnavailableError("DEADLINE_EXCEEDED", "50 ms"), Code.DeadlineExceeded, "the operation timed out"],
  [new Bug("marks out of order"), Code.Internal, "internal error"],
  [new TypeError("x is not a function"), Code.Internal, "internal error"],
  [undefined, Code.Internal, "internal error"],
] as const)("%s leaves as code %i", ([error, code, text]) => {
  expect(publicError(error)).toMatchObject({ code, rawMessage: text });
});

test("a ConnectError passes as it is", () => {
  const error = new ConnectError("no", Code.NotFound);
  expect(publicError(error)).toBe(error);
});

test("many and long violations still fit the trailers that clients accept", () => {
  const many = Array.from({ length: 1000 }, () => ({ field: "f".repeat(5000), reason: "\ud83d\ude00".repeat(3000) }));
  const { rawMessage, details } = publicError(new InputError(many));
  expect(encodeURIComponent(rawMessage).length).toBeLessThan(8192);
  expect(JSON.stringify(details.map((detail) => "value" in detail && detail.value)).length).toBeLessThan(8192);
});

test("unknown, impossible and contradictory limits are refused", () => {
  expect(() => serveLimits({ requestBytes: 1 } as never)).toThrow(/unknown limit requestBytes/);
  expect(() => serveLimits({ deadlineMs: 0 })).toThrow(/deadlineMs/);
  expect(() => serveLimits({ headersTimeoutMs: 20_000 })).toThrow(/headersTimeoutMs/);
});
