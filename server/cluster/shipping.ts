/** The way of this node's writes from its change log to the peers that own their slots. */
import type { Concerns } from './concerns.js';
import type { Peers } from './peers.js';
import type { Clock } from './ports.js';
import type { PeerSender } from './sender.js';
import type { ReplicaStore, ShippedStream } from './store.js';

/** Parts of the change log shipped in one turn of the event loop, each of up to 128 KiB a link. */
const SHIPMENTS_PER_TURN = 8;

export interface ShippingWorld {
  readonly clock: Clock;
  readonly store: ReplicaStore;
  readonly peers: Peers;
  readonly concerns: Concerns;
}

export class Shipping {
  readonly #world: ShippingWorld;
  #cancel: (() => void) | undefined;

  constructor(world: ShippingWorld) {
    this.#world = world;
    world.store.onGrowth = () => this.#shipSoon();
    this.#shipSoon();
  }

  stop(): void {
    this.#cancel?.();
    this.#world.store.onGrowth = () => {};
  }

  #shipSoon(): void {
    this.#cancel ??= this.#world.clock.after(0, () => {
      this.#cancel = undefined;
      this.#ship();
    });
  }

  #ship(): void {
    const { store, peers, concerns } = this.#world;
    const senders: (PeerSender | undefined)[] = [];
    for (const { link, sender } of peers) if (link >= 0) senders[link] = sender;
    const shipped: ShippedStream[] = [];
    let shipments = 0;
    while (shipments < SHIPMENTS_PER_TURN) {
      const shipment = store.ship();
      if (!shipment) break;
      const { streams, lanes } = shipment;
      // What is missing nobody has; a scan finds it for each of them.
      const isLost = streams.some((stream) => stream.isLost);
      if (isLost) for (const sender of senders) sender?.fallBehind();
      for (const [link, records] of lanes.entries()) if (records) senders[link]?.add(records);
      shipped.push(...streams);
      shipments++;
    }
    for (const sender of senders) sender?.flush();
    for (const { stream, to } of shipped) concerns.noteShipped(stream, to);
    if (shipped.length > 0) concerns.check();
    if (shipments === SHIPMENTS_PER_TURN) this.#shipSoon();
  }
}
