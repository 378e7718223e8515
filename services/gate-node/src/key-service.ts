/** KeyService: hands out the manifest this node was given. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { GetPublicKeyDirectoryResponseSchema, type KeyService } from "@kavach/api";
import { atDoor } from "./door-error.ts";
import type { Keys } from "./keys.ts";

export function keyService(keys: Keys): ServiceImpl<typeof KeyService> {
  return {
    getPublicKeyDirectory: atDoor(async ({ knownVersion }) => {
      const version = BigInt(keys.manifestVersion);
      const manifest = knownVersion >= version ? new Uint8Array(0) : keys.manifest;
      return create(GetPublicKeyDirectoryResponseSchema, { manifest: manifest as Uint8Array<ArrayBuffer>, version });
    }),
  };
}
