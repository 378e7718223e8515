/** Requests for the contract suites: each differs from the last one by its evaluation id. */
import type { AdmitRequest, AdmitResult, CountMode, RateLimit, Store } from "../store.ts";

let evaluations = 0;

/** 16 bytes that no earlier call gave. */
export function freshId(): Uint8Array {
  const id = new Uint8Array(16);
  evaluations += 1;
  new DataView(id.buffer).setUint32(12, evaluations);
  return id;
}

export function limit(max: number, windowMs: number, count: CountMode = "admissions"): RateLimit {
  return { max, windowMs, count };
}

/** One permit candidate with these limits, and whatever else is said. */
export function request(limits: readonly RateLimit[], more: Partial<AdmitRequest> = {}): AdmitRequest {
  return {
    realm: "default",
    principalId: "alice",
    actionName: "refund",
    evaluationId: freshId(),
    requestDigest: new Uint8Array(32).fill(7),
    candidates: [{ effect: "permit", limits }],
    countAttempt: false,
    memory: { issuedAtMs: 1000, expiresAtMs: 31_000 },
    rememberMs: 32_000,
    ...more,
  };
}

export type Admitted = Extract<AdmitResult, { kind: "admitted" }>;

/** The answer of a call that is neither a conflict nor without its session. */
export async function admit(store: Store, asked: AdmitRequest): Promise<Admitted> {
  const result = await store.admit(asked);
  if (result.kind !== "admitted") throw new Error(`expected an admission, got ${result.kind}`);
  return result;
}

/** How many of `count` calls, one after the other, were let through. */
export async function admitMany(store: Store, count: number, ask: () => AdmitRequest): Promise<number> {
  let through = 0;
  for (let i = 0; i < count; i++) if ((await admit(store, ask())).candidate !== undefined) through += 1;
  return through;
}
