/** Verifies permits against what is about to be done. Everything that was asked is compared; whatever cannot be checked fails. */
import { type PermitClaims, PermitMode } from "@kavach/api";
import { type Action, LIMITS } from "@kavach/model";
import { LRUCache } from "lru-cache";
import { DOMAINS, HYBRID_SUITE, isSuite, type Suite } from "../algorithms.ts";
import { paramsDigest } from "../digests.ts";
import type { KeyLookup } from "../directory/key-table.ts";
import { CryptoError } from "../errors.ts";
import { equalBytes } from "../framing.ts";
import { expiresAtMsOf, type PublicKeyBundle, verifyingKeysOf } from "../keys/public-key-bundle.ts";
import { optionsOf } from "../no-other-option.ts";
import { sha256 } from "../provider.ts";
import { verifyWithSuite } from "../suite-signature.ts";
import { decodeClaims } from "./claims.ts";
import type { PermitFailureCode } from "./failure.ts";
import { isIncluded } from "./merkle.ts";
import { type DecodedToken, decodeToken, headBody, TOKEN_BYTES_MAX } from "./token.ts";

export interface PermitVerifierOptions {
  /** A PublicKeyDirectory, or a KeyRing where issuer and verifier are one. */
  readonly directory: KeyLookup;
  /** The one suite that is accepted. Default: hybrid. */
  readonly suite?: Suite;
  /** How far the issuer's clock may differ, whole milliseconds, 0 to 60,000. Default 2000. */
  readonly skewMs?: number;
  /** How many signed heads are remembered as verified, 1 to 1,000,000. Default 4096, some 600 KB. */
  readonly verifiedHeadsMax?: number;
}

/** What is about to be done, by whom, and when. */
export interface PermitExpectation {
  /** Never empty. */
  readonly realm: string;
  /** Never empty. */
  readonly principalId: string;
  /** Its name is never empty. */
  readonly action: Action;
  /** Who asks. Absent or empty accepts only permits without an audience. */
  readonly audience?: string;
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** A redeemer stands behind this call. Without one, a permit for single use fails. */
  readonly allowSingleUse?: boolean;
  /** Without it, a permit of a gate that only observes fails. */
  readonly allowObserve?: boolean;
  /** Whether session, principal, role or realm was revoked since. What it throws is the caller's to treat as a failure. */
  readonly isRevoked?: (claims: PermitClaims) => boolean;
}

export type PermitVerification =
  | { readonly kind: "valid"; readonly claims: PermitClaims }
  | { readonly kind: "invalid"; readonly failure: PermitFailureCode };

const OPTIONS: ReadonlySet<string> = new Set(["directory", "suite", "skewMs", "verifiedHeadsMax"]);
const EXPECTED: ReadonlySet<string> = new Set([
  "realm",
  "principalId",
  "action",
  "audience",
  "nowMs",
  "allowSingleUse",
  "allowObserve",
  "isRevoked",
]);
const EXPECTED_OF_ACTION: ReadonlySet<string> = new Set(["name", "resource", "params"]);

interface FoundKeys {
  readonly keys: PublicKeyBundle;
  /** Unix milliseconds; infinite where they never expire. */
  readonly expiresAtMs: number;
}

/** Verifies permits of format 2, wherever they come from; with a directory in memory, without asking anybody. */
export class PermitVerifier {
  /** The one suite that is accepted. */
  readonly suite: Suite;
  readonly #directory: KeyLookup;
  readonly #skewMs: number;
  readonly #verifiedHeads: LRUCache<string, true>;
  /** Heads being verified now, so that a batch which arrives at once is verified once. */
  readonly #verifying = new Map<string, Promise<boolean>>();

  /** Throws CryptoError `OPTION_INVALID`. */
  constructor(options: PermitVerifierOptions) {
    const {
      directory,
      suite = HYBRID_SUITE,
      skewMs = LIMITS.permitSkewMs,
      verifiedHeadsMax = 4096,
    } = optionsOf(options);
    const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
    if (unknown !== undefined) throw new CryptoError("OPTION_INVALID", `unknown option ${unknown}`);
    if (!isSuite(suite)) throw new CryptoError("OPTION_INVALID", "unknown suite");
    if (typeof directory?.fetch !== "function") throw new CryptoError("OPTION_INVALID", "give a directory");
    expectWhole("skewMs", skewMs, 0, 60_000);
    expectWhole("verifiedHeadsMax", verifiedHeadsMax, 1, 1_000_000);
    this.suite = suite;
    this.#directory = directory;
    this.#skewMs = skewMs;
    this.#verifiedHeads = new LRUCache({ max: verifiedHeadsMax });
  }

