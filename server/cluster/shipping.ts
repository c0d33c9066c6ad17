/** The way of this node's writes from its change log to the peers that own their slots. */
import type { Concerns } from './concerns.js';
import type { Peers } from './peers.js';
import type { Clock } from './ports.js';
import type { PeerSender } from './sender.js';
import type { ReplicaStore, ShippedStream } from './store.js';

/**
 * Parts of the change log shipped in one turn of the event loop, each of up to 128 KiB a link: some
 * milliseconds. On a busy machine a thread that pauses may wait for ten times as long.
 */
const SHIPMENTS_PER_TURN = 64;
/** From so many bytes in a turn on the next one waits: fewer wake-ups and larger batches. */
const BUSY_BYTES = 32 * 1024;
const BUSY_MS = 4;
/**
 * Who has so much under way gets no more for a while: what waits costs nothing in the log, and
 * takes memory in batches. No longer than so: the log has room for some tens of milliseconds of
 * writes at full speed, the window for more.
 */
const UNDER_WAY_BYTES = 4 * 1024 * 1024;
const HOLD_MS = 20;

export interface ShippingWorld {
  readonly clock: Clock;
  readonly store: ReplicaStore;
  readonly peers: Peers;
  readonly concerns: Concerns;
}

export class Shipping {
  readonly #world: ShippingWorld;
  #cancel: (() => void) | undefined;
  #delayMs = 0;
  /** Nothing is shipped, because everybody has enough under way. */
  #isHeld = false;
  /** It was held for as long as it may be. */
  #isOverdue = false;

  constructor(world: ShippingWorld) {
    this.#world = world;
    world.store.onGrowth = () => this.#shipSoon();
    this.#shipSoon();
  }

  stop(): void {
    this.#cancel?.();
    this.#world.store.onGrowth = () => {};
  }

  /** To be called when a peer has got further, or has fallen behind. */
  goOn(): void {
    if (!this.#isHeld || this.#isFull) return;
    this.#isHeld = false;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#shipIn(0);
  }

  #shipSoon(): void {
    // Who waits for copies waits no longer than without load.
    this.#shipIn(this.#world.concerns.isEmpty ? this.#delayMs : 0);
  }

  #shipIn(delayMs: number): void {
    this.#cancel ??= this.#world.clock.after(delayMs, () => {
      this.#cancel = undefined;
      this.#isOverdue ||= this.#isHeld;
      this.#isHeld = false;
      this.#ship();
    });
  }

  /** Whether all who get writes have enough under way. */
  get #isFull(): boolean {
    let isFull = false;
    for (const { sender } of this.#world.peers) {
      if (!sender.isStreaming) continue;
      if (sender.windowBytes < UNDER_WAY_BYTES) return false;
      isFull = true;
    }
    return isFull;
  }

  get #isEnough(): boolean {
    return !this.#isOverdue && this.#isFull;
  }

  #ship(): void {
    const { store, peers, concerns } = this.#world;
    if (!this.#isFull) this.#isOverdue = false;
    const senders: (PeerSender | undefined)[] = [];
    for (const { link, sender } of peers) if (link >= 0) senders[link] = sender;
    const shipped: ShippedStream[] = [];
    let shipments = 0;
    let bytes = 0;
    while (shipments < SHIPMENTS_PER_TURN && !this.#isEnough) {
      const shipment = store.ship();
      if (!shipment) break;
      const { streams, lanes } = shipment;
      // What is missing nobody has; a scan finds it for each of them.
      const isLost = streams.some((stream) => stream.isLost);
      if (isLost) for (const sender of senders) sender?.fallBehind();
      for (const [link, records] of lanes.entries()) {
        if (!records) continue;
        bytes += records.length;
        senders[link]?.add(records);
      }
      shipped.push(...streams);
      shipments++;
    }
    for (const sender of senders) sender?.flush();
    for (const { stream, to } of shipped) concerns.noteShipped(stream, to);
    if (shipped.length > 0) concerns.check();
    this.#delayMs = bytes >= BUSY_BYTES ? BUSY_MS : 0;
    this.#isHeld = this.#isEnough;
    if (this.#isHeld) this.#shipIn(HOLD_MS);
    else if (shipments === SHIPMENTS_PER_TURN) this.#shipIn(0);
  }
}
