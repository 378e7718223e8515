/** One TypeScript or JavaScript file, parsed: its imports, its functions, what it calls and which globals it touches. */
import { type Program, parseSync, Visitor } from "oxc-parser";

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

export interface FunctionSpan {
  /** Its own name, or the call it is handed to. */
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

/** A dotted path such as `Date.now` or `describe.skip`, where it is written. */
export interface Mention {
  readonly path: string;
  readonly line: number;
}

export interface Source {
  readonly imports: readonly Import[];
  readonly functions: readonly FunctionSpan[];
  readonly mentions: readonly Mention[];
}

/** Throws where the file does not parse: a rule must not pass what it could not read. */
export function parseSource(path: string, text: string): Source {
  const { program, module, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const lineOf = lineCounter(text);
  const imports: Import[] = module.staticImports.map(({ moduleRequest }) => ({
    specifier: moduleRequest.value,
    line: lineOf(moduleRequest.start),
  }));
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest } of entries) {
      if (moduleRequest) imports.push({ specifier: moduleRequest.value, line: lineOf(moduleRequest.start) });
    }
  }
  const { functions, mentions, loads } = walk(program, lineOf);
  return { imports: distinct([...imports, ...loads]), functions, mentions };
}

/** What is imported and handed on in one line counts once. */
function distinct(imports: readonly Import[]): Import[] {
  return [...new Map(imports.map((it) => [`${it.line} ${it.specifier}`, it])).values()];
}

type Node = { readonly type: string; readonly start: number; readonly end: number };
type LineOf = (offset: number) => number;

function lineCounter(text: string): LineOf {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length];
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

function walk(program: Program, lineOf: LineOf) {
  const functions: FunctionSpan[] = [];
  const mentions: Mention[] = [];
  const loads: Import[] = [];
  const names = new Map<Node, string>();
  const addFunction = (node: Node, name: string) => {
    functions.push({ name, line: lineOf(node.start), lines: lineOf(node.end) - lineOf(node.start) + 1 });
  };
  new Visitor({
    VariableDeclarator(node) {
      if (node.init && node.id.type === "Identifier") names.set(node.init, node.id.name);
    },
    MethodDefinition(node) {
      names.set(node.value, node.key.type === "Identifier" ? node.key.name : "method");
    },
    CallExpression(node) {
      const callee = dotted(node.callee);
      if (callee !== undefined) {
        mentions.push({ path: `${callee}()`, line: lineOf(node.start) });
        for (const argument of node.arguments) if (!names.has(argument)) names.set(argument, `${callee}(…)`);
      }
    },
    NewExpression(node) {
      const callee = dotted(node.callee);
      if (callee === undefined) return;
      mentions.push({ path: `new ${callee}(${node.arguments.length})`, line: lineOf(node.start) });
      // A worker or a file beside the module, named by `new URL("./x.ts", import.meta.url)`, is loaded as well.
      if (callee !== "URL") return;
      for (const file of filesNamed(node.arguments[0])) loads.push({ specifier: file, line: lineOf(node.start) });
    },
    MemberExpression(node) {
      const path = dotted(node);
      if (path !== undefined) mentions.push({ path, line: lineOf(node.start) });
    },
    ImportExpression(node) {
      const { source } = node;
      if (source.type === "Literal" && typeof source.value === "string") {
        loads.push({ specifier: source.value, line: lineOf(node.start) });
      }
    },
    FunctionDeclaration: (node) => addFunction(node, node.id?.name ?? "default"),
    FunctionExpression: (node) => addFunction(node, node.id?.name ?? names.get(node) ?? "anonymous"),
    ArrowFunctionExpression: (node) => addFunction(node, names.get(node) ?? "anonymous"),
  }).visit(program);
  return { functions, mentions, loads };
}

/** Relative code files that an expression may come to: a literal, or both ends of a condition. */
function filesNamed(expression: unknown): string[] {
  const it = expression as { type: string; value?: unknown; consequent?: unknown; alternate?: unknown } | undefined;
  if (it?.type === "ConditionalExpression") return [...filesNamed(it.consequent), ...filesNamed(it.alternate)];
  return it?.type === "Literal" && typeof it.value === "string" && /^\..*\.[cm]?[jt]s$/.test(it.value)
    ? [it.value]
    : [];
}

/** `a.b.c` of a chain of names, brackets with a literal counted alike; through calls, as in `it.each(rows)`, the callee's. */
function dotted(node: unknown): string | undefined {
  const it = node as {
    type: string;
    name?: string;
    object?: unknown;
    callee?: unknown;
    tag?: unknown;
    expression?: unknown;
    property?: { type: string; name?: string; value?: unknown };
    computed?: boolean;
  };
  switch (it.type) {
    case "Identifier":
      return it.name;
    case "ChainExpression":
    case "ParenthesizedExpression":
    case "TSNonNullExpression":
      return dotted(it.expression);
    case "CallExpression":
      return dotted(it.callee);
    case "TaggedTemplateExpression":
      return dotted(it.tag);
    case "MemberExpression": {
      const object = dotted(it.object);
      const name = it.computed === true ? it.property?.value : it.property?.name;
      return object === undefined || typeof name !== "string" ? undefined : `${object}.${name}`;
    }
    default:
      return undefined;
  }
}
