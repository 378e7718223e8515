/** One key for each purpose: whoever gets hold of the key that signs permits must not be able to rewrite the log of them, nor to vouch for keys. */
import { keyIdOf, type PublicKeyBundle } from "@kavach/crypto";
import { ConfigError } from "@kavach/service";

/** What a node's keys are for, by the setting that names them. */
export type KeyUse = "keys" | "root" | "audit_key" | "audit_dir";

export class KeyUses {
  readonly #uses = new Map<string, KeyUse>();

  /** Throws ConfigError where any of the signing keys has another use already. A key that was exchanged keeps its use. */
  claim(use: KeyUse, bundle: PublicKeyBundle): void {
    const signing = [keyIdOf(bundle, "ml-dsa-65"), Buffer.from(bundle.ed25519VerifyingKey).toString("hex")];
    for (const key of signing) {
      const taken = this.#uses.get(key);
      if (taken !== undefined && taken !== use) {
        throw new ConfigError(`${use}: the key is the one of ${taken}; each purpose needs a key of its own`);
      }
    }
    for (const key of signing) this.#uses.set(key, use);
  }
}
