/** Judges a message by the rules written in its proto, called directly because an interceptor would cost far more. */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { Bug, InputError } from "@kavach/model";

/**
 * The platform's expressions in place of the library's portable RE2, which costs seven times the rest of the check. RE2
 * guards against patterns that explode, so only a form that cannot is taken: one class, repeated, between both anchors.
 */
const SAFE_PATTERN = /^\^(?:\\[pP]\{\w+\}|\[[^[\]]+\])[*+]\$$/;
const patterns = new Map<string, RegExp>();

/** Throws Bug on a pattern of another form, so a rule that needs one fails its tests and not its callers' patience. */
export function matches(pattern: string, text: string): boolean {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) {
    if (!SAFE_PATTERN.test(pattern)) throw new Bug(`pattern ${pattern} of the contract is not one repeated class`);
    compiled = new RegExp(pattern, "u");
    patterns.set(pattern, compiled);
  }
  return compiled.test(text);
}

const validator: Validator = createValidator({ regexMatch: matches });

/**
 * Throws InputError that names every broken rule by field path, such as `context.principal.id` or
 * `items[3].realm`; throws Bug when a rule itself cannot be evaluated.
 */
export function validated<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): void {
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return;
  if (result.kind === "error")
    throw new Bug(`rules of ${schema.typeName} cannot be evaluated`, { cause: result.error });
  throw new InputError(result.violations.map(({ field, message: reason }) => ({ field: pathToString(field), reason })));
}
