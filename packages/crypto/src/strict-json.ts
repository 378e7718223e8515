/** JSON.parse for signed and secret files: a name that appears twice in one object is an error, not a silent choice. */

/** Throws SyntaxError. */
export function parseJsonStrictly(text: string): unknown {
  const value: unknown = JSON.parse(text);
  refuseRepeatedNames(text);
  return value;
}

/** `text` is known to be JSON, so that strings and brackets are all there is to look at. */
function refuseRepeatedNames(text: string): void {
  // One set of names for each open object; an open array has none.
  const open: (Set<string> | undefined)[] = [];
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g;
  for (const match of text.matchAll(token)) {
    const [found, colon] = match;
    if (found === "{") open.push(new Set());
    else if (found === "[") open.push(undefined);
    else if (found === "}" || found === "]") open.pop();
    else if (colon !== undefined) {
      const name: unknown = JSON.parse(found.slice(0, found.length - colon.length));
      const names = open.at(-1) as Set<string>;
      if (names.has(name as string)) throw new SyntaxError("a name appears twice in one JSON object");
      names.add(name as string);
    }
  }
}
