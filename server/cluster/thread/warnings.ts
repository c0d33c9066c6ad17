/** What the log of a node is told of its cluster: each thing once in a while. */
import { hostOf } from '../links/address.js';
import type { LinkEvent } from '../links/link-event.js';
import type { Clock } from '../ports.js';

/** A warning is told once in so long: a peer that is refused dials again and again. */
const SAME_WARNING_MS = 60_000;

export class Warnings {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #tell: (text: string) => void;
  /** When each was told, the oldest first. */
  readonly #toldAtMs = new Map<string, number>();

  constructor(clock: Pick<Clock, 'now'>, tell: (text: string) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** @param same what two texts have in common that say the same */
  tell(text: string, same = text): void {
    const now = this.#clock.now();
    for (const [told, atMs] of this.#toldAtMs) {
      if (Math.abs(now - atMs) < SAME_WARNING_MS) break;
      this.#toldAtMs.delete(told);
    }
    if (this.#toldAtMs.has(same)) return;
    this.#toldAtMs.set(same, now);
    this.#tell(text);
  }

  tellRefusal({ address, dialed, by, why }: LinkEvent & { type: 'refused' }): void {
    const what = by === 'us' ? 'was refused' : 'refused this node';
    // Who dials in has another port each time.
    const who = dialed ? address : hostOf(address);
    this.tell(`${address} ${what}: ${why}`, `${who} ${what}: ${why}`);
  }
}
