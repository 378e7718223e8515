import { expect, it } from "vitest";
import { awaitCondition } from "./await-condition.ts";

it("resolves to the first value, looking on through false, nothing and throws", async () => {
  const looks = [
    () => false as const,
    () => undefined,
    () => {
      throw new Error("not yet");
    },
    () => "there",
  ];
  expect(await awaitCondition(() => looks.shift()?.(), { what: "it", everyMs: 1 })).toBe("there");
  expect(looks).toHaveLength(0);
});

it("fails in time, saying what, why and with which detail", async () => {
  const look = () => Promise.reject(new Error("refused"));
  const failure = awaitCondition(look, { what: "an answer", withinMs: 20, everyMs: 1, detail: () => "its log" });
  await expect(failure).rejects.toThrow("an answer: not within 20 ms\nits log");
  await expect(failure).rejects.toMatchObject({ cause: { message: "refused" } });
});

it("gives up at once where waiting is useless", async () => {
  let looks = 0;
  const failure = awaitCondition(
    () => {
      looks += 1;
      return false;
    },
    { what: "an answer", withinMs: 60_000, hopeless: () => "it ended" },
  );
  await expect(failure).rejects.toThrow("an answer: it ended");
  expect(looks).toBe(1);
});
