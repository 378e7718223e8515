/** The JSON Schema of the policy format, for editors: made from the schema that the loader itself uses. */
import { z } from "zod";
import { OPERANDS, policySchemas } from "./policy-schema.ts";

/** What a text must look like; the loader's own words say more than a pattern can. */
interface TextForm extends Record<string, unknown> {
  readonly pattern?: string;
  readonly description?: string;
}

const DURATION: TextForm = {
  pattern: "^\\s*0*[1-9][0-9]*[smhd]?\\s*$",
  description: "Digits with s, m, h, d or nothing (seconds), such as 90s, 15m or 4h. Not zero.",
};
const WINDOW: TextForm = {
  pattern: "^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)( [A-Za-z0-9_+/-]+)?$",
  description:
    "HH:MM-HH:MM, both ends inclusive, then at most one blank and one IANA time zone; UTC where none is named.",
};
const NAME: TextForm = {
  minLength: 1,
  maxLength: 256,
  pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
  description: "1 to 256 bytes without control characters.",
};

/** What an author reads beside each key. */
const DESCRIPTIONS: Readonly<Record<keyof typeof OPERANDS, string>> = {
  identity_kind: "Holds when the principal is of this kind.",
  identity_role: "Holds when the principal has this role; case counts.",
  identity_id: "Holds when the principal has exactly this id.",
  action: "Holds when the action's name matches: exactly, or as a prefix before a trailing * or .*",
  resource: "Holds when there is a resource and it matches, as for action.",
  param_max: "Holds when the param is a number of at most max.",
  param_min: "Holds when the param is a number of at least min.",
  param_in: "Holds when the param is a string and one of values.",
  rate_limit:
    "Holds while this principal's calls of this action in the sliding window, this one included, are at most max. In permit policies only.",
  session_age_max: "Holds when at most so many whole seconds have passed since the session began.",
  time_window: "Holds within these hours.",
};

/**
 * JSON Schema, draft 2020-12. It refuses nothing that the loader accepts. The loader refuses more: names that are taken twice,
 * unknown time zones, limits over 30 days, texts that are too long in bytes.
 */
export function policyJsonSchema(): Record<string, unknown> {
  const { name, duration, rateWindow, timeWindow, condition, policy, set } = policySchemas;
  const texts = new Map<unknown, TextForm>([
    [name, NAME],
    [duration, DURATION],
    [rateWindow, { ...DURATION, description: `${DURATION.description} At most 30 days.` }],
    [timeWindow, WINDOW],
  ]);
  const made = z.toJSONSchema(set, {
    io: "input",
    metadata: z.registry<{ id: string }>().add(policy, { id: "policy" }),
    override: ({ zodSchema, jsonSchema }) => {
      const form = texts.get(zodSchema);
      if (form !== undefined) Object.assign(jsonSchema, { type: "string", ...form });
      if (zodSchema === condition) Object.assign(jsonSchema, conditionSchema(texts));
      if (zodSchema === policy) Object.assign(jsonSchema, NO_LIMIT_IN_REFUSAL);
      if (zodSchema === set) jsonSchema.not = { required: ["policies", "policy"] };
    },
  });
  return { title: "Kavach policy set", ...made };
}

const NO_LIMIT_IN_REFUSAL = {
  if: { properties: { effect: { const: "refuse" } }, required: ["effect"] },
  // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
  then: { properties: { conditions: { type: "array", items: { type: "object", not: { required: ["rate_limit"] } } } } },
};

function conditionSchema(texts: ReadonlyMap<unknown, TextForm>): Record<string, unknown> {
  const properties = Object.entries(OPERANDS).map(([kind, operand]) => {
    const { $schema: _, ...schema } = z.toJSONSchema(operand, {
      io: "input",
      override: ({ zodSchema, jsonSchema }) => {
        const form = texts.get(zodSchema);
        if (form !== undefined) Object.assign(jsonSchema, { type: "string", ...form });
      },
    });
    const description = [DESCRIPTIONS[kind as keyof typeof OPERANDS], schema.description].filter(Boolean).join(" ");
    return [kind, { ...schema, description }];
  });
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
  };
}
