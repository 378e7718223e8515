/** The Redis log keeps the contract. */
import { revocationLogContract } from "@kavach/store/contract";
import { type RedisServer, startRedis } from "@kavach/testkit";
import { afterAll, beforeAll } from "vitest";
import { RedisRevocationLog } from "./redis-revocation-log.ts";

let server: RedisServer;
let logs = 0;

beforeAll(async () => {
  server = await startRedis({ appendOnly: "always" });
});
afterAll(async () => {
  await server.stop();
});

revocationLogContract("RedisRevocationLog", async () => {
  logs += 1;
  const log = await RedisRevocationLog.fromUrl(server.url, { prefix: `test${logs}`, historyMax: 20 });
  return { log, historyMax: 20, dispose: () => log.close() };
});
