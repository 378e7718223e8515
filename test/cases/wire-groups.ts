/**
 * Packs decision cases for gates that each load one policy set: cases with the same options share a gate, and each case's
 * policies hold for that case alone, by a role that only its calls carry.
 */
import { parse as parseToml, stringify as tomlOf } from "smol-toml";
import type { Case } from "./case-files.ts";
import type { Ask } from "./case-schema.ts";

export interface WireGroup {
  readonly title: string;
  readonly cases: readonly WireCase[];
  /** Policy file. */
  readonly policiesToml: string;
  /** Settings of a gate-node beside its policies, TOML. */
  readonly configToml: string;
}

/** A case as it is asked among others. */
export class WireCase {
  readonly of: Case;
  readonly number: number;

  constructor(of: Case, number: number) {
    this.of = of;
    this.number = number;
  }

  get role(): string {
    return `case ${this.number}`;
  }

  /** The call with what sets it apart. `teller` tells several runs of one case on one gate apart. */
  apart(ask: Ask, teller: string): Ask {
    const facts = [ask.sessionAgeSeconds, ask.actionCount, ask.originIp, ask.originGeo, ask.originDevice];
    const session = facts.some((fact) => fact !== undefined) ? { sessionId: `case-${this.number}-${teller}` } : {};
    // Bad input is refused before any policy is asked.
    const refused = typeof this.of.expect === "object" && "inputError" in this.of.expect;
    return {
      ...session,
      ...ask,
      ...(!refused && { roles: [...(ask.roles ?? []), this.role] }),
      ...(this.#isLimited && { principalId: `${ask.principalId}~${teller}` }),
    };
  }

  /** A reason or a policy's name with its marks of apartness taken off. */
  together(text: string, teller: string): string {
    return text.replaceAll(`@${this.number}`, "").replaceAll(`~${teller}`, "");
  }

  policies(): Record<string, unknown>[] {
    return policiesOf(this.of).map((policy) => ({
      ...policy,
      name: `${String(policy.name)}@${this.number}`,
      conditions: [...policy.conditions, { identity_role: this.role }],
    }));
  }

  get #isLimited(): boolean {
    return policiesOf(this.of).some(({ conditions }) => conditions.some((one) => "rate_limit" in one));
  }
}

interface Policy extends Record<string, unknown> {
  readonly conditions: readonly object[];
}

function policiesOf({ source }: Case): readonly Policy[] {
  const value = source.format === "object" ? source.value : parsed(source.format, source.text);
  const { policies, policy } = value as { policies?: Policy[]; policy?: Policy[] };
  return policies ?? policy ?? [];
}

function parsed(format: "toml" | "json", text: string): unknown {
  return format === "json" ? JSON.parse(text) : parseToml(text);
}

export function wireGroups(cases: readonly Case[]): WireGroup[] {
  const byOptions = Map.groupBy(
    cases.map((one, number) => new WireCase(one, number)),
    ({ of }) => JSON.stringify(of.options),
  );
  return [...byOptions].map(([title, group]) => ({
    title,
    cases: group,
    policiesToml: tomlOf({ policies: group.flatMap((one) => one.policies()) }),
    configToml: tomlOf(settingsOf(group[0]?.of.options ?? {})),
  }));
}

function settingsOf({ drift, ...options }: Case["options"]): Record<string, unknown> {
  return { ...snakeKeys(options), ...(drift !== undefined && { drift: snakeKeys(drift) }) };
}

function snakeKeys(options: object): Record<string, unknown> {
  const snake = (key: string) => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [snake(key), value]));
}
