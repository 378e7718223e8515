/**
 * Every key of this package. All keys of one principal, and all keys of one log, share a hash tag, so that a script's keys lie on one
 * shard. Parts of variable length carry their length; the last part of a key needs none.
 */
import { Bug } from "@kavach/model";
import type { CountMode } from "@kavach/store";

/** `prefix` begins every key, so that one server can carry several clusters. */
export class StoreKeys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  principal(realm: string, principalId: string): PrincipalKeys {
    return new PrincipalKeys(`${this.#prefix}:{${sized(realm)}${sized(principalId)}}`);
  }
}

export class PrincipalKeys {
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  charge(evaluationId: string): string {
    return `${this.#base}:charge:${evaluationId}`;
  }

  redeemed(tokenIdHex: string): string {
    return `${this.#base}:redeemed:${tokenIdHex}`;
  }

  session(id: string): string {
    return `${this.#base}:session:${wellFormed(id)}`;
  }

  sessionIndex(): string {
    return `${this.#base}:sessions`;
  }

  entries(mode: CountMode, actionName: string): string {
    return `${this.#base}:${mode}:${wellFormed(actionName)}`;
  }

  buckets(mode: CountMode, actionName: string): string {
    return `${this.#base}:${mode}-buckets:${wellFormed(actionName)}`;
  }
}

export interface LogKeys {
  readonly head: string;
  readonly history: string;
  readonly marks: string;
  readonly floors: string;
  /** Also the name of the Pub/Sub channel. */
  readonly bell: string;
  retry(entry: string): string;
}

export function logKeys(prefix: string): LogKeys {
  const base = `${prefix}:{log}`;
  return {
    head: `${base}:head`,
    history: `${base}:history`,
    marks: `${base}:marks`,
    floors: `${base}:floors`,
    bell: `${base}:bell`,
    retry: (entry) => `${base}:retry:${wellFormed(entry)}`,
  };
}

/** A hash of all origins of audit logs, each with its newest checkpoint. */
export function auditOriginsKey(prefix: string): string {
  return `${prefix}:{audit}:origins`;
}

function sized(part: string): string {
  return `${part.length}:${wellFormed(part)}`;
}

/** UTF-8 would turn every lone surrogate into the same three bytes, and two names into one key. */
function wellFormed(part: string): string {
  if (!part.isWellFormed()) throw new Bug("a key part is not well-formed text");
  return part;
}
