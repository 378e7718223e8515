/** grpc.reflection v1 and v1alpha over the real descriptors of what is served, so that tools can call without proto files. */
import { create, type DescFile, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { grpcReflectionV1, grpcReflectionV1Alpha } from "@kavach/api";
import { type ServedService, serviceOf } from "./served-service.ts";

type Request = grpcReflectionV1.ServerReflectionRequest;
type Response = MessageInitShape<typeof grpcReflectionV1.ServerReflectionResponseSchema>;

export function reflectionServices(services: readonly ServedService[]): ServedService[] {
  const descs = [
    ...services.map(({ desc }) => desc),
    grpcReflectionV1.ServerReflection,
    grpcReflectionV1Alpha.ServerReflection,
  ];
  const index = indexOf(descs.map((desc) => desc.file));
  const names = descs.map((desc) => ({ name: desc.typeName })).sort((a, b) => (a.name < b.name ? -1 : 1));
  async function* answers(requests: AsyncIterable<Request>): AsyncIterable<Response> {
    for await (const originalRequest of requests) {
      const messageResponse = answerTo(originalRequest.messageRequest, index, names);
      yield { validHost: originalRequest.host, originalRequest, messageResponse };
    }
  }
  return [
    serviceOf(grpcReflectionV1.ServerReflection, { serverReflectionInfo: answers }),
    serviceOf(grpcReflectionV1Alpha.ServerReflection, {
      serverReflectionInfo: (requests) => olderVersion(requests, answers),
    }),
  ];
}

/** Both versions are the same on the wire; tools fall back to the older one. */
async function* olderVersion(
  requests: AsyncIterable<grpcReflectionV1Alpha.ServerReflectionRequest>,
  answers: (requests: AsyncIterable<Request>) => AsyncIterable<Response>,
): AsyncIterable<grpcReflectionV1Alpha.ServerReflectionResponse> {
  const newer = (async function* () {
    for await (const request of requests) {
      const bytes = toBinary(grpcReflectionV1Alpha.ServerReflectionRequestSchema, request);
      yield fromBinary(grpcReflectionV1.ServerReflectionRequestSchema, bytes);
    }
  })();
  for await (const answer of answers(newer)) {
    const { ServerReflectionResponseSchema } = grpcReflectionV1;
    const bytes = toBinary(ServerReflectionResponseSchema, create(ServerReflectionResponseSchema, answer));
    yield fromBinary(grpcReflectionV1Alpha.ServerReflectionResponseSchema, bytes);
  }
}

interface Index {
  readonly files: ReadonlyMap<string, DescFile>;
  readonly symbols: ReadonlyMap<string, DescFile>;
  /** Extended type to number to the file that declares the extension. */
  readonly extensions: ReadonlyMap<string, ReadonlyMap<number, DescFile>>;
}

function answerTo(ask: Request["messageRequest"], { files, symbols, extensions }: Index, names: { name: string }[]) {
  switch (ask.case) {
    case "listServices":
      return { case: "listServicesResponse" as const, value: { service: names } };
    case "fileByFilename":
      return fileAnswer(files.get(ask.value));
    case "fileContainingSymbol":
      return fileAnswer(symbols.get(ask.value.replace(/^\./, "")));
    case "fileContainingExtension":
      return fileAnswer(extensions.get(ask.value.containingType)?.get(ask.value.extensionNumber));
    case "allExtensionNumbersOfType": {
      if (!symbols.has(ask.value)) return failure(Code.NotFound, "unknown type");
      const extensionNumber = [...(extensions.get(ask.value)?.keys() ?? [])];
      return { case: "allExtensionNumbersResponse" as const, value: { baseTypeName: ask.value, extensionNumber } };
    }
    case undefined:
      return failure(Code.InvalidArgument, "nothing is asked");
  }
}

/** The file and everything it imports, so that one round trip is enough. */
function fileAnswer(file: DescFile | undefined) {
  if (file === undefined) return failure(Code.NotFound, "not found");
  const fileDescriptorProto = [...withImports([file]).values()].map(({ proto }) =>
    toBinary(FileDescriptorProtoSchema, proto),
  );
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
}

function failure(errorCode: number, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}

function withImports(roots: readonly DescFile[], found = new Map<string, DescFile>()): Map<string, DescFile> {
  for (const file of roots) {
    if (found.has(file.proto.name)) continue;
    found.set(file.proto.name, file);
    withImports(file.dependencies, found);
  }
  return found;
}

function indexOf(roots: readonly DescFile[]): Index {
  const files = withImports(roots);
  const symbols = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  for (const file of files.values()) {
    for (const type of nestedTypes(file)) {
      symbols.set(type.typeName, file);
      if (type.kind === "extension") {
        const numbers = extensions.get(type.extendee.typeName) ?? new Map<number, DescFile>();
        extensions.set(type.extendee.typeName, numbers.set(type.number, file));
      }
      for (const part of partsOf(type)) symbols.set(`${type.typeName}.${part}`, file);
    }
  }
  return { files, symbols, extensions };
}

function partsOf(type: ReturnType<typeof nestedTypes> extends Iterable<infer T> ? T : never): string[] {
  if (type.kind === "service") return type.methods.map(({ name }) => name);
  if (type.kind === "message") return [...type.fields, ...type.oneofs].map(({ name }) => name);
  return [];
}
