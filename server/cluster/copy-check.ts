/**
 * Compares the copies of all keys, for people who want to know: this node asks all others for
 * digests of their slots, and, where owners of a slot differ, for its keys. Nothing is mended by
 * it; that is repair.ts.
 */
import { SLOTS, slotOf } from '../../engine/slots.js';
import { type Check, type Checked, Kind, type Message } from './messages.js';
import type { Clock } from './ports.js';
import { SlotSet } from './slot-set.js';
import { stampAt } from './stamp.js';
import type { View } from './view.js';

/** A key of a slot, and its stamp. */
export interface KeyState {
  /** Its bytes, each as a character. */
  readonly key: string;
  readonly stamp: bigint;
}

/** What one key is on the owners of its slot that do not have the same. */
export interface Difference {
  readonly slot: number;
  readonly key: string;
  /** By node: the stamp of what it has; nil: nothing. */
  readonly copies: Readonly<Record<string, string | null>>;
}

export interface CheckResult {
  /** Slots that have two owners or more that live, and were compared. */
  readonly compared: number;
  /** Slots that were not: fewer owners live. */
  readonly alone: number;
  /** Slots whose owners do not have the same. */
  readonly differing: number;
  /** Some of the keys that are not the same, of some of these slots. */
  readonly differences: readonly Difference[];
  /** Nodes that did not answer. */
  readonly silent: readonly string[];
}

export interface CopyCheckWorld {
  readonly selfId: string;
  readonly clock: Clock;
  view(): View;
  send(peer: string, message: Message): void;
  digests(notNewerThan: bigint): Promise<BigUint64Array>;
  /** The keys of these slots that are not newer than a stamp. */
  keysOf(slots: SlotSet, notNewerThan: bigint): Promise<KeyState[]>;
}

/** What is younger may be under way. */
const SETTLED_MS = 5_000;
/** A node with many keys takes seconds to go through them. */
const ANSWER_MS = 60_000;
/** Slots whose keys are compared one by one, so that the answer stays readable. */
const DETAILED_SLOTS = 16;
const DIFFERENCES_MAX = 100;

interface Waiting {
  readonly resolve: (checked: Checked | undefined) => void;
  readonly cancel: () => void;
}

export class CopyCheck {
  readonly #world: CopyCheckWorld;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  constructor(world: CopyCheckWorld) {
    this.#world = world;
  }

  async run(): Promise<CheckResult> {
    const { selfId, clock } = this.#world;
    const view = this.#world.view();
    const stamp = stampAt(clock.now() - SETTLED_MS);
    const live = [...view.nodes.keys()].filter((index) => view.nodes[index]!.isLive);
    const digests = new Map<number, BigUint64Array>();
    const silent: string[] = [];
    await Promise.all(
      live.map(async (index) => {
        const { id, name } = view.nodes[index]!;
        const found =
          id === selfId ? await this.#world.digests(stamp) : await this.#digestsOf(id, stamp);
        if (found) digests.set(index, found);
        else silent.push(name);
      }),
    );
    const differing = new SlotSet();
    let compared = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      const owners = view.ownersOf(slot).filter((owner) => digests.has(owner));
      if (owners.length < 2) continue;
      compared++;
      const first = digests.get(owners[0]!)![slot];
      if (owners.some((owner) => digests.get(owner)![slot] !== first)) differing.add(slot);
    }
    const detailed = SlotSet.of([...differing].slice(0, DETAILED_SLOTS));
    const differences = detailed.isEmpty ? [] : await this.#compare(view, detailed, stamp, digests);
    const alone = SLOTS - compared;
    return { compared, alone, differing: differing.size, differences, silent };
  }

  async answer({ from, check, stamp, slots, isDetailed }: Check): Promise<void> {
    const { selfId, send, digests, keysOf } = this.#world;
    const checked = { kind: Kind.CHECKED, from: selfId, check } as const;
    if (isDetailed) {
      const found = await keysOf(new SlotSet(slots), stamp);
      const keys = found.map(({ key, stamp: of }) => [key, String(of)]);
      send(from, { ...checked, digests: Buffer.from(JSON.stringify(keys)) });
    } else {
      const found = await digests(stamp);
      send(from, { ...checked, digests: new Uint8Array(found.buffer) });
    }
  }

  take({ check, ...checked }: Checked): void {
    const waiting = this.#waiting.get(check);
    waiting?.cancel();
    this.#waiting.delete(check);
    waiting?.resolve({ check, ...checked });
  }

  stop(): void {
    for (const { cancel, resolve } of this.#waiting.values()) {
      cancel();
      resolve(undefined);
    }
    this.#waiting.clear();
  }

  async #digestsOf(id: string, stamp: bigint): Promise<BigUint64Array | undefined> {
    const checked = await this.#ask(id, stamp, SlotSet.all(), false);
    if (checked?.digests.length !== 8 * SLOTS) return undefined;
    return new BigUint64Array(Uint8Array.from(checked.digests).buffer);
  }

  async #keysOf(id: string, stamp: bigint, slots: SlotSet): Promise<KeyState[]> {
    const { selfId, keysOf } = this.#world;
    if (id === selfId) return keysOf(slots, stamp);
    const checked = await this.#ask(id, stamp, slots, true);
    if (!checked) return [];
    const pairs = JSON.parse(Buffer.from(checked.digests).toString()) as [string, string][];
    return pairs.map(([key, of]) => ({ key, stamp: BigInt(of) }));
  }

  #ask(
    id: string,
    stamp: bigint,
    slots: SlotSet,
    isDetailed: boolean,
  ): Promise<Checked | undefined> {
    const { selfId, clock, send } = this.#world;
    const check = ++this.#last;
    return new Promise((resolve) => {
      const cancel = clock.after(ANSWER_MS, () => {
        this.#waiting.delete(check);
        resolve(undefined);
      });
      this.#waiting.set(check, { resolve, cancel });
      const asked = { from: selfId, check, stamp, slots: slots.bytes, isDetailed };
      send(id, { kind: Kind.CHECK, ...asked });
    });
  }

  async #compare(
    view: View,
    slots: SlotSet,
    stamp: bigint,
    digests: ReadonlyMap<number, BigUint64Array>,
  ): Promise<Difference[]> {
    const byNode = await Promise.all(
      [...digests.keys()].map(async (index) => {
        const states = await this.#keysOf(view.nodes[index]!.id, stamp, slots);
        return [index, new Map(states.map((state) => [state.key, state.stamp]))] as const;
      }),
    );
    const keys = new Set(byNode.flatMap(([, states]) => [...states.keys()]));
    const differences: Difference[] = [];
    for (const key of keys) {
      const bytes = Buffer.from(key, 'latin1');
      const slot = slotOf(bytes);
      const owners = byNode.filter(([index]) => view.isOwner(slot, index));
      if (new Set(owners.map(([, states]) => states.get(key))).size < 2) continue;
      const copies = owners.map(([index, states]) => {
        const of = states.get(key);
        return [view.nodes[index]!.name, of === undefined ? null : String(of)] as const;
      });
      differences.push({ slot, key: bytes.toString(), copies: Object.fromEntries(copies) });
      if (differences.length === DIFFERENCES_MAX) break;
    }
    return differences;
  }
}
