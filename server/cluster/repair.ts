/**
 * Anti-entropy: now and then a node compares, with another owner of the same slots, digests of what
 * both have. Where they differ, each sends the other all that it has of the slot; the newer writes
 * win. That finds whatever streams, recoveries and pulls did not bring. (Merkle trees of Dynamo,
 * DeCandia et al. 2007, serve the same end; a slot is small enough to be sent as a whole.)
 */
import { SLOTS } from '../../engine/slots.js';
import { type Differing, type Digests, Kind, type Message } from './messages.js';
import type { Clock, Random } from './ports.js';
import { Level, SlotSet } from './slot-set.js';
import { stampAt } from './stamp.js';
import type { ReplicaStore } from './store.js';
import type { View } from './view.js';

/** What is younger may be under way. */
const SETTLED_MS = 10_000;
/** Slots that are sent after one comparison: of those that differ only because of writes just now. */
const SLOTS_PER_ROUND = 128;
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
  /** Comparisons so far, and those in which all were equal. */
  rounds = 0;

  constructor(world: RepairWorld) {
    this.#world = world;
  }

  start(): void {
    const { clock, random, intervalMs } = this.#world;
    this.#cancel = clock.after(intervalMs * (0.5 + random()), () => {
      void this.compare().catch(this.#world.onError);
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Compares with one peer, whichever chance picks. */
  async compare(): Promise<void> {
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
    this.#world.sendSlots(from, new SlotSet(slots));
  }
}

/** Slots that both are to have, and both say they have. */
function sharedSlots(view: View, self: number, peer: number): SlotSet {
  const shared = new SlotSet();
  for (let slot = 0; slot < SLOTS; slot++) {
    if (!view.isOwner(slot, self) || !view.isOwner(slot, peer)) continue;
    if (view.levelOf(slot, self) !== Level.FULL) continue;
    if (view.levelOf(slot, peer) === Level.FULL) shared.add(slot);
  }
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
