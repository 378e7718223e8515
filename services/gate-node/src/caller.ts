/** Who calls, in one line for the audit log: what the connection proved, and never anything that the call itself says. */
import type { HandlerContext } from "@connectrpc/connect";
import { type Peer, peerOf } from "@kavach/serve";

/** Longest name that is recorded as it is, characters: a certificate full of names must not make an entry too long for the log. */
const NAME_LENGTH_MAX = 1024;
const texts = new WeakMap<Peer, string>();

/**
 * `certificate:` and the names of the verified client certificate, as `URI:spiffe://mesh/payments` or `DNS:payments.mesh`, or its subject
 * where it has no other name; otherwise `unauthenticated:` and the address of the other end, which may be a proxy's.
 */
export function callerOf(context: Pick<HandlerContext, "values">): string {
  const peer = peerOf(context);
  let text = texts.get(peer);
  if (text === undefined) {
    text = callerText(peer);
    texts.set(peer, text);
  }
  return text;
}

export function callerText({ address, certificate }: Peer): string {
  if (certificate === undefined) return `unauthenticated:${address === "" ? "unknown" : address}`;
  const { subjectaltname, subject, fingerprint256 } = certificate;
  // Node puts a name that could be taken for two into quotes, so that the line can be read in one way only.
  const name = subjectaltname !== undefined && subjectaltname !== "" ? subjectaltname : subjectText(subject);
  return `certificate:${name === "" || name.length > NAME_LENGTH_MAX ? `SHA-256:${fingerprint256}` : name}`;
}

function subjectText(subject: object | undefined): string {
  // Node gives an attribute that is there several times as a list.
  const parts = Object.entries(subject ?? {}).flatMap(([kind, values]) =>
    [values].flat().map((value) => `${kind}=${String(value).replaceAll(/[\\,=+]/g, "\\$&")}`),
  );
  return parts.length === 0 ? "" : `subject:${parts.join(",")}`;
}
