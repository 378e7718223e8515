/** Reads TOML. One parser judges the text; another, which keeps positions, is asked only when a fault needs a place. */
import { parse, TomlError } from "smol-toml";
import { type AST, parseTOML } from "toml-eslint-parser";
import type { PolicyFault } from "./faults.ts";
import {
  type Path,
  type Position,
  PositionTable,
  pathText,
  type SourceDocument,
  SourceError,
} from "./source-document.ts";

export function readToml(text: string): SourceDocument {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new SourceError(syntaxFault(text, error));
  }
  let positions: PositionTable | undefined;
  const locate = (path: Path): Position | undefined => {
    positions ??= positionsOf(text);
    return positions.find(path);
  };
  return { value, locate, faults: [] };
}

function syntaxFault(text: string, error: unknown): PolicyFault {
  if (!(error instanceof TomlError)) {
    return { path: "", message: `malformed TOML: ${error instanceof RangeError ? "nested too deeply" : "unreadable"}` };
  }
  const { line, column } = error;
  const reason = error.message.split("\n", 1)[0]?.replace("Invalid TOML document: ", "") ?? "unreadable";
  if (!reason.startsWith("trying to redefine")) return { path: "", line, column, message: `malformed TOML: ${reason}` };
  const key = /^(?:"[^"\n]*"|'[^'\n]*'|[\w.-]+)/.exec(text.split("\n")[line - 1]?.slice(column - 1) ?? "")?.[0] ?? "";
  const bare = key.replace(/^["']|["']$/g, "");
  return { ...placeOfLine(text, line, bare), line, column, key: bare, message: `repeated key '${bare}'` };
}

/** Which policy a line belongs to: the text before it is valid, and its last policy is the one that the line goes on with. */
function placeOfLine(text: string, line: number, key: string): { readonly path: string; readonly policy?: string } {
  try {
    const before = parse(
      text
        .split("\n")
        .slice(0, line - 1)
        .join("\n"),
    );
    for (const listKey of ["policies", "policy"]) {
      const list = before[listKey];
      if (!Array.isArray(list) || list.length === 0) continue;
      const policy = list.at(-1) as { readonly name?: unknown };
      const path = pathText([listKey, list.length - 1, key]);
      return typeof policy.name === "string" ? { path, policy: policy.name } : { path };
    }
  } catch {
    // The repeated key stands inside a value of several lines; the line and column still say where.
  }
  return { path: key };
}

function positionsOf(text: string): PositionTable {
  const table = new PositionTable();
  let root: AST.TOMLTopLevelTable;
  try {
    root = parseTOML(text, { tomlVersion: "1.1" }).body[0];
  } catch {
    // The two parsers disagree: the fault is reported without its place.
    return table;
  }
  table.set([], { line: 1, column: 1 });
  for (const node of root.body) {
    if (node.type === "TOMLKeyValue") addKeyValue(table, [], node);
    else {
      table.set(node.resolvedKey, startOf(node.key));
      for (const pair of node.body) addKeyValue(table, node.resolvedKey, pair);
    }
  }
  return table;
}

function addKeyValue(table: PositionTable, base: Path, node: AST.TOMLKeyValue): void {
  let path = base;
  for (const key of node.key.keys) {
    path = [...path, key.type === "TOMLBare" ? key.name : key.value];
    table.set(path, startOf(key));
  }
  addValue(table, path, node.value);
}

function addValue(table: PositionTable, path: Path, node: AST.TOMLContentNode): void {
  if (node.type === "TOMLInlineTable") for (const pair of node.body) addKeyValue(table, path, pair);
  if (node.type !== "TOMLArray") return;
  node.elements.forEach((element, index) => {
    table.set([...path, index], startOf(element));
    addValue(table, [...path, index], element);
  });
}

function startOf(node: AST.TOMLNode): Position {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 };
}
