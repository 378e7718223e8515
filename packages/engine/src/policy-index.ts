/** Finds the policies that can match a context, in order, without looking at the others. */
import type { ActionContext } from "@kavach/model";
import { parsePattern } from "./pattern.ts";
import type { Condition } from "./policy-schema.ts";

type Facet = "id" | "action" | "resource" | "role" | "prefix" | "kind";

interface Key {
  readonly facet: Facet;
  readonly value: string;
}

type Positions = readonly number[];

/**
 * Each policy stands in one place: under that one of its conditions which fewest policies share. So a set in which thousands
 * of policies name one action and each its own role is searched by role.
 */
export class PolicyIndex {
  readonly #byFacet: Readonly<Record<Facet, Map<string, number[]>>> = {
    id: new Map(),
    action: new Map(),
    resource: new Map(),
    role: new Map(),
    prefix: new Map(),
    kind: new Map(),
  };
  readonly #prefixLengths: readonly number[];
  /** Policies that name nothing to search by. */
  readonly #always: number[] = [];

  /** `policies[i]` are the conditions of the policy at position `i`. */
  constructor(policies: readonly (readonly Condition[])[]) {
    const keys = policies.map(keysOf);
    const shared = new Map<string, number>();
    for (const key of keys.flat()) shared.set(`${key.facet} ${key.value}`, sharing(shared, key) + 1);
    keys.forEach((choices, position) => {
      let best: Key | undefined;
      for (const key of choices) if (best === undefined || sharing(shared, key) < sharing(shared, best)) best = key;
      if (best === undefined) this.#always.push(position);
      else bucket(this.#byFacet[best.facet], best.value).push(position);
    });
    this.#prefixLengths = [...new Set([...this.#byFacet.prefix.keys()].map((prefix) => prefix.length))];
  }

  /** Positions of the policies that can match, ascending, by repeated calls of `next`. */
  walk(context: ActionContext): Walk {
    const { principal, action } = context;
    const index = this.#byFacet;
    const lists: Positions[] = [];
    if (this.#always.length > 0) lists.push(this.#always);
    add(lists, index.action.get(action.name));
    add(lists, index.id.get(principal.id));
    add(lists, index.kind.get(principal.kind));
    if (index.role.size > 0) for (const role of principal.roles) add(lists, index.role.get(role));
    if (action.resource !== undefined) add(lists, index.resource.get(action.resource));
    for (const length of this.#prefixLengths) {
      if (length <= action.name.length) add(lists, index.prefix.get(action.name.slice(0, length)));
    }
    return new Walk(lists);
  }
}

export class Walk {
  readonly #lists: readonly Positions[];
  readonly #heads: number[];
  #last = -1;

  constructor(lists: readonly Positions[]) {
    this.#lists = lists;
    this.#heads = lists.map(() => 0);
  }

  /** The next position, or -1. A position that two lists hold, as when a role is named twice, comes once. */
  next(): number {
    for (;;) {
      let best = -1;
      let position = Number.POSITIVE_INFINITY;
      for (let i = 0; i < this.#lists.length; i++) {
        const head = this.#lists[i]?.[this.#heads[i] ?? 0];
        if (head !== undefined && head < position) {
          best = i;
          position = head;
        }
      }
      if (best < 0) return -1;
      this.#heads[best] = (this.#heads[best] ?? 0) + 1;
      if (position !== this.#last) {
        this.#last = position;
        return position;
      }
    }
  }
}

function keysOf(conditions: readonly Condition[]): Key[] {
  return conditions.flatMap((condition): Key[] => {
    if (condition.kind === "identity_id") return [{ facet: "id", value: condition.operand }];
    if (condition.kind === "identity_role") return [{ facet: "role", value: condition.operand }];
    if (condition.kind === "identity_kind") return [{ facet: "kind", value: condition.operand }];
    if (condition.kind !== "action" && condition.kind !== "resource") return [];
    const pattern = parsePattern(condition.operand);
    if (pattern.kind === "exact") return [{ facet: condition.kind, value: pattern.text }];
    return condition.kind === "action" && pattern.text !== "" ? [{ facet: "prefix", value: pattern.text }] : [];
  });
}

function sharing(shared: ReadonlyMap<string, number>, key: Key): number {
  return shared.get(`${key.facet} ${key.value}`) ?? 0;
}

function bucket(map: Map<string, number[]>, value: string): number[] {
  const found = map.get(value);
  if (found !== undefined) return found;
  const made: number[] = [];
  map.set(value, made);
  return made;
}

function add(lists: Positions[], list: Positions | undefined): void {
  if (list !== undefined) lists.push(list);
}
