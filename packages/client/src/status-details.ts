/** Reads field violations (google.rpc.BadRequest) out of the status details of a failed call. */

import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import type { FieldViolation } from "@kavach/model";

const BAD_REQUEST = "/google.rpc.BadRequest";
/** google.rpc.Status.details, google.rpc.BadRequest.field_violations, and FieldViolation's field and description. */
const STATUS_DETAILS = 3;
const BAD_REQUEST_VIOLATIONS = 1;
const VIOLATION_FIELD = 1;
const VIOLATION_DESCRIPTION = 2;

/** Violations named in a serialised google.rpc.Status (`grpc-status-details-bin`); none where the bytes make no sense. */
export function violationsIn(status: Uint8Array): FieldViolation[] {
  try {
    return detailsOf(status)
      .filter((detail) => detail.typeUrl.endsWith(BAD_REQUEST))
      .flatMap((detail) => parts(detail.value, BAD_REQUEST_VIOLATIONS).map(readViolation));
  } catch {
    // A status is believed by its code alone; what explains it may be missing.
    return [];
  }
}

function detailsOf(status: Uint8Array): Any[] {
  return parts(status, STATUS_DETAILS).map((bytes) => fromBinary(AnySchema, bytes));
}

function readViolation(bytes: Uint8Array): FieldViolation {
  const text = (fieldNumber: number) => new TextDecoder().decode(parts(bytes, fieldNumber).at(-1) ?? new Uint8Array());
  return { field: text(VIOLATION_FIELD), reason: text(VIOLATION_DESCRIPTION) };
}

/** Every occurrence of one length-delimited field of a message. */
function parts(message: Uint8Array, fieldNumber: number): Uint8Array[] {
  const reader = new BinaryReader(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === fieldNumber && wireType === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(wireType, number);
  }
  return found;
}
