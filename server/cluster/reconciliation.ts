/**
 * What owners of a slot send each other when it matters who has what: when one of them has died,
 * and when one is met that has it and got it elsewhere. (What they send in peace is repair.ts.)
 */
import { SLOTS } from '../../engine/slots.js';
import type { Peers } from './peers.js';
import { Level, SlotSet } from './slot-set.js';
import type { View } from './view.js';

/**
 * A node that had slots has died: what it sent to some of their owners only, those who have it send
 * to the others.
 */
export function meetFailure(view: View, self: number, failed: number): Map<string, SlotSet> {
  const wanted = new Map<string, SlotSet>();
  if (failed < 0 || self < 0) return wanted;
  for (let slot = 0; slot < SLOTS; slot++) {
    if (!isConcerned(view, slot, failed) || !isConcerned(view, slot, self)) continue;
    for (let i = 0; i < view.copies; i++) {
      const owner = view.ownerAt(slot, i);
      if (owner >= 0 && owner !== failed && owner !== self)
        add(wanted, view.nodes[owner]!.id, slot);
    }
  }
  return wanted;
}

/** It owns a slot, or has something of it. */
function isConcerned(view: View, slot: number, index: number): boolean {
  return view.isOwner(slot, index) || view.levelOf(slot, index) !== Level.NONE;
}

/**
 * Owners that say they have all of a slot, and were never sent what this node has of it, nor asked
 * for it, have it from elsewhere: two parts of a cluster have met, or all who had the slot were
 * thought dead. They are sent everything.
 * @param pulling by id: slots of which peers get the writes, though they may not own them
 */
export function meetOwners(
  view: View,
  self: number,
  peers: Peers,
  pulling: ReadonlyMap<string, SlotSet>,
): void {
  const held = self < 0 ? new SlotSet() : (view.nodes[self]!.levels?.held ?? new SlotSet());
  for (const { member, sender } of peers) {
    const index = view.indexOf(member.id);
    const kept = view.slotsOf(index).copy();
    const pulled = pulling.get(member.id);
    if (pulled) kept.addAll(pulled);
    sender.retainMet(kept);
    if (self < 0 || !view.nodes[index]?.isLive || !sender.isStreaming) continue;
    const unmet = view.slotsOf(index).copy();
    unmet.retainAll(view.fullOf(index));
    unmet.deleteAll(sender.met);
    if (unmet.isEmpty) continue;
    const wanted = unmet.copy();
    wanted.retainAll(held);
    sender.noteMet(unmet);
    if (!wanted.isEmpty) sender.meet(wanted);
  }
}

function add(wanted: Map<string, SlotSet>, id: string, slot: number): void {
  const slots = wanted.get(id) ?? new SlotSet();
  slots.add(slot);
  wanted.set(id, slots);
}
