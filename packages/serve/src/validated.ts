/** Judges a message by the rules written in its proto, called directly because an interceptor would cost far more. */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { Bug, InputError } from "@kavach/model";

const validator: Validator = createValidator();

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
