/** 64-bit integers of the wire, which the model holds as safe integers: what does not fit is an error, never rounded. */
import { Bug } from "@kavach/model";
import { refuseField } from "./violation.ts";

/** 0 to 2^53-1, or an `InputError` at `path`. */
export function safeIntegerFromWire(value: bigint, path: string): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    return refuseField(path, "must be from 0 to 9007199254740991");
  }
  return Number(value);
}

/** Throws `Bug` for what is no safe, non-negative integer: only our own arithmetic could have made it. */
export function safeIntegerToWire(value: number): bigint {
  if (!Number.isSafeInteger(value) || value < 0) throw new Bug(`${value} is no safe, non-negative integer`);
  return BigInt(value);
}
