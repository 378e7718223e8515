/** The same policies and the same request for every engine that is measured in process. */

export const ROLE = "support";
export const ACTION = "issue_refund";
export const AMOUNT = 500;

interface Rule {
  readonly name: string;
  readonly role: string;
  readonly action: string;
}

/** `count` rules, of which one, in the middle, permits the request; the others are for other roles and actions. */
function rules(count: number): Rule[] {
  return Array.from({ length: count }, (_, i) =>
    i === count >> 1
      ? { name: "refunds", role: ROLE, action: ACTION }
      : { name: `rule_${i}`, role: `role_${i}`, action: `action_${i}` },
  );
}

export function kavachPolicies(count: number) {
  return {
    policies: rules(count).map(({ name, role, action }) => ({
      name,
      effect: "permit",
      conditions: [{ identity_role: role }, { action }, { param_max: { field: "amount", max: 1000 } }],
    })),
  };
}

/** Roles and amount in the context, as Cedar has no floating point and no list of roles of its own. */
export function cedarPolicies(count: number): string {
  return rules(count)
    .map(
      ({ role, action }) =>
        `permit(principal, action == Action::"${action}", resource) when { context.roles.contains("${role}") && context.amount <= 1000 };`,
    )
    .join("\n");
}
