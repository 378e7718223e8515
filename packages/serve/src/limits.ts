/** Every bound of the server in one table, with the defaults that the product ships. */
import type { DescMethod } from "@bufbuild/protobuf";
import { GateService } from "@kavach/api";
import { LIMITS } from "@kavach/model";

export interface ServeLimits {
  /** Largest request message, bytes after decompression. */
  readonly requestBytesMax: number;
  /** Exceptions from `requestBytesMax`, by path (`/package.Service/Method`), bytes. */
  readonly requestBytesMaxByPath: Readonly<Record<string, number>>;
  /** Longest a unary call may run, ms, from its headers to its answer; a caller can only ask for less. Infinity: no bound. */
  readonly deadlineMs: number;
  /** Exceptions from `deadlineMs`, by path, for calls that wait for others. */
  readonly deadlineMsByPath: Readonly<Record<string, number>>;
  /** Largest block of request headers, bytes. */
  readonly metadataBytesMax: number;
  /** Open connections, all protocols together. */
  readonly connectionsMax: number;
  /** Open HTTP/2 streams of one connection. */
  readonly streamsPerConnectionMax: number;
  /** What one HTTP/2 session may hold inside the protocol engine, megabytes. */
  readonly sessionMemoryMegabytesMax: number;
  /** Streams that a peer may reset at once before its connection is ended, and how fast that allowance grows back. */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  /** How long a connection may take for its TLS handshake, and from its first byte on to show its protocol or its HTTP/1.1 headers, ms. */
  readonly headersTimeoutMs: number;
  /** How long an HTTP/1.1 request may take to arrive whole, ms. */
  readonly requestTimeoutMs: number;
  /** HTTP/2 ping interval, and how long its answer may take, ms. */
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  /** Age at which a connection is told to go away, ms; spread over 10 % either way. */
  readonly connectionAgeMs: number;
  /** How long the calls of an aged connection may still run, and an HTTP/1.1 connection may be idle, ms. */
  readonly connectionAgeGraceMs: number;
  /** Event-loop delay above which new calls are shed, ms. Infinity: never. */
  readonly eventLoopDelayMsMax: number;
}

/** Path of a method as it stands in a request, such as `/kavach.v1.GateService/Evaluate`. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

export const SERVE_LIMITS: ServeLimits = Object.freeze({
  requestBytesMax: LIMITS.requestBytesMax,
  requestBytesMaxByPath: Object.freeze({ [pathOf(GateService.method.evaluateBatch)]: LIMITS.batchBytesMax }),
  deadlineMs: 2000,
  deadlineMsByPath: Object.freeze({}),
  metadataBytesMax: 16 * 1024,
  connectionsMax: 10_000,
  streamsPerConnectionMax: 100,
  sessionMemoryMegabytesMax: 16,
  // A client whose deadlines all pass at once resets its 100 streams, opens 100 more, and so on: that is load and not
  // an attack, and ends in shedding. Beyond this rate a connection costs more than it can be worth.
  resetBurst: 5000,
  resetsPerSecond: 1000,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  keepaliveIntervalMs: 30_000,
  keepaliveTimeoutMs: 10_000,
  connectionAgeMs: 600_000,
  connectionAgeGraceMs: 30_000,
  eventLoopDelayMsMax: 200,
});

/** Throws TypeError on an unknown name, a value that is not a positive number, and relations that cannot hold. */
export function serveLimits(given: Partial<ServeLimits> = {}): ServeLimits {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(SERVE_LIMITS, name)) throw new TypeError(`unknown limit ${name}`);
  }
  const limits: ServeLimits = { ...SERVE_LIMITS, ...given };
  const { requestBytesMaxByPath, deadlineMsByPath, ...numbers } = limits;
  for (const [name, value] of [numbers, requestBytesMaxByPath, deadlineMsByPath].flatMap((table) =>
    Object.entries(table),
  )) {
    if (typeof value !== "number" || !(value > 0)) throw new TypeError(`limit ${name} must be a positive number`);
  }
  if (limits.headersTimeoutMs > limits.requestTimeoutMs) {
    throw new TypeError("limit headersTimeoutMs must not exceed requestTimeoutMs");
  }
  return limits;
}

export function requestBytesMaxOf(limits: ServeLimits, method: DescMethod): number {
  return limits.requestBytesMaxByPath[pathOf(method)] ?? limits.requestBytesMax;
}

export function deadlineMsOf(limits: ServeLimits, method: DescMethod): number {
  return limits.deadlineMsByPath[pathOf(method)] ?? limits.deadlineMs;
}
