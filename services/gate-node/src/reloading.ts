/** Takes files again and again: a Secret is exchanged under a link, which no watch of the file system reports. */

export interface ReloadOptions {
  readonly onChange: () => void;
  /** A fault is told once, not at every look. */
  readonly onFault: (error: unknown) => void;
  /** How often the files are looked at, milliseconds. Default 5000. */
  readonly everyMs?: number;
}

/** `reload` resolves with whether anything changed; one look at a time. */
export function reloadAgainAndAgain(
  reload: () => Promise<boolean>,
  { onChange, onFault, everyMs = 5000 }: ReloadOptions,
): { close(): void } {
  let looking = false;
  let told = "";
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      if (await reload()) onChange();
      told = "";
    } catch (error) {
      const fault = String(error);
      if (fault !== told) onFault(error);
      told = fault;
    } finally {
      looking = false;
    }
  };
  const timer = setInterval(() => void look(), everyMs).unref();
  return { close: () => clearInterval(timer) };
}
