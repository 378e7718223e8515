/** A unary method made ready for the fast path: its implementation behind the same interceptors as everywhere else. */
import type { DescMessage, DescMethodUnary, Message, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, Interceptor, MethodImplSpec, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import type { CallContext } from "./call-context.ts";

/**
 * Answers a request from its bytes, with the bytes of the answer behind `headroom` free ones; undefined, at once, for a request that is
 * left to the method's implementation. What it throws is answered as what the implementation throws.
 */
export type DirectAnswer = (
  request: Uint8Array,
  context: HandlerContext,
  headroom: number,
) => Uint8Array | Promise<Uint8Array> | undefined;

/** A unary method whose gRPC calls are answered by the fast handler. */
export interface Hot {
  readonly method: DescMethodUnary;
  /** Spares the method's messages. Not asked where interceptors want to see them. */
  readonly direct?: DirectAnswer;
}

export interface HotMethod {
  readonly method: DescMethodUnary;
  readonly requestBytesMax: number;
  readonly direct: DirectAnswer | undefined;
  invoke(request: Message, context: CallContext): Message | Promise<Message>;
}

type UnarySpec = MethodImplSpec & { kind: "unary" };

export function hotMethod(
  spec: UnarySpec,
  { method, direct }: Hot,
  requestBytesMax: number,
  interceptors: readonly Interceptor[],
): HotMethod {
  const implemented = (request: Message, context: CallContext): Message | Promise<Message> => {
    const answer = spec.impl(request, context);
    return answer instanceof Promise ? answer.then((init) => whole(method.output, init)) : whole(method.output, answer);
  };
  if (interceptors.length === 0) return { method, requestBytesMax, direct, invoke: implemented };
  return { method, requestBytesMax, direct: undefined, invoke: intercepted(method, implemented, interceptors) };
}

/** The chain is built for each call, so that no call can reach another's context whatever an interceptor replaces. */
function intercepted(
  method: DescMethodUnary,
  implemented: HotMethod["invoke"],
  interceptors: readonly Interceptor[],
): HotMethod["invoke"] {
  return async (message, context) => {
    const last = async (request: UnaryRequest): Promise<UnaryResponse> => {
      context.adoptRequest(request);
      const answer = await implemented(request.message, context);
      const { responseHeader: header, responseTrailer: trailer } = context;
      return { stream: false, service: method.parent, method, message: answer, header, trailer };
    };
    // An interceptor's type allows streams too; a chain that starts with a unary call only ever sees that.
    const chain = interceptors.reduceRight((next, interceptor) => interceptor(next as never) as typeof last, last);
    const response = await chain({
      stream: false,
      service: method.parent,
      method,
      message,
      requestMethod: context.requestMethod,
      url: context.url,
      signal: context.signal,
      header: context.requestHeader,
      contextValues: context.values,
    });
    context.adoptResponse(response);
    return response.message;
  };
}

/** Implementations may return a plain object; a message passes as it is. */
function whole<Desc extends DescMessage>(desc: Desc, init: MessageInitShape<Desc>): Message {
  return (init as Partial<Message>).$typeName === desc.typeName ? (init as Message) : create(desc, init);
}
