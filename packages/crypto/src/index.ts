/** Keys, permits and the public key directory: the only room that imports a cryptographic library. */

export type { PermitClaims } from "@kavach/api";
export { HYBRID_SUITE, isSuite, SUITE_HAS_ED25519, SUITES, type Suite } from "./algorithms.ts";
export { type AuditSignature, signAuditCheckpoint, verifyAuditCheckpoint } from "./audit-checkpoint.ts";
export { ReplayMemory, type ReplayMemoryOptions } from "./channel/replay-memory.ts";
export {
  type ReceiveOptions,
  SecureChannel,
  type SecureChannelOptions,
  type SendOptions,
} from "./channel/secure-channel.ts";
export { paramsDigest, tokenIdOf } from "./digests.ts";
export { PublicKeyDirectory } from "./directory/directory.ts";
export type { KeyLookup } from "./directory/key-table.ts";
export {
  type BuildOptions,
  buildSignedManifest,
  type Manifest,
  type OpenOptions,
  openSignedManifest,
} from "./directory/manifest.ts";
export type { DirectoryOptions, HttpOptions, RootOfOne, RootOfTwo, SignedFileOptions } from "./directory/options.ts";
export { seenVersionFile } from "./directory/seen-version.ts";
export {
  type DirectorySource,
  type LoadedKeys,
  type ReadBytes,
  type SeenManifest,
  type SeenVersion,
  type SignedManifestSource,
  signedManifestSource,
  signedManifestSourceV1,
  unsignedManifestSourceV1,
} from "./directory/source.ts";
export {
  ChannelError,
  type ChannelErrorCode,
  CryptoError,
  type CryptoErrorCode,
  DirectoryError,
  type DirectoryErrorCode,
  TokenError,
  type TokenErrorCode,
} from "./errors.ts";
export { instantText, signedInstantText } from "./instant.ts";
export { readAtMost, replaceFile } from "./keys/disk.ts";
export { KEY_FILE_BYTES_MAX } from "./keys/encrypted-file.ts";
export { decodeKeyFile, encodeKeyFile } from "./keys/key-file.ts";
export {
  expectKeyPair,
  type GenerateOptions,
  KavachKeyPair,
  type LoadOptions,
  type SaveOptions,
} from "./keys/key-pair.ts";
export { KeyRing, type KeyRingOptions } from "./keys/key-ring.ts";
export { readPassphraseFile } from "./keys/passphrase-file.ts";
export {
  bundleFromBytes,
  bundleFromJson,
  bundleToBytes,
  bundleToJson,
  expiresAtMsOf,
  keyIdOf,
  type PublicKeyBundle,
} from "./keys/public-key-bundle.ts";
export { MerkleFrontier } from "./merkle-frontier.ts";
export type { PermitClaimsInit } from "./permits/claims.ts";
export type { PermitFailureCode } from "./permits/failure.ts";
export { HASH_BYTES, leafHash } from "./permits/merkle.ts";
export { PermitSigner, type PermitSignerOptions } from "./permits/signer.ts";
export {
  type PermitExpectation,
  type PermitVerification,
  PermitVerifier,
  type PermitVerifierOptions,
} from "./permits/verifier.ts";
export { randomBytes, sha256, sha256Text } from "./provider.ts";
export { parseJsonStrictly } from "./strict-json.ts";
export { DirectoryTokenVerifier, type DirectoryTokenVerifierOptions } from "./v1/directory-token-verifier.ts";
export {
  buildUnsignedManifestV1,
  MANIFEST_BYTES_MAX,
  parseSignedManifestV1,
  parseUnsignedManifestV1,
} from "./v1/manifest.ts";
export { PermitToken, type PermitTokenInit } from "./v1/permit-token.ts";
export { type HybridKeys, type PqOnlyKeys, PqTokenSigner } from "./v1/pq-token-signer.ts";
export {
  jsonMember,
  jsonText,
  payloadFromJson,
  payloadToJson,
  type SignedPayload,
  signPayload,
  suiteOfPayload,
  verifyPayload,
} from "./v1/signed-payload.ts";