  /**
   * Rejects with CryptoError `EXPECTATION_INVALID` when the call does not say who is about to do what and when. Every fault of the
   * permit, its key or the directory is a result.
   */
  async verify(token: Uint8Array, expectation: PermitExpectation): Promise<PermitVerification> {
    const wantedParams = checkExpectation(expectation);
    // Copies: the caller may go on with its own while signatures are checked.
    const expected = { ...expectation, action: { ...expectation.action } };
    if (!(token instanceof Uint8Array) || token.length > TOKEN_BYTES_MAX) return invalid("MALFORMED");
    // The claims point into it.
    const decoded = decodeToken(new Uint8Array(token));
    const claims = decoded && decodeClaims(decoded.claims);
    if (decoded === undefined || claims === undefined) return invalid("MALFORMED");
    const failure =
      (await this.#signatureFailure(decoded, claims, expected.nowMs)) ??
      timeFailure(claims, expected.nowMs, this.#skewMs) ??
      subjectFailure(claims, expected, wantedParams) ??
      useFailure(claims, expected);
    return failure === undefined ? { kind: "valid", claims } : invalid(failure);
  }

  async #signatureFailure(
    decoded: DecodedToken,
    claims: PermitClaims,
    nowMs: number,
  ): Promise<PermitFailureCode | undefined> {
    const { head, index, path } = decoded;
    if (head.suite !== this.suite || claims.suite !== this.suite) return "SUITE_MISMATCH";
    if (claims.keyId !== head.keyId) return "SIGNATURE_INVALID";
    const bundle = await this.#keyOf(head.keyId);
    if (bundle === undefined) return "KEY_UNKNOWN";
    if (!(nowMs < bundle.expiresAtMs)) return "KEY_EXPIRED";
    if (!isIncluded(decoded.claims, index, head.size, path, head.root)) return "SIGNATURE_INVALID";
    return (await this.#isHeadVerified(decoded, bundle.keys)) ? undefined : "SIGNATURE_INVALID";
  }

  /** Undefined for every reason not to have the key; a lying or absent directory is no reason to accept. */
  async #keyOf(keyId: string): Promise<FoundKeys | undefined> {
    try {
      const bundle = await this.#directory.fetch(keyId);
      if (verifyingKeysOf(bundle).keyIds[this.suite] !== keyId) return undefined;
      return { keys: bundle, expiresAtMs: expiresAtMsOf(bundle) };
    } catch {
      return undefined;
    }
  }

  /** The key id is a hash of the keys, so what was verified under it stays verified whatever the directory does. */
  async #isHeadVerified(decoded: DecodedToken, bundle: PublicKeyBundle): Promise<boolean> {
    const digest = Buffer.from(sha256(decoded.headBytes)).toString("base64");
    if (this.#verifiedHeads.get(digest) === true) return true;
    let verifying = this.#verifying.get(digest);
    if (verifying === undefined) {
      verifying = this.#verifyHead(decoded, bundle, digest);
      this.#verifying.set(digest, verifying);
    }
    return await verifying;
  }

  async #verifyHead({ head, signature }: DecodedToken, bundle: PublicKeyBundle, digest: string): Promise<boolean> {
    try {
      const verified = await verifyWithSuite(this.suite, DOMAINS.permit, bundle, headBody(head), signature);
      if (verified) this.#verifiedHeads.set(digest, true);
      return verified;
    } catch {
      return false;
    } finally {
      this.#verifying.delete(digest);
    }
  }
}

const invalid = (failure: PermitFailureCode): PermitVerification => ({ kind: "invalid", failure });

/** The digest of the expected params. Callers without types forget things; what was forgotten must not read as a match. */
function checkExpectation(expectation: Partial<PermitExpectation> | undefined): Uint8Array {
  const missing = (what: string) => new CryptoError("EXPECTATION_INVALID", `the expectation has no ${what}`);
  const expected = expectation ?? {};
  const action: Partial<Action> = expected.action ?? {};
  const unknown =
    Object.keys(expected).find((name) => !EXPECTED.has(name)) ??
    Object.keys(action).find((name) => !EXPECTED_OF_ACTION.has(name));
  // What nobody compares must not look as if it had been.
  if (unknown !== undefined) throw new CryptoError("EXPECTATION_INVALID", `nothing compares ${unknown}`);
  if (!isName(expected.realm)) throw missing("realm");
  if (!isName(expected.principalId)) throw missing("principal");
  if (!isName(action.name)) throw missing("action");
  if (!(action.params instanceof Map)) throw missing("params");
  if (!Number.isFinite(expected.nowMs)) throw missing("time");
  // `null` for a feed that is not there yet would read as "nothing was revoked".
  if (expected.isRevoked !== undefined && typeof expected.isRevoked !== "function") {
    throw new CryptoError("EXPECTATION_INVALID", "isRevoked is a function");
  }
  try {
    return paramsDigest(action.params);
  } catch (cause) {
    throw new CryptoError("EXPECTATION_INVALID", "the expected params have no canonical form", { cause });
  }
}

const isName = (value: unknown) => typeof value === "string" && value !== "";

function timeFailure(claims: PermitClaims, nowMs: number, skewMs: number): PermitFailureCode | undefined {
  if (nowMs + skewMs < Number(claims.notBeforeMs)) return "NOT_YET_VALID";
  if (nowMs - skewMs >= Number(claims.expiresAtMs)) return "EXPIRED";
  return undefined;
}

function subjectFailure(
  claims: PermitClaims,
  expected: PermitExpectation,
  wantedParams: Uint8Array,
): PermitFailureCode | undefined {
  const { realm, principalId, action, audience = "" } = expected;
  if (claims.realm !== realm) return "REALM_MISMATCH";
  if (claims.principalId !== principalId) return "PRINCIPAL_MISMATCH";
  if (claims.action !== action.name) return "ACTION_MISMATCH";
  if (claims.resource !== (action.resource ?? "")) return "RESOURCE_MISMATCH";
  if (!equalBytes(claims.paramsDigest, wantedParams)) return "PARAMS_MISMATCH";
  const meant = audience === "" ? claims.audience.length === 0 : claims.audience.includes(audience);
  return meant ? undefined : "AUDIENCE_MISMATCH";
}

function useFailure(claims: PermitClaims, expected: PermitExpectation): PermitFailureCode | undefined {
  const { allowObserve, allowSingleUse, isRevoked } = expected;
  if (claims.mode !== PermitMode.ENFORCE && allowObserve !== true) return "OBSERVE_MODE";
  if (claims.singleUse && allowSingleUse !== true) return "SINGLE_USE";
  return isRevoked?.(claims) ? "REVOKED" : undefined;
}

function expectWhole(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new CryptoError("OPTION_INVALID", `${name} is a whole number from ${min} to ${max}`);
}
