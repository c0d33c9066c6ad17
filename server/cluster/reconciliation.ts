/**
 * What owners of a slot send each other when it matters who has what: when one of them has died,
 * and when one is met that has it and got it elsewhere. (What they send in peace is repair.ts.)
 */
import { SLOTS } from '../../engine/slots.js';
import type { Peers } from './peers.js';
import type { PeerSender } from './sender.js';
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
  for (const { member, sender } of peers) {
    const kept = view.slotsOf(view.indexOf(member.id)).copy();
    const pulled = pulling.get(member.id);
    if (pulled) kept.addAll(pulled);
    sender.retainMet(kept);
  }
  if (self < 0) return;
  const senders = view.nodes.map(({ id, isLive }) => {
    const sender = isLive ? peers.get(id)?.sender : undefined;
    return sender?.isStreaming ? sender : undefined;
  });
  const wanted = new Map<PeerSender, SlotSet>();
  const empty = new Map<PeerSender, SlotSet>();
  for (let slot = 0; slot < SLOTS; slot++) {
    for (let i = 0; i < view.copies; i++) {
      const owner = view.ownerAt(slot, i);
      const sender = owner < 0 || owner === self ? undefined : senders[owner];
      if (!sender || sender.hasMet(slot) || view.levelOf(slot, owner) !== Level.FULL) continue;
      add(view.levelOf(slot, self) === Level.NONE ? empty : wanted, sender, slot);
    }
  }
  for (const [sender, slots] of empty) sender.noteMet(slots);
  for (const [sender, slots] of wanted) sender.meet(slots);
}

function add<Key>(wanted: Map<Key, SlotSet>, key: Key, slot: number): void {
  const slots = wanted.get(key) ?? new SlotSet();
  slots.add(slot);
  wanted.set(key, slots);
}
