/** A permit taken apart and put together again by its bytes, so that tests can alter what no signer would make. Protobuf, as far as permits need it. */

/** A field's number and its content: a number, or the bytes behind their length. */
export type Field = readonly [number: number, content: number | Uint8Array];

export function fieldsOf(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++] as number;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const value = varint();
    const isNumber = tag % 8 === 0;
    fields.push([tag >> 3, isNumber ? value : message.subarray(at, at + value)]);
    if (!isNumber) at += value;
  }
  return fields;
}

export function messageOf(fields: readonly Field[]): Uint8Array {
  const bytes = fields.flatMap(([number, content]) =>
    typeof content === "number"
      ? content === 0
        ? []
        : [...varintOf(number << 3), ...varintOf(content)]
      : [...varintOf((number << 3) | 2), ...varintOf(content.length), ...content],
  );
  return Uint8Array.from(bytes);
}

function varintOf(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varintOf(Math.floor(value / 128))];
}

/** Field numbers of SignedPermit and of its head. */
export const PERMIT = { claims: 1, index: 2, path: 3, head: 4 } as const;
export const HEAD = { root: 4, mlDsa: 5, ed25519: 6 } as const;

/** The message with these fields in place of its own, each a list of contents; others stay. */
export function withFields(message: Uint8Array, changes: Readonly<Record<number, Field[1] | Field[1][]>>): Uint8Array {
  const kept = fieldsOf(message).filter(([number]) => !(number in changes));
  const added = Object.entries(changes).flatMap(([number, content]) =>
    [content].flat().map((one): Field => [Number(number), one]),
  );
  return messageOf([...kept, ...added].sort(([a], [b]) => a - b));
}

/** Every content of one field. */
export function contentsOf(message: Uint8Array, number: number): Field[1][] {
  return fieldsOf(message).flatMap(([one, content]) => (one === number ? [content] : []));
}
