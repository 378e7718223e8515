/** Draws evaluation ids. Unpredictable, as one that is guessed could be taken before its owner uses it; drawn many at a time, as each draw costs more than a decision. */
import { type RandomBytes, uuidFromRandom } from "@kavach/model";

const ID_BYTES = 16;
const IDS_PER_DRAW = 256;

export class EvaluationIds {
  readonly #random: RandomBytes;
  #drawn: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  next(): string {
    if (this.#used >= this.#drawn.length) {
      this.#drawn = this.#random(ID_BYTES * IDS_PER_DRAW);
      this.#used = 0;
    }
    const bytes = this.#drawn.subarray(this.#used, this.#used + ID_BYTES);
    this.#used += ID_BYTES;
    return uuidFromRandom(bytes);
  }
}
