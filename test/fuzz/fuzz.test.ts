/** Broken inputs at the doors where text, bytes and values come in: nothing crashes, nothing hangs, nothing is permitted that is not written. */
import { expect, test } from "vitest";
import { JSON_LOADER, TOML_LOADER } from "./loader-target.ts";
import { fuzz } from "./run.ts";
import { INPUT_READER, WIRE_DECODER } from "./wire-target.ts";

test.each([JSON_LOADER, TOML_LOADER, WIRE_DECODER, INPUT_READER].map((target) => [target.name, target] as const))(
  "%s",
  { timeout: 24 * 3_600_000 },
  (_name, target) => {
    const reached = fuzz(target);
    // Inputs that are all refused at the first byte would show nothing.
    expect(reached.refused).toBeGreaterThan(0);
    expect(reached.accepted + reached.permitted).toBeGreaterThan(0);
  },
);
