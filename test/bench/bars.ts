/** The bars: what one run must show, as ratios inside that run. */
import type { ContestantName } from "./contestants.ts";
import type { EngineRates } from "./engine.ts";
import type { Figures } from "./rounds.ts";

export interface Bar {
  readonly name: string;
  /** What was found; NaN where the system does not tell. */
  readonly found: number;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit: string;
  readonly met: boolean;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Results {
  readonly figures: ReadonlyMap<ContestantName, Figures>;
  /** The signed gate at 70 % of its own peak. */
  readonly easy: Latency;
  /** The bare server at the same rate: what the load's own pace and the machine take. */
  readonly easyBare: Latency;
}

export function barsOf({ figures, easy }: Results): Bar[] {
  const rate = (name: ContestantName) => figures.get(name)?.callsPerSecond ?? Number.NaN;
  const memoryMb = (figures.get("signed")?.peakMemoryBytes ?? Number.NaN) / 1e6;
  return [
    atLeast("unsigned / bare node:http2", rate("unsigned") / rate("bareUnsigned"), 0.75),
    atLeast("unsigned / grpc-js, same work", rate("unsigned") / rate("grpcJs"), 1.1),
    atLeast("signed / unsigned", rate("signed") / rate("unsigned"), 0.6),
    atMost("signed at 70 % of peak, p50", easy.p50Ms, 2, "ms"),
    atMost("signed at 70 % of peak, p99", easy.p99Ms, 10, "ms"),
    atMost("memory of gate-node under load", memoryMb, 200, "MB"),
  ];
}

export function engineBarsOf({ kavach10, kavach100, kavach10000, cedar100 }: EngineRates): Bar[] {
  return [
    atLeast("engine, 100 policies", kavach100 / 1e6, 1, "M/s"),
    atLeast("engine / Cedar, 100 policies", kavach100 / cedar100, 2),
    atLeast("engine, 10,000 / 10 policies", kavach10000 / kavach10, 0.5),
  ];
}

export function atLeast(name: string, found: number, bar: number, unit = ""): Bar {
  return { name, found, atLeast: bar, unit, met: found >= bar };
}

export function atMost(name: string, found: number, bar: number, unit: string): Bar {
  return { name, found, atMost: bar, unit, met: found <= bar };
}
