/** Reads field violations (google.rpc.BadRequest) out of the status details of a failed call. */

import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { AnySchema, anyUnpack } from "@bufbuild/protobuf/wkt";
import { googleRpc } from "@kavach/api";
import type { FieldViolation } from "@kavach/model";

const { BadRequestSchema } = googleRpc;
/** Number of the field `details` in google.rpc.Status. */
const STATUS_DETAILS = 3;

/** Violations named in a serialised google.rpc.Status (`grpc-status-details-bin`); none where the bytes make no sense. */
export function violationsIn(status: Uint8Array): FieldViolation[] {
  try {
    return parts(status, STATUS_DETAILS)
      .map((bytes) => anyUnpack(fromBinary(AnySchema, bytes), BadRequestSchema))
      .flatMap((badRequest) => badRequest?.fieldViolations ?? [])
      .map(({ field, description }) => ({ field, reason: description }));
  } catch {
    // A status is believed by its code alone; what explains it may be missing.
    return [];
  }
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
