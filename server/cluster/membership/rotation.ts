/**
 * The members one after the other, in an order that is shuffled anew after each round (SWIM, "round
 * robin"): each has its turn within two rounds, which chance alone does not promise.
 */
import type { Random } from '../ports.js';
import { pickSome } from './core.js';
import type { Member } from './member.js';

export class Rotation {
  readonly #random: Random;
  /** Names; those before `#at` had their turn. */
  #order: string[] = [];
  #at = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** So many of these, each at most once. */
  next(members: readonly Member[], count: number): Member[] {
    const byName = new Map(members.map((member) => [member.name, member]));
    const chosen: Member[] = [];
    while (chosen.length < count && byName.size > 0) {
      if (this.#at === this.#order.length) {
        // Those chosen just now are not among them: they come first again in the round after.
        this.#order = pickSome([...byName.keys()], byName.size, this.#random);
        this.#at = 0;
      }
      const name = this.#order[this.#at++]!;
      const member = byName.get(name);
      if (member === undefined) continue;
      byName.delete(name);
      chosen.push(member);
    }
    return chosen;
  }
}
