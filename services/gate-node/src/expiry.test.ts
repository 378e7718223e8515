/** What ends is said before it does, once for each end. */
import { expect, it } from "vitest";
import { type Ending, endingsOf } from "./expiry.ts";

const DAY_MS = 86_400_000;

it("says a week before that manifest or key will end, once, and again of the next one", () => {
  const clock = { ms: Date.UTC(2027, 0, 1), nowMs: () => clock.ms, monotonicMs: () => clock.ms };
  const keys = { manifestExpiresAtMs: clock.ms + 90 * DAY_MS, signer: { keyExpiresAtMs: Number.POSITIVE_INFINITY } };
  const said: Ending[] = [];
  const look = endingsOf(keys as Parameters<typeof endingsOf>[0], clock, (ending) => said.push(ending));
  look();
  clock.ms += 83 * DAY_MS;
  look();
  expect(said).toEqual([]);
  for (let n = 0; n < 3; n++) {
    clock.ms += 1;
    look();
  }
  expect(said).toEqual([{ what: "manifest", at: "2027-04-01T00:00:00.000Z" }]);
  keys.manifestExpiresAtMs += 1;
  keys.signer.keyExpiresAtMs = clock.ms + 1;
  look();
  look();
  expect(said.slice(1)).toEqual([
    { what: "manifest", at: "2027-04-01T00:00:00.001Z" },
    { what: "permit key", at: new Date(clock.ms + 1).toISOString() },
  ]);
});
