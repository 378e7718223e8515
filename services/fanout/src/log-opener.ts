/** Opens the log again when its server turns out to be another than before; remembers the latest revision that anybody has shown. */
import { laterRevision, type Revision, ZERO_REVISION } from "@kavach/model";
import { LogError, type RevocationLog } from "@kavach/store";

export type OpenOutcome = Awaited<ReturnType<RevocationLog["open"]>>["outcome"];

export class LogOpener {
  readonly #log: RevocationLog;
  readonly #onOpened: (outcome: OpenOutcome, head: Revision) => void;
  #known: Revision = ZERO_REVISION;
  #opening: Promise<void> | undefined;

  constructor(log: RevocationLog, onOpened: (outcome: OpenOutcome, head: Revision) => void) {
    this.#log = log;
    this.#onOpened = onOpened;
  }

  /** The latest revision seen anywhere; a log whose head lies before it has lost data. */
  get known(): Revision {
    return this.#known;
  }

  know(revision: Revision): void {
    this.#known = laterRevision(this.#known, revision);
  }

  /** Opens the log. Calls at the same time share one attempt. */
  open(): Promise<void> {
    this.#opening ??= this.#openOnce().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Runs `use`; where the log must be opened first, opens it and runs `use` once more. */
  async opened<Result>(use: () => Promise<Result>): Promise<Result> {
    try {
      return await use();
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      await this.open();
      return use();
    }
  }

  async #openOnce(): Promise<void> {
    const { head, outcome } = await this.#log.open(this.#known);
    this.know(head);
    if (outcome !== "unchanged") this.#onOpened(outcome, head);
  }
}
