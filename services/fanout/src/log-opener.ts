/** Opens the log again when its server turns out to be another than before; remembers the latest revision that anybody has shown. */
import { laterRevision, type Revision, UnavailableError, ZERO_REVISION } from "@kavach/model";
import { LogError, type RevocationLog } from "@kavach/store";

export type OpenOutcome = Awaited<ReturnType<RevocationLog["open"]>>["outcome"];

export class LogOpener {
  readonly #log: RevocationLog;
  readonly #onOpened: (outcome: OpenOutcome, head: Revision) => void;
  #known: Revision = ZERO_REVISION;

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

  /**
   * Opens the log where it must be. `claim` is what one reader has seen: a revision of an earlier generation can be one that the
   * log lost on the way to its present one, so the latest of all readers does not speak for it. The log itself decides, in one step.
   */
  async open(claim?: Revision): Promise<void> {
    await this.#openFor(this.#known);
    if (claim !== undefined && claim.generation < this.#known.generation) await this.#openFor(claim);
  }

  /** Runs `use`; where the log must be opened first, opens it and runs `use` once more. */
  async opened<Result>(use: () => Promise<Result>, claim?: Revision): Promise<Result> {
    try {
      return await use();
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
    }
    await this.open(claim);
    try {
      return await use();
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      throw new UnavailableError("LOG_UNAVAILABLE", "the revocation log does not stay open", { cause: error });
    }
  }

  async #openFor(known: Revision): Promise<void> {
    const { head, outcome } = await this.#log.open(known);
    this.know(head);
    if (outcome !== "unchanged") this.#onOpened(outcome, head);
  }
}
