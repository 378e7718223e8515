/** What can be wrong with starting a server, in one line that an operator can act on. */
export type ServeErrorCode =
  | "ADDRESS_IN_USE"
  | "ADDRESS_NOT_AVAILABLE"
  | "ADDRESS_FORBIDDEN"
  | "TLS_UNUSABLE"
  | "CANNOT_LISTEN";

export class ServeError extends Error {
  override readonly name = "ServeError";
  readonly code: ServeErrorCode;

  constructor(code: ServeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Words for an error of `listen`; `setting` is what an operator chooses the address with. */
export function cannotListen(error: NodeJS.ErrnoException, host: string, port: number, setting: string): ServeError {
  const cause = { cause: error };
  switch (error.code) {
    case "EADDRINUSE":
      return new ServeError(
        "ADDRESS_IN_USE",
        `port ${port} on ${host} is in use; choose another with ${setting}`,
        cause,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new ServeError(
        "ADDRESS_NOT_AVAILABLE",
        `${host} is not an address of this machine; choose another with ${setting}`,
        cause,
      );
    case "EACCES":
    case "EPERM":
      return new ServeError(
        "ADDRESS_FORBIDDEN",
        `port ${port} on ${host} may not be opened by this user; choose one above 1023 with ${setting}`,
        cause,
      );
    default:
      return new ServeError(
        "CANNOT_LISTEN",
        `cannot listen on ${host} port ${port}: ${error.code ?? error.message}`,
        cause,
      );
  }
}
