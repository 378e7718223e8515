/** Reads policies from any of their spellings and checks them: either every rule holds, or every fault is reported. */
import { PolicyError, type PolicyFault } from "./faults.ts";
import { readJson } from "./json-document.ts";
import { crossFaults, knownKeys, type Policy, parsePolicies } from "./policy-schema.ts";
import { type SchemaFault, schemaFaults, valueAt } from "./schema-faults.ts";
import { objectDocument, pathText, type SourceDocument, SourceError, type SourceFault } from "./source-document.ts";
import { readToml } from "./toml-document.ts";

export type PolicySource =
  | { readonly format: "toml" | "json"; readonly text: string; readonly file?: string }
  | { readonly format: "object"; readonly value: unknown };

export interface ReadPolicies {
  /** As they stand in the source, not in the order of evaluation. */
  readonly policies: readonly Policy[];
  readonly document: SourceDocument;
  /** The list's key as the source spells it. */
  readonly listKey: "policies" | "policy";
}

/** Throws `PolicyError` with every fault. */
export function readPolicies(source: PolicySource): ReadPolicies {
  const file = source.format !== "object" && source.file !== undefined ? { file: source.file } : {};
  let document: SourceDocument;
  try {
    document = documentOf(source);
  } catch (error) {
    if (error instanceof SourceError) throw new PolicyError([{ ...file, ...error.fault }]);
    throw error;
  }
  const parsed = parsePolicies(document.value);
  const found: (SourceFault & SchemaFault)[] = [
    ...document.faults,
    ...("issues" in parsed ? schemaFaults(parsed.issues, document.value, knownKeys) : []),
    ...crossFaults(document.value),
  ];
  if (found.length > 0 || "issues" in parsed) {
    throw new PolicyError(found.map((fault) => ({ ...file, ...policyFault(document, fault) })));
  }
  const listKey = valueAt(document.value, ["policy"]) === undefined ? "policies" : "policy";
  return { policies: parsed.policies, document, listKey };
}

function documentOf(source: PolicySource): SourceDocument {
  if (source.format === "object") return objectDocument(source.value);
  return source.format === "json" ? readJson(source.text) : readToml(source.text);
}

function policyFault(document: SourceDocument, fault: SourceFault & SchemaFault): PolicyFault {
  const { path, key, message, suggestion } = fault;
  const position = fault.position ?? document.locate(path);
  const name = path.length >= 2 ? valueAt(document.value, [...path.slice(0, 2), "name"]) : undefined;
  return {
    ...position,
    ...(typeof name === "string" && { policy: name }),
    path: pathText(path),
    ...(key !== undefined && { key }),
    message,
    ...(suggestion !== undefined && { suggestion }),
  };
}
