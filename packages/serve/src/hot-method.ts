/** A unary method made ready for the fast path: its implementation behind the same interceptors as everywhere else. */
import type { DescMessage, DescMethodUnary, Message, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { Interceptor, MethodImplSpec, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import type { CallContext } from "./call-context.ts";

export interface HotMethod {
  readonly method: DescMethodUnary;
  readonly requestBytesMax: number;
  invoke(request: Message, context: CallContext): Message | Promise<Message>;
}

type UnarySpec = MethodImplSpec & { kind: "unary" };

export function hotMethod(spec: UnarySpec, requestBytesMax: number, interceptors: readonly Interceptor[]): HotMethod {
  const { method } = spec;
  const direct = (request: Message, context: CallContext): Message | Promise<Message> => {
    const answer = spec.impl(request, context);
    return answer instanceof Promise ? answer.then((init) => whole(method.output, init)) : whole(method.output, answer);
  };
  const invoke = interceptors.length === 0 ? direct : intercepted(method, direct, interceptors);
  return { method, requestBytesMax, invoke };
}

/** The chain is built for each call, so that no call can reach another's context whatever an interceptor replaces. */
function intercepted(
  method: DescMethodUnary,
  direct: HotMethod["invoke"],
  interceptors: readonly Interceptor[],
): HotMethod["invoke"] {
  return async (message, context) => {
    const last = async (request: UnaryRequest): Promise<UnaryResponse> => {
      context.adoptRequest(request);
      const answer = await direct(request.message, context);
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
