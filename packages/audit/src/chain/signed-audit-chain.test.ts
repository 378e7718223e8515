import { KavachKeyPair } from "@kavach/crypto";
import { describe, expect, it } from "vitest";
import { AuditEntry } from "./entry.ts";
import type { AuditChainErrorCode } from "./errors.ts";
import { type Link, linkFromLine, linkHash, linkToLine } from "./link.ts";
import { SignedAuditChain } from "./signed-audit-chain.ts";

const NOW_MS = 1_800_000_000_000;
const clock = { nowMs: () => NOW_MS, monotonicMs: () => 0 };
const keyPair = KavachKeyPair.generate({ clock });
const bundle = keyPair.publicKeys();
const broken = (code: AuditChainErrorCode, index?: number) => expect.objectContaining({ code, index });

function chainOf(count: number, hybrid = true, key = keyPair) {
  const chain = new SignedAuditChain(key, { hybrid, clock });
  for (let i = 0; i < count; i++) chain.append(new AuditEntry(`agent-${i}`, "issue_refund", "permit", "token=abc"));
  return chain;
}
const text = (chain: SignedAuditChain) => new TextDecoder().decode(chain.exportJsonl());
const bytes = (lines: readonly string[]) => new TextEncoder().encode(lines.join("\n"));
const linesOf = (chain: SignedAuditChain) => text(chain).trimEnd().split("\n");

describe("SignedAuditChain", () => {
  it.each([true, false])("appends, exports and verifies (hybrid: %s)", (hybrid) => {
    const empty = chainOf(0, hybrid);
    expect([empty.length, empty.headHash, empty.isEmpty, empty.isHybrid]).toEqual([0, "genesis", true, hybrid]);
    const chain = chainOf(3, hybrid);
    chain.verify(bundle);
    expect(chain.length).toBe(3);
    expect(chain.headHash).toMatch(/^[0-9a-f]{64}$/);
    expect(SignedAuditChain.verifyJsonl(chain.exportJsonl(), bundle)).toBe(3);
    expect(SignedAuditChain.verifyJsonl(chain.exportJsonl(), bundle, { hybrid })).toBe(3);
    expect(() => SignedAuditChain.verifyJsonl(chain.exportJsonl(), bundle, { hybrid: !hybrid })).toThrow(
      broken("MODE_MISMATCH"),
    );
  });

  it("says what is broken, and where", () => {
    const lines = linesOf(chainOf(4));
    const other = linesOf(chainOf(4, false))[2] as string;
    const theirs = linesOf(chainOf(4, true, KavachKeyPair.generate({ clock })))[1] as string;
    const altered = (at: number, change: (link: Link) => Link) =>
      lines.map((line, i) => (i === at ? linkToLine(change(linkFromLine(line, i))) : line));
    const relinked = (link: Link): Link => ({
      ...link,
      entryHash: linkHash(link.index, link.previousHash, link.payload),
    });
    const [a, b, c, d] = lines as [string, string, string, string];
    const cases: [AuditChainErrorCode, number | undefined, readonly string[]][] = [
      ["ENTRY_UNREADABLE", 1, [a, "nope", c]],
      ["ENTRY_UNREADABLE", 1, [a, b.replace('"index":1', '"index":1,"index":1')]],
      ["MODE_MIXED", 2, [a, b, other, d]],
      ["ORDER_BROKEN", 1, [a, c, b, d]],
      ["ORDER_BROKEN", 0, [b, c, d]],
      ["ORDER_BROKEN", 2, [a, b, b, c]],
      ["LINK_BROKEN", 1, [a, theirs]],
      ["LINK_BROKEN", 1, altered(1, (link) => relinked({ ...link, previousHash: "0".repeat(64) }))],
      ["HASH_MISMATCH", 2, altered(2, (link) => ({ ...link, entryHash: "0".repeat(64) }))],
      ["SIGNATURE_INVALID", 3, altered(3, (link) => relinked({ ...link, payload: { ...link.payload, nonce: "n" } }))],
    ];
    for (const [code, index, changed] of cases) {
      expect(() => SignedAuditChain.verifyJsonl(bytes(changed), bundle), code).toThrow(broken(code, index));
    }
    const stranger = KavachKeyPair.generate({ clock }).publicKeys();
    expect(() => SignedAuditChain.verifyJsonl(bytes(lines), stranger)).toThrow(broken("SIGNATURE_INVALID", 0));
    expect(() => SignedAuditChain.verifyJsonl(Uint8Array.of(0xff), bundle)).toThrow(broken("ENTRY_UNREADABLE", 0));
  });

  it("goes on, verifies and exports after it was pruned, and verifies whole from its parts", () => {
    const chain = chainOf(5);
    const [head, first] = [chain.headHash, chain.exportJsonl()];
    expect(chain.pruneBefore(3)).toBe(3);
    expect(chain.pruneBefore(2)).toBe(0);
    expect([chain.length, chain.headHash, chain.baseIndex, chain.residentEntries]).toEqual([5, head, 3, 2]);
    expect(chain.anchorHash).toBe(JSON.parse(new TextDecoder().decode(first).split("\n")[2] as string).entry_hash);
    chain.append(new AuditEntry("agent-9", "issue_refund", "refuse", "over cap"));
    chain.verify(bundle);
    const stranger = KavachKeyPair.generate({ clock }).publicKeys();
    expect(() => chain.verify(stranger)).toThrow(broken("SIGNATURE_INVALID", 3));
    const all = linesOf({ exportJsonl: () => first } as SignedAuditChain);
    const segments = [bytes(all.slice(0, 3)), chain.exportJsonl()];
    expect(SignedAuditChain.verifyJsonlSegments(segments, bundle, { hybrid: true })).toBe(6);
    expect(() => SignedAuditChain.verifyJsonlSegments(segments.toReversed(), bundle)).toThrow(
      broken("ORDER_BROKEN", 0),
    );
    for (const from of [2, 7, 3.5]) {
      expect(() => chain.entriesSinceJsonl(from)).toThrow(broken("OUT_OF_RANGE"));
    }
    expect(chain.pruneBefore(6)).toBe(3);
    expect([chain.headHash, chain.isEmpty]).toEqual([chain.anchorHash, false]);
  });

  it("does not sign with a key that has expired", () => {
    const brief = KavachKeyPair.generate({ clock, expiresInSeconds: 1 });
    const chain = new SignedAuditChain(brief, { clock: { ...clock, nowMs: () => NOW_MS + 1000 } });
    const entry = new AuditEntry("a", "b", "permit", "");
    expect(() => chain.append(entry)).toThrow(expect.objectContaining({ code: "KEY_EXPIRED" }));
    expect(chain.length).toBe(0);
  });

  it("takes entries of the three verdicts alone, with texts and ids that are some", () => {
    expect(() => new AuditEntry("a", "b", "deny" as "permit", "")).toThrow(RangeError);
    expect(() => new AuditEntry("\ud800", "b", "permit", "")).toThrow(RangeError);
    expect(() => new AuditEntry("a", "b", "permit", "", { sessionId: "s-1" })).toThrow(RangeError);
    expect(() => new AuditEntry("a", "b", "permit", "", { reason: "x" } as object)).toThrow(RangeError);
    expect(() => new SignedAuditChain(keyPair, { mode: "hybrid" } as object)).toThrow(RangeError);
  });
});
