/** Who sees to a frame whose node is silent. */
import type { Random } from './ports.js';
import type { View } from './view.js';

interface Others {
  readonly random: Random;
  readonly view: View;
  /** Ids of the members that are live. */
  readonly live: readonly string[];
}

/**
 * Another owner of the slot, or else anybody; each time another one. Undefined: there is nobody.
 * @param slot of the frame's first key, if it has one
 * @param silent the id of the node that does not answer
 */
export function helperOf(
  slot: number | undefined,
  silent: string,
  { random, view, live }: Others,
): string | undefined {
  const others = live.filter((id) => id !== silent);
  const owners = slot === undefined ? [] : view.ownersOf(slot);
  const ids = owners.map((owner) => view.nodes[owner]!.id).filter((id) => others.includes(id));
  const some = ids.length > 0 ? ids : others;
  return some[Math.floor(random() * some.length)];
}
