import { ConfigError, readTls } from "@kavach/service";
import { afterEach, describe, expect, test, vi } from "vitest";
import { readConfig } from "./config.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

const read = (...flags: string[]) => readConfig(["node", "fanout", ...flags]);

describe("config", () => {
  test("needs only a log", () => {
    expect(read("--log", "memory")).toEqual({
      listen: { host: "127.0.0.1", port: 4700 },
      admin_listen: { host: "127.0.0.1", port: 4701 },
      log: "memory",
      durable: true,
      insecure: false,
      heartbeat_ms: 1000,
      lease_ms: 5000,
      log_level: "info",
    });
  });

  test("is read from the environment; flags win", () => {
    vi.stubEnv("KAVACH_LOG", "redis://r:6379");
    vi.stubEnv("KAVACH_HEARTBEAT_MS", "500");
    expect(read("--heartbeat-ms", "700", "--listen", "[::1]:1")).toMatchObject({
      log: "redis://r:6379",
      heartbeat_ms: 700,
      listen: { host: "::1", port: 1 },
    });
  });

  test.each<[string[], string]>([
    [[], "log: required"],
    [["--log", "http://x"], "log: must be a URL that begins with redis:// or rediss://"],
    [["--log", "memory", "--listen", "4700"], "listen: must be HOST:PORT"],
    [["--log", "memory", "--admin-listen", "x:70000"], "admin_listen: port must be 0 to 65535"],
    [["--log", "memory", "--heartbeat-ms", "1.5"], "heartbeat_ms: "],
    [["--log", "memory", "--log-level", "loud"], "log_level: "],
    [["--log", "memory", "--tls-cert", "x"], "tls_cert and tls_key: give both or neither"],
    [["--log", "memory", "--tls-client-ca", "x"], "tls_client_ca: needs tls_cert and tls_key"],
    [["--log", "memory", "--listen", "0.0.0.0:1"], "give --tls-client-ca, or --insecure"],
    [["--log", "memory", "--listen", "127.evil.example:1"], "callers are not authenticated on 127.evil.example"],
  ])("refuses %o", (flags, message) => {
    expect(() => read(...flags)).toThrow(ConfigError);
    expect(() => read(...flags)).toThrow(message);
  });

  test("tells every fault at once", () => {
    expect(() => read("--heartbeat-ms", "1", "--lease-ms", "1")).toThrow(/log.*\nheartbeat_ms.*\nlease_ms/s);
  });

  test("opens another address only where that was meant", () => {
    expect(read("--log", "memory", "--listen", "0.0.0.0:1", "--insecure").insecure).toBe(true);
  });

  test("a certificate that cannot be read is named", async () => {
    const config = read("--log", "memory", "--tls-cert", "/no/such.pem", "--tls-key", "/no/such.key");
    await expect(readTls(config)).rejects.toThrow("cannot read /no/such.pem: ENOENT");
  });
});
