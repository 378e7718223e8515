/** The root-signed list of public keys, version 2: canonical JSON (RFC 8785) under its own domain tag. */
import { canonicalJson } from "@kavach/model";
import { z } from "zod";
import { DOMAINS, HYBRID_SUITE, isSuite, SUITES, type Suite } from "../algorithms.ts";
import { CryptoError, DirectoryError } from "../errors.ts";
import { utf8 } from "../framing.ts";
import { INSTANT_MS_MAX, instantMs, instantText } from "../instant.ts";
import { expectKeyPair, type KavachKeyPair } from "../keys/key-pair.ts";
import {
  bundleFromJson,
  bundleToJson,
  checkedBundles,
  expiresAtMsOf,
  keyIdOf,
  type PublicKeyBundle,
} from "../keys/public-key-bundle.ts";
import { expectNoOther, optionsOf } from "../no-other-option.ts";
import { sha256 } from "../provider.ts";
import { signWithSuite, verifyWithSuite } from "../suite-signature.ts";
import { MANIFEST_BYTES_MAX } from "../v1/manifest.ts";

/** What the root vouches for. */
export interface Manifest {
  /** 1 to 2^53-1; never goes back. */
  readonly version: number;
  /** Unix milliseconds; from then on the manifest vouches for nothing. Never after the root's own expiry. */
  readonly expiresAtMs: number;
  readonly bundles: readonly PublicKeyBundle[];
  /** SHA-256 of its bytes, lower hex. */
  readonly digest: string;
}

const Unsigned = {
  format: z.literal("kavach-manifest-v2"),
  version: z.int().min(1),
  expires_at: z.string(),
  suite: z.enum(SUITES),
  bundles: z.array(z.record(z.string(), z.unknown())),
};
const Signatures = z.strictObject({ ml_dsa_65: z.base64(), ed25519: z.base64() });
const SignedManifest = z.strictObject({ ...Unsigned, signatures: Signatures });
type SignedManifest = z.infer<typeof SignedManifest>;

/** How every canonical manifest ends. */
const END =
  /,"signatures":\{"ed25519":"([A-Za-z0-9+/=]*)","ml_dsa_65":"([A-Za-z0-9+/=]*)"\}(,"suite":"[a-z0-9+-]+","version":\d+\})$/;
/** Longer than both signatures in base64, and all that stands about them. */
const END_LENGTH_MAX = 8192;
/** Some 80 keys. */
const UNVERIFIED_BYTES_MAX = 1024 * 1024;

export interface BuildOptions {
  readonly bundles: readonly PublicKeyBundle[];
  /** 1 to 2^53-1, above every earlier one. */
  readonly version: number;
  /** Unix milliseconds, whole, not after the root key's own expiry. */
  readonly expiresAtMs: number;
  /** Unix milliseconds. An expired root signs nothing. */
  readonly nowMs: number;
  /** Default: hybrid. */
  readonly suite?: Suite;
}

/** Rejects with CryptoError: `OPTION_INVALID`, `KEY_EXPIRED`, `KEY_EXPIRES_FIRST`, `KEY_CORRUPT`, `KEY_DISPOSED`. */
export async function buildSignedManifest(
  root: KavachKeyPair,
  options: BuildOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { bundles, version, expiresAtMs, nowMs, suite = HYBRID_SUITE, ...unknown } = optionsOf(options);
  expectNoOther(unknown);
  if (!isSuite(suite)) throw new CryptoError("OPTION_INVALID", "unknown suite");
  expectKeyPair(root);
  if (!Number.isSafeInteger(version) || version < 1) throw new CryptoError("OPTION_INVALID", "version is at least 1");
  if (!Number.isSafeInteger(expiresAtMs) || !(expiresAtMs > nowMs)) {
    throw new CryptoError("OPTION_INVALID", "expiresAtMs lies in the future");
  }
  if (expiresAtMs > INSTANT_MS_MAX) throw new CryptoError("OPTION_INVALID", "expiresAtMs is too far away");
  if (root.isExpiredAt(nowMs)) throw new CryptoError("KEY_EXPIRED", "the root key has expired");
  if (expiresAtMs > expiresAtMsOf(root.publicKeys())) {
    throw new CryptoError("KEY_EXPIRES_FIRST", "the manifest would outlive its root key");
  }
  const checked = checkedBundles(bundles);
  expectDistinct(checked);
  const unsigned = {
    format: DOMAINS.manifest,
    version,
    expires_at: instantText(expiresAtMs),
    suite,
    bundles: checked.map(bundleToJson),
  };
  const signature = await signWithSuite(suite, DOMAINS.manifest, root, utf8(canonicalJson(unsigned)));
  const signatures = { ml_dsa_65: toBase64(signature.mlDsa), ed25519: toBase64(signature.ed25519) };
  return utf8(canonicalJson({ ...unsigned, signatures }));
}

