/** Lint: what a policy set says that its author hardly meant. A set with findings is valid, and decides as it is written. */
import { clashAlone, clashOf, follows } from "./condition-logic.ts";
import { lintGaps } from "./lint-gaps.ts";
import { parsePattern } from "./pattern.ts";
import { type PolicySource, readPolicies } from "./policy-reader.ts";
import type { Condition, Policy } from "./policy-schema.ts";
import { type Path, type Position, pathText } from "./source-document.ts";

export type LintCode =
  /** No condition: it matches everything. */
  | "EMPTY_CONDITIONS"
  /** An earlier policy decides whatever this one matches. */
  | "UNREACHABLE_POLICY"
  /** The same, where a refuse policy keeps a permit policy from ever permitting. */
  | "SHADOWED_PERMIT"
  /** Its conditions exclude each other: it permits nothing. */
  | "PERMIT_NEVER_MATCHES"
  /** Its conditions exclude each other: it refuses nothing. */
  | "REFUSE_NEVER_MATCHES"
  /** It refuses nothing but params of the wrong type. */
  | "REFUSE_ON_ERRORS_ONLY"
  /** A pattern that matches more, or less, than it seems to. */
  | "SURPRISING_PATTERN"
  /** Values between the `param_max` of one policy and the `param_min` of another are matched by neither. */
  | "PARAM_GAP";

export interface LintFinding {
  readonly code: LintCode;
  /** Name of the policy it is about. */
  readonly policy: string;
  /** Such as `policies[0].conditions[1].action`, in the spelling of the source. */
  readonly path: string;
  readonly message: string;
  readonly file?: string;
  /** From 1; absent where the format has no lines. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
}

/** A finding before its place is looked up. */
export interface Remark {
  readonly code: LintCode;
  /** Position of the policy in the source. */
  readonly index: number;
  /** Below the policy. */
  readonly path: Path;
  readonly message: string;
}

/** A policy and where it stands in its source. */
export interface PlacedPolicy {
  readonly index: number;
  readonly policy: Policy;
}

/** Findings in the order of the source. Throws `PolicyError` where the source does not load. */
export function lintPolicySet(source: PolicySource): readonly LintFinding[] {
  const { policies, document, listKey } = readPolicies(source);
  const placed = policies.map((policy, index) => ({ index, policy }));
  const remarks = [...placed.flatMap(lintAlone), ...lintOrder(placed), ...lintGaps(placed)];
  const file = source.format !== "object" && source.file !== undefined ? { file: source.file } : {};
  return remarks
    .toSorted((a, b) => a.index - b.index)
    .map(({ code, index, path, message }) => {
      const full = [listKey, index, ...path];
      const position: Position | undefined = document.locate(full);
      return { code, policy: policies[index]?.name ?? "", path: pathText(full), message, ...file, ...position };
    });
}

function lintAlone({ index, policy }: PlacedPolicy): Remark[] {
  const { conditions, effect } = policy;
  if (conditions.length === 0) {
    const message = `without conditions it ${effect}s everything that reaches it`;
    return [{ code: "EMPTY_CONDITIONS", index, path: ["conditions"], message }];
  }
  const patterns = conditions.flatMap((condition, i): Remark[] => {
    const message = surprise(condition);
    return message === undefined
      ? []
      : [{ code: "SURPRISING_PATTERN", index, path: ["conditions", i, condition.kind], message }];
  });
  return [...patterns, ...lintClash(index, policy)];
}

function surprise({ kind, operand }: Condition): string | undefined {
  if (kind === "identity_id" || kind === "identity_role") {
    return operand.includes("*")
      ? `'${operand}' is compared as it stands: '*' is special in action and resource only`
      : undefined;
  }
  if (kind !== "action" && kind !== "resource") return undefined;
  const { text } = parsePattern(operand);
  if (text.includes("*")) return `in '${operand}' only the last '*' is special; any other is an ordinary character`;
  if (operand === ".*") return "'.*' matches everything, as '*' does";
  if (operand.endsWith(".*"))
    return `'${operand}' is a prefix match on '${text}': it matches '${text}' and '${text}s' too`;
  return undefined;
}

/** The first pair of conditions that leaves nothing to match. */
function lintClash(index: number, { conditions, effect }: Policy): Remark[] {
  let errorsOnly: Remark | undefined;
  for (const [i, condition] of conditions.entries()) {
    const earlier = conditions.slice(0, i);
    const reasons = [
      { clash: clashAlone(condition, effect), why: `nothing has this ${condition.kind}` },
      ...earlier.map((other) => ({
        clash: clashOf(other, condition, effect),
        why: `it excludes the ${other.kind} before it`,
      })),
    ];
    for (const { clash, why } of reasons) {
      if (clash === undefined) continue;
      const path = ["conditions", i, condition.kind];
      if (clash === "never") {
        const code = effect === "permit" ? "PERMIT_NEVER_MATCHES" : "REFUSE_NEVER_MATCHES";
        return [{ code, index, path, message: `never matches: ${why}` }];
      }
      const message = `matches only where the param has the wrong type: ${why}`;
      errorsOnly ??= { code: "REFUSE_ON_ERRORS_ONLY", index, path, message };
    }
  }
  return errorsOnly === undefined ? [] : [errorsOnly];
}

/** Policies that an earlier one leaves nothing to decide. */
function lintOrder(placed: readonly PlacedPolicy[]): Remark[] {
  const covers = new CoverTable();
  return placed
    .toSorted((a, b) => a.policy.priority - b.policy.priority)
    .flatMap((later): Remark[] => {
      const earlier = covers.firstOver(later.policy);
      covers.add(later.policy);
      if (earlier === undefined) return [];
      const code =
        earlier.effect === "refuse" && later.policy.effect === "permit" ? "SHADOWED_PERMIT" : "UNREACHABLE_POLICY";
      const message = `never decides: '${earlier.name}', which comes first, ${earlier.effect}s whatever it matches`;
      return [{ code, index: later.index, path: [], message }];
    });
}

/** The policies seen so far, those that name one action under that action: they can cover no other. */
class CoverTable {
  readonly #byAction = new Map<string, Policy[]>();
  readonly #others: Policy[] = [];

  add(policy: Policy): void {
    // A full limit lets the next policy decide.
    if (policy.conditions.some(({ kind }) => kind === "rate_limit")) return;
    const [action] = exactActions(policy);
    if (action === undefined) this.#others.push(policy);
    else {
      const known = this.#byAction.get(action);
      if (known === undefined) this.#byAction.set(action, [policy]);
      else known.push(policy);
    }
  }

  firstOver(later: Policy): Policy | undefined {
    const sameAction = exactActions(later).flatMap((action) => this.#byAction.get(action) ?? []);
    return [...this.#others, ...sameAction].find((earlier) =>
      earlier.conditions.every((wanted) => follows(wanted, earlier.effect, later.conditions, later.effect)),
    );
  }
}

function exactActions({ conditions }: Policy): string[] {
  return conditions.flatMap((condition) => {
    const pattern = condition.kind === "action" ? parsePattern(condition.operand) : undefined;
    return pattern?.kind === "exact" ? [pattern.text] : [];
  });
}
