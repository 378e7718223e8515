/** Reads JSON (RFC 8259) strictly: a repeated key is a fault, where a plain parser would keep the last. */
import { parse, type ValueNode } from "@humanwhocodes/momoa";
import {
  type Path,
  type Position,
  PositionTable,
  type SourceDocument,
  SourceError,
  type SourceFault,
} from "./source-document.ts";

export function readJson(text: string): SourceDocument {
  const positions = new PositionTable();
  const faults: SourceFault[] = [];
  let value: unknown;
  try {
    const { body } = parse(text, { mode: "json" });
    // The parser that keeps positions is lax about control characters in strings; the plain one is not.
    JSON.parse(text);
    positions.set([], startOf(body));
    value = nodeValue(body, [], positions, faults);
  } catch (error) {
    throw new SourceError({ path: "", ...positionOf(error), message: `malformed JSON: ${reasonOf(error)}` });
  }
  return { value, locate: (path) => positions.find(path), faults };
}

function nodeValue(node: ValueNode, path: Path, positions: PositionTable, faults: SourceFault[]): unknown {
  if (node.type === "Array") {
    return node.elements.map((element, index) => {
      const at = [...path, index];
      positions.set(at, startOf(element.value));
      return nodeValue(element.value, at, positions, faults);
    });
  }
  if (node.type === "Object") {
    // Without a prototype `__proto__` is an ordinary key.
    const object: Record<string, unknown> = Object.create(null);
    for (const member of node.members) {
      const key = member.name.type === "String" ? member.name.value : member.name.name;
      const at = [...path, key];
      if (Object.hasOwn(object, key)) {
        faults.push({ path: at, key, message: `repeated key '${key}'`, position: startOf(member.name) });
      } else {
        positions.set(at, startOf(member.name));
        object[key] = nodeValue(member.value, at, positions, faults);
      }
    }
    return object;
  }
  if (node.type === "Null") return null;
  if (node.type === "String" || node.type === "Number" || node.type === "Boolean") return node.value;
  throw new Error(`${node.type} is not JSON`);
}

function startOf(node: { readonly loc: { readonly start: Position } }): Position {
  return { line: node.loc.start.line, column: node.loc.start.column };
}

function positionOf(error: unknown): Partial<Position> {
  const at = error as Partial<Position>;
  if (typeof at.line === "number" && typeof at.column === "number") return { line: at.line, column: at.column };
  const said = error instanceof Error ? /line (\d+) column (\d+)/.exec(error.message) : null;
  return said === null ? {} : { line: Number(said[1]), column: Number(said[2]) };
}

function reasonOf(error: unknown): string {
  if (error instanceof RangeError) return "nested too deeply";
  return error instanceof Error ? error.message.replace(/ (?:\(\d+:\d+\)|in JSON at position .*)$/, "") : "unreadable";
}
