/** Loads the policy file and the gate's rules into a book, and again when the file changes. A fault names file, policy, path, key and a suggestion. */
import { sha256 } from "@kavach/crypto";
import { compileGateRules, type GateRuleOptions, loadPolicySet, type PolicySet } from "@kavach/engine";
import { PolicyBook, type PolicyFileWatch, watchPolicyFile } from "@kavach/gate";
import { DEFAULT_REALM } from "@kavach/model";
import { readText } from "@kavach/service";
import type { Config } from "./config.ts";

export function openPolicyBook(config: Config): PolicyBook {
  // The file spells settings with underscores; the engine's own schema judges what they say.
  const rules = compileGateRules({
    ...(config.invariants !== undefined && { invariants: config.invariants }),
    ...(config.drift !== undefined && { drift: camelKeys(config.drift) }),
    ...(config.enable_drift !== undefined && { enableDrift: config.enable_drift }),
    ...(config.max_session_actions !== undefined && { maxSessionActions: config.max_session_actions }),
  } as GateRuleOptions);
  const nothing = loadPolicySet({ format: "object", value: { policies: [] } }, sha256);
  const set = loadPolicyFile(config.policies);
  return new PolicyBook({ set: nothing, rules }, new Map([[DEFAULT_REALM, { set, rules }]]));
}

export interface PolicyNews {
  /** Another set is in force. */
  readonly onChange: (digest: string) => void;
  /** The file is no policy set, or cannot be read: the set in force stays. */
  readonly onFault: (error: unknown) => void;
}

/** Follows the policy file into `book`. Invariants and drift stay as they were at the start. */
export function watchPolicies(config: Config, book: PolicyBook, { onChange, onFault }: PolicyNews): PolicyFileWatch {
  const target = {
    reload(text: string, source: { readonly format: "toml" | "json"; readonly file: string }) {
      const { set: old, rules } = book.of(DEFAULT_REALM);
      const set = loadPolicySet({ ...source, text }, sha256);
      book.replace(new Map([[DEFAULT_REALM, { set, rules }]]));
      if (set.digest !== old.digest) onChange(set.digest);
    },
  };
  return watchPolicyFile(target, config.policies, { onError: onFault });
}

function loadPolicyFile(file: string): PolicySet {
  const text = readText("policies", file);
  return loadPolicySet({ format: file.endsWith(".json") ? "json" : "toml", text, file }, sha256);
}

function camelKeys(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [
      key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}
