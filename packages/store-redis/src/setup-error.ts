/** Why a Redis adapter does not start. What goes wrong later is UnavailableError or LogError. */

export type RedisSetupCode =
  /** An option or the URL is wrong. */
  | "OPTION_INVALID"
  /** The server answers and cannot be used for this; the message says what to change. */
  | "SERVER_UNFIT";

export class RedisSetupError extends Error {
  override readonly name = "RedisSetupError";
  readonly code: RedisSetupCode;

  constructor(code: RedisSetupCode, message: string) {
    super(message);
    this.code = code;
  }
}
