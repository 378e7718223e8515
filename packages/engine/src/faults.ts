/** Everything that is wrong with a policy set or with gate options, reported at once. */

export interface PolicyFault {
  /** The file as the caller named it. */
  readonly file?: string;
  /** From 1; absent where the format has no lines. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  /** Name of the policy it is about. */
  readonly policy?: string;
  /** Such as `policies[0].conditions[1].param_max.max`, in the spelling of the source; empty for the whole source. */
  readonly path: string;
  /** The key that is wrong, unknown, missing or repeated. */
  readonly key?: string;
  readonly message: string;
  /** What was probably meant. */
  readonly suggestion?: string;
}

/** A policy set that cannot be loaded. The set that was in force stays in force. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
  readonly code = "POLICY_INVALID";
  readonly faults: readonly PolicyFault[];

  constructor(faults: readonly PolicyFault[]) {
    super(`policy set is invalid\n${faults.map((fault) => `  ${faultText(fault)}`).join("\n")}`);
    this.faults = faults;
  }
}

/** One broken rule of the gate's options. */
export type OptionFault = Pick<PolicyFault, "path" | "key" | "message" | "suggestion">;

/** Options that cannot be used: every fault at once, unknown keys included. */
export class GateOptionError extends Error {
  override readonly name = "GateOptionError";
  readonly code = "OPTIONS_INVALID";
  readonly faults: readonly OptionFault[];

  constructor(faults: readonly OptionFault[]) {
    super(`gate options are invalid\n${faults.map((fault) => `  ${faultText(fault)}`).join("\n")}`);
    this.faults = faults;
  }
}

/** `refunds.toml:7:3: policy 'p': policies[0].efect: unknown key 'efect', did you mean 'effect'?` */
export function faultText(fault: PolicyFault): string {
  const place = [fault.file, fault.line, fault.column].filter((part) => part !== undefined).join(":");
  const parts = [place, fault.policy === undefined ? "" : `policy '${fault.policy}'`, fault.path].filter(
    (part) => part !== "",
  );
  const meant = fault.suggestion === undefined ? "" : `, did you mean '${fault.suggestion}'?`;
  return `${[...parts, fault.message].join(": ")}${meant}`;
}
