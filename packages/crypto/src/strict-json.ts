/** JSON.parse for signed and secret files: a name that appears twice in one object is an error, not a silent choice. */

/** Throws SyntaxError. */
export function parseJsonStrictly(text: string): unknown {
  const value: unknown = JSON.parse(text);
  refuseRepeatedNames(text);
  return value;
}

/** Strings are looked for by their quotes: an expression that matches a whole string runs out of stack on one of many megabytes. */
const MARK = /["{}[\]]/g;
const COLON = /\s*:/y;

/** `text` is known to be JSON, so that strings and brackets are all there is to look at. */
function refuseRepeatedNames(text: string): void {
  // One set of names for each open object; an open array has none.
  const open: (Set<string> | undefined)[] = [];
  MARK.lastIndex = 0;
  for (let match = MARK.exec(text); match !== null; match = MARK.exec(text)) {
    const found = match[0];
    if (found === "{") open.push(new Set());
    else if (found === "[") open.push(undefined);
    else if (found === "}" || found === "]") open.pop();
    else {
      const end = endOfString(text, match.index);
      MARK.lastIndex = end;
      COLON.lastIndex = end;
      if (!COLON.test(text)) continue;
      const name = JSON.parse(text.slice(match.index, end)) as string;
      const names = open.at(-1) as Set<string>;
      if (names.has(name)) throw new SyntaxError("a name appears twice in one JSON object");
      names.add(name);
    }
  }
}

/** Where the string that begins at `start` is over: behind the next quote that an even number of backslashes stands before. */
function endOfString(text: string, start: number): number {
  let quote = start;
  let escaped = true;
  while (escaped) {
    quote = text.indexOf('"', quote + 1);
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === "\\") backslashes++;
    escaped = backslashes % 2 === 1;
  }
  return quote + 1;
}
