/**
 * News on its way to all: each piece rides on messages that go out anyway, a limited number of
 * times (SWIM, "infection-style dissemination"). Of each name only the latest is told.
 */

interface Broadcast {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The later, the greater. */
  readonly number: number;
  readonly onDone: (() => void) | undefined;
  transmits: number;
}

export class Broadcasts {
  /** How many times a piece of news is sent, at the present number of members. */
  readonly #limit: () => number;
  readonly #byName = new Map<string, Broadcast>();
  #number = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Whether something is told of it. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /**
   * News of a name, instead of what was to be told of it before.
   * @param onDone called once it was sent often enough, or was replaced
   */
  add(name: string, bytes: Uint8Array, onDone?: () => void): void {
    const replaced = this.#byName.get(name);
    this.#byName.set(name, { name, bytes, number: this.#number++, onDone, transmits: 0 });
    replaced?.onDone?.();
  }

  /**
   * What fits into so many bytes: first what was told least often, of that the newest. It counts as
   * sent.
   * @param exceptName of which the message says something already
   */
  take(roomBytes: number, exceptName?: string): Uint8Array[] {
    if (this.#byName.size === 0) return [];
    const limit = this.#limit();
    const taken: Uint8Array[] = [];
    let leftBytes = roomBytes;
    const inOrder = [...this.#byName.values()].sort(
      (a, b) => a.transmits - b.transmits || b.number - a.number,
    );
    for (const broadcast of inOrder) {
      if (broadcast.name === exceptName || broadcast.bytes.length > leftBytes) continue;
      taken.push(broadcast.bytes);
      leftBytes -= broadcast.bytes.length;
      if (++broadcast.transmits < limit) continue;
      this.#byName.delete(broadcast.name);
      broadcast.onDone?.();
    }
    return taken;
  }

  clear(): void {
    this.#byName.clear();
  }
}
