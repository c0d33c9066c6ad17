/**
 * How well this node itself is (Lifeguard, "local health multiplier"): a node that hears nothing
 * because it is slow must be slow to accuse others. 0 is well.
 */
export class Health {
  readonly #scoreMax: number;
  #score = 0;

  constructor(scoreMax: number) {
    this.#scoreMax = scoreMax;
  }

  get score(): number {
    return this.#score;
  }

  /** Times are so many times as long. */
  get factor(): number {
    return this.#score + 1;
  }

  /** Worse by so much; below 0: better. */
  add(change: number): void {
    this.#score = Math.min(this.#scoreMax, Math.max(0, this.#score + change));
  }
}
