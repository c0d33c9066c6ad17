/**
 * Anti-entropy: now and then a node compares, with another owner of the same slots, digests of what
 * both have. Where they differ, each sends the other all that it has of the slot; the newer writes
 * win. A node that evicts takes no part: what differs is what it had no room for. (Merkle trees of
 * Dynamo, DeCandia et al. 2007, serve the same end; a slot is small enough to be sent whole.)
 */
import { type Differing, type Digests, Kind, type Message } from './messages.js';
import type { Clock, Random } from './ports.js';
import { SlotSet } from './slot-set.js';
import { stampAt } from './stamp.js';
import type { ReplicaStore } from './store.js';
import type { View } from './view.js';

/** What is younger may be under way. */
const SETTLED_MS = 10_000;
/** Slots that are sent after one comparison: of those that differ only because of writes just now. */
const SLOTS_PER_ROUND = 128;
/** When more slots differ than are sent in a round, the next one is so soon. */
const MORE_AFTER_MS = 2_000;
const DIGEST_BYTES = 8;

export interface RepairWorld {
  readonly selfId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly store: ReplicaStore;
  /** How often slots are compared with a peer. */
  readonly intervalMs: number;
  view(): View;
  send(peer: string, message: Message): void;
  /** Sends a peer everything of these slots. */
  sendSlots(peer: string, slots: SlotSet): void;
  onError(error: unknown): void;
}

export class Repair {
  readonly #world: RepairWorld;
  #round = 0;
  #cancel: (() => void) | undefined;
  /** Slots found to differ so far. */
  slotsRepaired = 0;
  /** Comparisons so far. */
  rounds = 0;
  /** Those that were left out because this node evicts: it would be sent what it has no room for. */
  skipped = 0;
  /** Evictions here before the last comparison. */
  #evictions = 0;

  constructor(world: RepairWorld) {
    this.#world = world;
  }

  start(): void {
    const { random, intervalMs } = this.#world;
    this.#waitFor(intervalMs * (0.5 + random()));
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Compares with one peer, whichever chance picks. */
  async compare(): Promise<void> {
    const evictions = this.#world.store.evictions();
    const isEvicting = evictions !== this.#evictions;
    this.#evictions = evictions;
    if (isEvicting) {
      this.skipped++;
      return;
    }
    const peers = this.#livePeers();
    if (peers.length === 0) return;
    await this.#compareWith(peers[Math.floor(this.#world.random() * peers.length)]!);
  }

  /** Compares with all peers. */
  async compareAll(): Promise<void> {
    for (const peer of this.#livePeers()) await this.#compareWith(peer);
  }

  /** Their indexes in the view. */
  #livePeers(): number[] {
    const view = this.#world.view();
    const self = view.indexOf(this.#world.selfId);
    if (self < 0) return [];
    return [...view.nodes.keys()].filter((i) => i !== self && view.nodes[i]!.isLive);
  }

  async #compareWith(peer: number): Promise<void> {
    const { clock, selfId, store } = this.#world;
    const view = this.#world.view();
    const self = view.indexOf(selfId);
    if (self < 0 || !view.nodes[peer]) return;
    const slots = sharedSlots(view, self, peer);
    if (slots.isEmpty) return;
    const stamp = stampAt(clock.now() - SETTLED_MS);
    const all = await store.digests(stamp);
    const digests = Buffer.alloc(DIGEST_BYTES * slots.size);
    let at = 0;
    for (const slot of slots) at = digests.writeBigUInt64BE(all[slot]!, at);
    this.rounds++;
    this.#world.send(view.nodes[peer]!.id, {
      kind: Kind.DIGESTS,
      from: selfId,
      round: ++this.#round,
      stamp,
      slots: slots.bytes,
      digests,
    });
  }

  /** A peer compares. */
  async answer({ from, round, stamp, slots, digests }: Digests): Promise<void> {
    const compared = new SlotSet(slots);
    if (digests.length !== DIGEST_BYTES * compared.size) return;
    // It would be sent what it has just evicted, and would send what the other one has.
    if (this.#world.store.evictions() !== this.#evictions) {
      this.skipped++;
      return;
    }
    const theirs = Buffer.from(digests);
    const mine = await this.#world.store.digests(stamp);
    const differing: number[] = [];
    let at = 0;
    for (const slot of compared) {
      if (theirs.readBigUInt64BE(at) !== mine[slot]) differing.push(slot);
      at += DIGEST_BYTES;
    }
    if (differing.length === 0) return;
    const chosen = SlotSet.of(pick(differing, SLOTS_PER_ROUND, this.#world.random));
    const { selfId } = this.#world;
    this.slotsRepaired += chosen.size;
    this.#world.send(from, { kind: Kind.DIFFERING, from: selfId, round, slots: chosen.bytes });
    this.#world.sendSlots(from, chosen);
  }

  /** A peer has found slots that differ. */
  take({ from, slots }: Differing): void {
    const differing = new SlotSet(slots);
    this.#world.sendSlots(from, differing);
    if (differing.size < SLOTS_PER_ROUND) return;
    // There are more of them, most likely.
    this.#cancel?.();
    this.#waitFor(Math.min(this.#world.intervalMs, MORE_AFTER_MS));
  }

  #waitFor(delayMs: number): void {
    this.#cancel = this.#world.clock.after(delayMs, () => {
      void this.compare().catch(this.#world.onError);
      this.start();
    });
  }
}

/** Slots that both are to have, and both say they have. */
function sharedSlots(view: View, self: number, peer: number): SlotSet {
  const shared = view.slotsOf(self).copy();
  shared.retainAll(view.slotsOf(peer));
  shared.retainAll(view.fullOf(self));
  shared.retainAll(view.fullOf(peer));
  return shared;
}

/** Up to `count` of them, by chance. */
function pick<T>(all: readonly T[], count: number, random: Random): readonly T[] {
  if (all.length <= count) return all;
  const shuffled = [...all];
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (shuffled.length - i));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled.slice(0, count);
}
