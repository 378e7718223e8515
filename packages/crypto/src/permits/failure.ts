/** Why a permit does not hold: the names of the contract's enum, without its prefix. */
import type { PermitFailure } from "@kavach/api";

type Names = Exclude<keyof typeof PermitFailure, "UNSPECIFIED">;

export type PermitFailureCode = Names;
