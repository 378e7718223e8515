/** A service together with its one implementation, which every protocol and path calls. */
import type { DescService } from "@bufbuild/protobuf";
import { createServiceImplSpec, type MethodImplSpec, type ServiceImpl } from "@connectrpc/connect";

export interface ServedService {
  readonly desc: DescService;
  readonly methods: readonly MethodImplSpec[];
}

export function serviceOf<Desc extends DescService>(desc: Desc, implementation: ServiceImpl<Desc>): ServedService {
  return { desc, methods: Object.values(createServiceImplSpec(desc, implementation).methods) };
}
