/** Keeps the version of the newest manifest in a file, so that a restart does not open the door to an older one. */
import { z } from "zod";
import { DirectoryError } from "../errors.ts";
import { utf8 } from "../framing.ts";
import { readAtMost, replaceFile } from "../keys/disk.ts";
import type { SeenManifest, SeenVersion } from "./source.ts";

const Seen = z.strictObject({ version: z.int().min(1), digest: z.string().regex(/^[0-9a-f]{64}$/) });

const FILE_BYTES_MAX = 1024;

/** Verifiers of one manifest may share the file. A missing one reads as "none seen", a damaged one as `Corrupt`. */
export function seenVersionFile(path: string): SeenVersion {
  async function read(): Promise<SeenManifest | undefined> {
    let text: string;
    try {
      text = new TextDecoder().decode(await readAtMost(path, FILE_BYTES_MAX));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new DirectoryError("BackendUnavailable", "the newest version seen could not be read", { cause });
    }
    try {
      return Seen.parse(JSON.parse(text));
    } catch (cause) {
      throw new DirectoryError("Corrupt", "the file of the newest version seen is damaged", { cause });
    }
  }
  return {
    read,
    async write({ version, digest }) {
      // Another process may share the file and be ahead.
      const before = await read();
      if (before !== undefined && before.version > version) {
        throw new DirectoryError("RootSignatureInvalid", "a newer manifest was seen before");
      }
      try {
        await replaceFile(path, utf8(JSON.stringify({ version, digest })));
      } catch (cause) {
        throw new DirectoryError("BackendUnavailable", "the newest version seen could not be kept", { cause });
      }
    },
  };
}
