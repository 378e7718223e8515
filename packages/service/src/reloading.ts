/** Takes files again and again: a Secret is exchanged under a link, which no watch of the file system reports. */
import { type DoorSettings, readTls, type TlsTexts } from "./settings.ts";

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

/**
 * Gives the server its certificates anew when one of their files has changed. `served`: what it has now, undefined for clear text. A
 * half of a pair that is being exchanged is a fault, and the pair is taken at the next look.
 */
export function watchTls(
  settings: DoorSettings,
  served: TlsTexts | undefined,
  server: { replaceTls(tls: TlsTexts): void },
  options: ReloadOptions,
): { close(): void } {
  if (served === undefined) return { close: () => {} };
  let last = JSON.stringify(served);
  const reload = async () => {
    const found = await readTls(settings);
    const text = JSON.stringify(found);
    if (found === undefined || text === last) return false;
    server.replaceTls(found);
    last = text;
    return true;
  };
  return reloadAgainAndAgain(reload, options);
}
