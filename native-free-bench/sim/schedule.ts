/** What will happen and when, in virtual time: a binary heap of events. */

export interface Scheduled {
  readonly atMs: number;
  /** Of two at one time the one that was scheduled first comes first. */
  readonly number: number;
  /** Undefined: was taken back. */
  run: (() => void) | undefined;
}

export class Schedule {
  readonly #heap: Scheduled[] = [];
  #number = 0;
  #nowMs = 0;

  /** Virtual time since the beginning of the world. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** When the next event is; undefined: there is none. */
  get nextMs(): number | undefined {
    while (this.#heap.length > 0 && this.#heap[0]!.run === undefined) this.#pop();
    return this.#heap[0]?.atMs;
  }

  /** @returns to be taken back by `event.run = undefined` */
  at(atMs: number, run: () => void): Scheduled {
    const event = { atMs: Math.max(atMs, this.#nowMs), number: this.#number++, run };
    this.#push(event);
    return event;
  }

  /** Goes to the next event and runs it. Whether there was one up to then. */
  step(untilMs: number): boolean {
    const nextMs = this.nextMs;
    if (nextMs === undefined || nextMs > untilMs) {
      this.#nowMs = Math.max(this.#nowMs, untilMs);
      return false;
    }
    const event = this.#pop();
    this.#nowMs = event.atMs;
    const run = event.run!;
    event.run = undefined;
    run();
    return true;
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Scheduled {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}
