/** When what a node has of its slots is an old state: writes went on without it. */
import { Level, type Levels } from './slot-set.js';
import type { View } from './view.js';

/**
 * What a node has of slots is old if most of their owners were dead for it until lately: then it
 * was cut off, and not they. Of two halves the one with the first owner counts as most.
 * @returns whether there are such slots
 */
export function ageIfCutOff(
  view: View,
  selfId: string,
  own: Levels,
  wasDead: (id: string) => boolean,
): boolean {
  const isFar = view.nodes.map(({ id }) => wasDead(id));
  let isAny = false;
  for (const slot of view.slotsOf(view.indexOf(selfId))) {
    if (own.of(slot) !== Level.FULL) continue;
    const owners = view.ownersOf(slot);
    const far = owners.filter((owner) => isFar[owner]).length;
    const isHalf = 2 * far === owners.length;
    if (isHalf ? !isFar[owners[0]!] : 2 * far < owners.length) continue;
    own.set(slot, Level.STALE);
    isAny = true;
  }
  return isAny;
}

/** What others own, too, is old. */
export function ageShared(view: View, selfId: string, own: Levels): void {
  for (const slot of view.slotsOf(view.indexOf(selfId))) {
    if (own.of(slot) === Level.FULL && view.ownersOf(slot).length > 1) own.set(slot, Level.STALE);
  }
}
