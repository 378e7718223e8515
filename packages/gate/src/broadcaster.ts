/** Tells invalidations to whoever shares it: gates, which honour them, and listeners. */
import { type Clock, DEFAULT_REALM, type InvalidationScope, type Revision, ZERO_REVISION } from "@kavach/model";
import { type InvalidationBroadcaster, MemoryRevocationLog, type RevocationLog } from "@kavach/store";
import { SYSTEM_CLOCK } from "@kavach/system";
import { refuseUnknownKeys } from "./option-keys.ts";

/** For the gates and listeners of one process. It remembers: a gate that is made later honours what was told before. */
export class InMemoryInvalidationBroadcaster implements InvalidationBroadcaster {
  readonly log: RevocationLog;
  readonly local: boolean = true;

  /** `clock`: this machine's, unless a test brings its own. */
  constructor(options: { readonly clock?: Clock } = {}) {
    refuseUnknownKeys(options, ["clock"]);
    const { clock = SYSTEM_CLOCK } = options;
    this.log = new MemoryRevocationLog(clock);
    // Open from the start, so that whoever listens from now on misses nothing.
    void this.log.open(ZERO_REVISION);
  }

  /** For invalidations that no verdict made, such as a logout. `realm`: the default realm where none is given. */
  async publish(scope: InvalidationScope, options: { readonly realm?: string } = {}): Promise<Revision> {
    refuseUnknownKeys(options, ["realm"]);
    return await this.log.append({ realm: options.realm ?? DEFAULT_REALM, scope, idempotencyKey: "" });
  }
}
