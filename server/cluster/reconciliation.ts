/**
 * What owners of a slot send each other when it matters who has what: when one of them has died,
 * and when one is met that has it and got it elsewhere. (What they send in peace is repair.ts.)
 */
import { SLOTS } from '../../engine/slots.js';
import type { Peers } from './peers.js';
import { Level, SlotSet } from './slot-set.js';
import type { View } from './view.js';

/** An owner has died: what it sent to some of the others only, they send each other. */
export function meetFailure(view: View, self: number, failed: number): Map<string, SlotSet> {
  const wanted = new Map<string, SlotSet>();
  if (failed < 0 || self < 0) return wanted;
  for (let slot = 0; slot < SLOTS; slot++) {
    if (!view.isOwner(slot, failed) || !view.isOwner(slot, self)) continue;
    for (let i = 0; i < view.copies; i++) {
      const owner = view.ownerAt(slot, i);
      if (owner >= 0 && owner !== failed && owner !== self)
        add(wanted, view.nodes[owner]!.id, slot);
    }
  }
  return wanted;
}

/**
 * Nodes are seen to have all of a slot that they were not seen to own before, so they did not ask
 * this node for it: two parts of a cluster have met.
 */
export function meetOwners(before: View, view: View, self: number): Map<string, SlotSet> {
  const wanted = new Map<string, SlotSet>();
  if (self < 0) return wanted;
  const old = view.nodes.map(({ id }) => before.indexOf(id));
  const wasTold = old.map((index) => index >= 0 && before.nodes[index]!.levels !== undefined);
  const isSame = view.hasOwnersOf(before) && wasTold.every((told, i) => told || i === self);
  if (isSame) return wanted;
  for (let slot = 0; slot < SLOTS; slot++) {
    if (view.levelOf(slot, self) === Level.NONE) continue;
    for (let i = 0; i < view.copies; i++) {
      const owner = view.ownerAt(slot, i);
      if (owner < 0 || owner === self || view.levelOf(slot, owner) !== Level.FULL) continue;
      if (wasTold[owner] && before.isOwner(slot, old[owner]!)) continue;
      add(wanted, view.nodes[owner]!.id, slot);
    }
  }
  return wanted;
}

/** Sends each peer what this node has of its slots, as far as it is newer than a stamp. */
export function sendAll(
  peers: Peers,
  wanted: ReadonlyMap<string, SlotSet>,
  newerThan: bigint,
): void {
  for (const [id, slots] of wanted) {
    peers.get(id)?.sender.scan({ slots, newerThan, pull: 0, isRecovery: false });
  }
}

function add(wanted: Map<string, SlotSet>, id: string, slot: number): void {
  const slots = wanted.get(id) ?? new SlotSet();
  slots.add(slot);
  wanted.set(id, slots);
}
