/** Every kind of signed thing, presented to the verifier of every other kind: each is refused with that verifier's own typed reason. */
import { beforeAll, describe, expect, it } from "vitest";
import { KINDS, type Kind, keyPair } from "./kinds.ts";

const made = new Map<string, Uint8Array>();
beforeAll(async () => {
  for (const [name, { make }] of Object.entries(KINDS)) made.set(name, await make());
});

describe.each(Object.keys(KINDS))("the verifier of a %s", (reader) => {
  it.each(Object.keys(KINDS))("given a %s", async (written) => {
    const { verify, refusal } = KINDS[reader] as Kind;
    const verifying = verify(made.get(written) as Uint8Array);
    if (written === reader) await verifying;
    else await expect(verifying).rejects.toMatchObject({ code: refusal });
  });
});

it("a key's secret bytes are read by no verifier", async () => {
  for (const [name, { verify, refusal }] of Object.entries(KINDS)) {
    await expect(verify(keyPair.toSecretBytes()), name).rejects.toMatchObject({ code: refusal });
  }
});
