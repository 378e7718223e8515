/** The policy sets in force, one per realm. A swap is one assignment: no decision sees half of two sets. */
import type { GateRules, PolicySet } from "@kavach/engine";

export interface RealmPolicies {
  readonly set: PolicySet;
  readonly rules: GateRules;
}

export class PolicyBook {
  #byRealm: ReadonlyMap<string, RealmPolicies>;
  /** What a realm without policies gets: the empty set, which refuses everything, and the same invariants. */
  readonly #fallback: RealmPolicies;

  constructor(fallback: RealmPolicies, byRealm: ReadonlyMap<string, RealmPolicies>) {
    this.#fallback = fallback;
    this.#byRealm = byRealm;
  }

  of(realm: string): RealmPolicies {
    return this.#byRealm.get(realm) ?? this.#fallback;
  }

  replace(byRealm: ReadonlyMap<string, RealmPolicies>): void {
    this.#byRealm = byRealm;
  }
}
