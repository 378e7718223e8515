/** Whether this process takes calls, and grpc.health.v1 over it. */
import { Code, ConnectError } from "@connectrpc/connect";
import { grpcHealthV1 } from "@kavach/api";
import { type ServedService, serviceOf } from "./served-service.ts";

const { HealthCheckResponse_ServingStatus: Status } = grpcHealthV1;

/** Not serving until it is told otherwise. */
export class HealthState {
  #serving = false;
  readonly #waiting = new Set<() => void>();

  get serving(): boolean {
    return this.#serving;
  }

  setServing(serving: boolean): void {
    if (serving === this.#serving) return;
    this.#serving = serving;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Resolves at the next change or when the signal fires, whichever is first. */
  nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

/** `names` are the served services; the empty name stands for the whole server. */
export function healthService(state: HealthState, names: readonly string[]): ServedService {
  const known = new Set(["", ...names]);
  const status = () => (state.serving ? Status.SERVING : Status.NOT_SERVING);
  return serviceOf(grpcHealthV1.Health, {
    check({ service }) {
      if (!known.has(service)) throw new ConnectError("unknown service", Code.NotFound);
      return { status: status() };
    },
    list() {
      return { statuses: Object.fromEntries([...known].map((name) => [name, { status: status() }])) };
    },
    async *watch({ service }, context) {
      let sent: grpcHealthV1.HealthCheckResponse_ServingStatus | undefined;
      while (!context.signal.aborted) {
        // Taken before the state is read, so that a change while the answer is written is not lost.
        const changed = state.nextChange(context.signal);
        const now = known.has(service) ? status() : Status.SERVICE_UNKNOWN;
        if (now !== sent) yield { status: now };
        sent = now;
        await changed;
      }
    },
  });
}
