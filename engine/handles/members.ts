/** Sets: `cache.members(key)` and `client.members(key)`. */
import { checkMember, checkMembers, type Member, NO_ARGUMENTS } from './arguments.js';
import { readBoolean, readCount, readValues } from './replies.js';
import { Handle, type Mode, type Reply } from './runner.js';

/**
 * A set at a key, named as JavaScript's sets are. It comes with the first member that is added and
 * goes with the last that is removed; where there is none, reads find an empty one. A method takes
 * the same time for each member that it is about, however many there are.
 *
 * A method is one step that no other thread or client sees half of. Errors are SlabringErrors:
 * `WRONGTYPE` when something else is at the key, `OPTION` for wrong arguments, `TOOLARGE` for
 * arguments or results of more than about 1 MiB, and what `set` throws.
 */
export class Members<M extends Mode = 'sync'> extends Handle<M> {
  /** Adds members; how many of them are new. */
  add(...members: Member[]): Reply<M, number> {
    return this.run('SADD', () => checkMembers(members, 'member', 'add'), readCount, 0);
  }

  /** Removes members; how many of them were there. */
  delete(...members: Member[]): Reply<M, number> {
    return this.run('SREM', () => checkMembers(members, 'member', 'delete'), readCount, 0);
  }

  /** Whether it is a member. */
  has(member: Member): Reply<M, boolean> {
    return this.run('SISMEMBER', () => [checkMember(member, 'member')], readBoolean);
  }

  /** For each of them, in their order, whether it is a member. */
  hasMany(members: Iterable<Member>): Reply<M, boolean[]> {
    const args = () => checkMembers(members, 'member', 'hasMany');
    return this.run('SMISMEMBER', args, readValues<boolean>, []);
  }

  /** How many members there are. */
  size(): Reply<M, number> {
    return this.run('SCARD', NO_ARGUMENTS, readCount);
  }

  /** All members, in no order that means anything. */
  values<T extends Member = Member>(): Reply<M, T[]> {
    return this.run('SMEMBERS', NO_ARGUMENTS, readValues<T>);
  }
}
