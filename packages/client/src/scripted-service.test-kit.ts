/** A grpc-js server on loopback whose answers a test scripts; for tests of this package only. */
import { type DescService, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";

export interface ScriptedService {
  /** `127.0.0.1:port`. */
  readonly endpoint: string;
  readonly port: number;
  /** Ends every connection at once. */
  close(): void;
}

/** Handlers are grpc-js's own, by local method name; messages are protobuf-es's. */
export async function serveScripted(
  desc: DescService,
  handlers: UntypedServiceImplementation,
  port = 0,
): Promise<ScriptedService> {
  const server = new Server();
  server.addService(definitionOf(desc), handlers);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error ? reject(error) : resolve(at),
    );
  });
  return { endpoint: `127.0.0.1:${bound}`, port: bound, close: () => server.forceShutdown() };
}

function definitionOf(desc: DescService): ServiceDefinition {
  return Object.fromEntries(
    desc.methods.map((method) => [
      method.localName,
      {
        path: `/${desc.typeName}/${method.name}`,
        requestStream: method.methodKind === "bidi_streaming" || method.methodKind === "client_streaming",
        responseStream: method.methodKind === "bidi_streaming" || method.methodKind === "server_streaming",
        requestSerialize: (message: MessageShape<typeof method.input>) => Buffer.from(toBinary(method.input, message)),
        requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
        responseSerialize: (message: MessageShape<typeof method.output>) =>
          Buffer.from(toBinary(method.output, message)),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
      },
    ]),
  );
}
