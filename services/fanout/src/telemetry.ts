/** What a fan-out counts, as OpenTelemetry metrics read by Prometheus. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Revision } from "@kavach/model";
import { type Meter, metrics } from "@opentelemetry/api";
import type { OpenOutcome } from "./log-opener.ts";

export class FanoutMetrics {
  readonly #appends;
  readonly #opens;
  readonly #watchers;
  readonly #cutWatchers;
  readonly #head;

  constructor(meter: Meter = metrics.getMeter("kavach.fanout")) {
    this.#appends = meter.createCounter("kavach_fanout_appends_total", {
      description: "writes to the log, by outcome",
    });
    this.#opens = meter.createCounter("kavach_fanout_log_opens_total", {
      description: "times the log was opened anew, by outcome",
    });
    this.#watchers = meter.createUpDownCounter("kavach_fanout_watchers", { description: "watches under way" });
    this.#cutWatchers = meter.createCounter("kavach_fanout_watchers_cut_total", {
      description: "watches ended for being too slow",
    });
    this.#head = meter.createObservableGauge("kavach_fanout_head_number", {
      description: "number of the last record relayed",
    });
  }

  observeHead(head: () => Revision | undefined): void {
    this.#head.addCallback((result) => {
      const revision = head();
      if (revision !== undefined) result.observe(revision.number);
    });
  }

  async append<Result>(write: () => Promise<Result>): Promise<Result> {
    try {
      const result = await write();
      this.#appends.add(1, { outcome: "written" });
      return result;
    } catch (error) {
      this.#appends.add(1, { outcome: "failed" });
      throw error;
    }
  }

  opened(outcome: OpenOutcome): void {
    this.#opens.add(1, { outcome });
  }

  /** Returns what counts the watcher off again. */
  enterWatcher(): () => void {
    this.#watchers.add(1);
    return () => this.#watchers.add(-1);
  }

  watchEnded(error: unknown): void {
    if (error instanceof ConnectError && error.code === Code.ResourceExhausted) this.#cutWatchers.add(1);
  }
}