export interface OpenOptions {
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** Highest version seen so far; an older one is refused. */
  readonly versionMin: number;
  /** The root's suite, from configuration. Default: hybrid. */
  readonly suite?: Suite;
}

/**
 * Rejects with DirectoryError: `Corrupt` when the bytes are no manifest, `RootSignatureInvalid` when this root does not vouch for it
 * now: signature, suite, root key expired, manifest lapsed, version gone back.
 */
export async function openSignedManifest(
  bytes: Uint8Array,
  rootBundle: PublicKeyBundle,
  options: OpenOptions,
): Promise<Manifest> {
  const { nowMs, versionMin, suite = HYBRID_SUITE } = options;
  const { text, signed, signature } = takenApart(bytes);
  const verify = () => verifyWithSuite(suite, DOMAINS.manifest, rootBundle, utf8(signed), signature);
  // Parsing so much takes long, and whoever serves it must not choose what a verifier is busy with: first the root must have signed it.
  const isLong = bytes.length > UNVERIFIED_BYTES_MAX;
  if (isLong && !(await verify())) throw distrusted("the root's signature does not verify");
  const unsigned = parseManifest(text);
  if (unsigned.suite !== suite) throw distrusted("signed in another suite");
  const rootExpiresAtMs = expiresAtMsOf(rootBundle);
  if (!(nowMs < rootExpiresAtMs)) throw distrusted("the root key has expired");
  if (!isLong && !(await verify())) throw distrusted("the root's signature does not verify");
  const statedMs = corruptUnless(() => instantMs(unsigned.expires_at));
  // Who read it in time must not go on with it when the root is void.
  const expiresAtMs = Math.min(statedMs, rootExpiresAtMs);
  if (!(nowMs < expiresAtMs)) throw distrusted("the manifest has lapsed");
  if (!(unsigned.version >= versionMin)) throw distrusted("a newer manifest was seen before");
  const bundles = corruptUnless(() => {
    const read = unsigned.bundles.map(bundleFromJson);
    expectDistinct(read);
    return read;
  });
  return { version: unsigned.version, expiresAtMs, bundles, digest: Buffer.from(sha256(bytes)).toString("hex") };
}

/** The manifest's bytes, what of them is signed, and the signatures. In canonical JSON these stand where only suite and version follow. */
function takenApart(bytes: Uint8Array) {
  if (bytes.length > MANIFEST_BYTES_MAX) throw new DirectoryError("Corrupt", "the manifest is too long");
  return corruptUnless(() => {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const end = END.exec(text.slice(-END_LENGTH_MAX));
    if (end === null) throw new SyntaxError("not canonical JSON");
    const [whole, ed25519 = "", mlDsa = "", rest = ""] = end;
    const signature = { mlDsa: fromBase64(mlDsa), ed25519: fromBase64(ed25519) };
    return { text, signed: text.slice(0, -whole.length) + rest, signature };
  });
}

/** Refuses every spelling but the canonical one, so that equal manifests are equal bytes and no name appears twice. */
function parseManifest(text: string): SignedManifest {
  return corruptUnless(() => {
    const manifest = SignedManifest.parse(JSON.parse(text));
    if (canonicalJson(manifest) !== text) throw new SyntaxError("not canonical JSON");
    // Base64 has spellings that differ in bits which no byte holds.
    for (const part of Object.values(manifest.signatures)) {
      if (toBase64(fromBase64(part)) !== part) throw new SyntaxError("not canonical base64");
    }
    return manifest;
  });
}

function corruptUnless<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new DirectoryError("Corrupt", "the bytes are no manifest", { cause });
  }
}

/** Two bundles under one id would be told apart by chance. */
function expectDistinct(bundles: readonly PublicKeyBundle[]): void {
  const ids = bundles.flatMap((bundle) => [bundle.id, ...SUITES.map((suite) => keyIdOf(bundle, suite))]);
  if (new Set(ids).size !== ids.length) throw new CryptoError("KEY_CORRUPT", "a key appears twice");
}

const distrusted = (message: string) => new DirectoryError("RootSignatureInvalid", message);
const toBase64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const fromBase64 = (text: string) => new Uint8Array(Buffer.from(text, "base64"));
