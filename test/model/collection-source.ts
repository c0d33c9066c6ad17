/** Random commands on collections: the next one for a key, of a size that the test is about. */
import { Buffer } from 'node:buffer';
import type { Random } from '../support/kernel-random.js';
import { COMBINE } from './collection-algebra.js';
import { ADD, type Member, RANGE, type Type } from './collection-models.js';

export interface Step {
  readonly name: string;
  readonly key: string;
  readonly args: unknown[];
}

/** What a source makes. */
export interface Sizes {
  /** Members or elements that a collection has about when it neither grows nor shrinks. */
  readonly items: number;
  /** Bytes of a value at the most; now and then one is as long. */
  readonly valueBytes: number;
  /** Bytes of a member at the most. */
  readonly memberBytes: number;
}

export class CollectionSource {
  readonly #random: Random;
  readonly #sizes: Sizes;
  readonly #types: readonly Type[];
  /** Whether all scores at a key are the same: ranges by bytes make sense then only. */
  readonly #hasOneScore: (key: string) => boolean;
  #keys: readonly string[] = [];
  /** Whether collections grow now: they do for a while, and then they shrink. */
  #isGrowing = true;

  constructor(
    random: Random,
    sizes: Sizes,
    types: readonly Type[],
    hasOneScore: (key: string) => boolean,
  ) {
    this.#random = random;
    this.#sizes = sizes;
    this.#types = types;
    this.#hasOneScore = hasOneScore;
  }

  /** @param sizeAt how many items the collection at a key has */
  next(keys: readonly string[], sizeAt: (key: string) => number): Step {
    const random = this.#random;
    this.#keys = keys;
    const key = random.pick(keys);
    const size = sizeAt(key);
    if (random.chance(0.002)) return { name: 'DEL', key, args: [] };
    if (random.chance(0.001)) return { name: 'SET', key, args: ['x'] };
    if (random.chance(0.005)) return { name: 'GET', key, args: [] };
    if (random.chance(0.003)) return { name: 'RENAME', key, args: [random.pick(keys)] };
    if (random.chance(0.003)) return { name: 'COPY', key, args: [random.pick(keys), 1] };
    if (size > 1.3 * this.#sizes.items) this.#isGrowing = false;
    if (size < 0.2 * this.#sizes.items) this.#isGrowing = true;
    // Mostly the type that keys with this number have.
    const number = Number(key.slice(1));
    const type = random.chance(0.02)
      ? random.pick(this.#types)
      : this.#types[number % this.#types.length]!;
    if (type === 'list') return this.#onList(key, size);
    if (type === 'zset') return this.#onSorted(key, size);
    return type === 'set' ? this.#onSet(key) : this.#onHash(key);
  }

  #onList(key: string, size: number): Step {
    const random = this.#random;
    const index = (): number => random.between(-size - 2, size + 2);
    const roll = random.next();
    if (roll < 0.35) {
      const name = random.pick(['LPUSH', 'RPUSH', 'LPUSHX', 'RPUSHX']);
      return { name, key, args: this.#several(this.#isGrowing ? 8 : 1, () => this.value()) };
    }
    if (roll < 0.6) {
      const name = random.pick(['LPOP', 'RPOP']);
      if (random.chance(0.6)) return { name, key, args: [] };
      return { name, key, args: [random.between(0, this.#isGrowing ? 2 : 9)] };
    }
    if (roll < 0.7) return { name: 'LINDEX', key, args: [index()] };
    if (roll < 0.8) return { name: 'LLEN', key, args: [] };
    if (roll < 0.86) return { name: 'LRANGE', key, args: [index(), index()] };
    if (roll < 0.88) return { name: 'LSET', key, args: [index(), this.value()] };
    if (roll < 0.91) {
      const where = random.pick(['BEFORE', 'AFTER']);
      return { name: 'LINSERT', key, args: [where, this.#frequent(), this.value()] };
    }
    if (roll < 0.93) return { name: 'LREM', key, args: [random.between(-2, 2), this.#frequent()] };
    if (roll < 0.96) {
      const rank = random.pick([1, 1, 2, -1, -3]);
      const rest = random.pick([[], [rank], [rank, random.below(3)], [rank, 0, random.below(50)]]);
      return { name: 'LPOS', key, args: [this.#frequent(), ...rest] };
    }
    if (roll < 0.98) {
      const ends = [random.pick(['LEFT', 'RIGHT']), random.pick(['LEFT', 'RIGHT'])];
      return { name: 'LMOVE', key, args: [random.pick(this.#keys), ...ends] };
    }
    const cut = this.#isGrowing ? 2 : 20;
    return { name: 'LTRIM', key, args: [random.below(cut), -1 - random.below(cut)] };
  }

  #onSet(key: string): Step {
    const roll = this.#random.next();
    const members = (most: number): Member[] => this.#several(most, () => this.member());
    if (roll < 0.4) return { name: 'SADD', key, args: members(this.#isGrowing ? 8 : 1) };
    if (roll < 0.65) return { name: 'SREM', key, args: members(this.#isGrowing ? 1 : 12) };
    if (roll < 0.8) return { name: 'SISMEMBER', key, args: members(1) };
    if (roll < 0.86) return { name: 'SMISMEMBER', key, args: members(9) };
    if (roll < 0.9) {
      const name = this.#random.pick(['SINTER', 'SUNION', 'SDIFF', 'CARD']);
      const args: unknown[] = this.#several(2, () => this.#random.pick(this.#keys));
      if (name !== 'CARD') return { name, key, args };
      const card = this.#random.pick(['SINTERCARD', 'SUNIONCARD', 'SDIFFCARD']);
      return { name: card, key, args: [...args, ...this.#limit()] };
    }
    if (roll < 0.91) {
      const name = this.#random.pick(['SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE']);
      return { name, key, args: this.#several(3, () => this.#random.pick(this.#keys)) };
    }
    if (roll < 0.93) {
      return { name: 'SMOVE', key, args: [this.#random.pick(this.#keys), this.member()] };
    }
    return { name: roll < 0.96 ? 'SCARD' : 'SMEMBERS', key, args: [] };
  }

  #onSorted(key: string, size: number): Step {
    const random = this.#random;
    const roll = random.next();
    const members = (most: number): Member[] => this.#several(most, () => this.member());
    // Keys of one kind have one score for all, so that their order is that of bytes.
    const score = (): number => {
      if (Number(key.slice(1)) >= 4 && random.chance(0.98)) return 7;
      return random.pick([random.below(50), random.next() * 1000 - 500, -Infinity, Infinity, 1e15]);
    };
    const bound = (): unknown => (random.chance(0.1) ? null : score());
    const lexBound = (): unknown => (random.chance(0.1) ? null : `m${random.below(700)}`);
    const index = (): number => random.between(-size - 2, size + 2);
    if (roll < 0.38) {
      const flags = random.pick([null, 0, 0, ADD.NX, ADD.XX, ADD.GT, ADD.LT | ADD.CH, ADD.CH]);
      const pairs = members(this.#isGrowing ? 6 : 1).flatMap((member) => [score(), member]);
      return { name: 'ZADD', key, args: [flags, ...pairs] };
    }
    if (roll < 0.42) {
      const flags = ADD.INCR | random.pick([0, ADD.NX, ADD.XX, ADD.GT, ADD.LT]);
      return { name: 'ZADD', key, args: [flags, random.between(-5, 5), this.member()] };
    }
    if (roll < 0.45) {
      return { name: 'ZINCRBY', key, args: [random.between(-5, 5), this.member()] };
    }
    if (roll < 0.6) return { name: 'ZREM', key, args: members(this.#isGrowing ? 1 : 12) };
    if (roll < 0.66) return { name: 'ZSCORE', key, args: members(1) };
    if (roll < 0.7) return { name: 'ZMSCORE', key, args: members(7) };
    if (roll < 0.76) return { name: random.pick(['ZRANK', 'ZREVRANK']), key, args: members(1) };
    const exclude = random.pick([0, 0, RANGE.NOSTART, RANGE.NOSTOP, RANGE.NOSTART | RANGE.NOSTOP]);
    if (roll < 0.8) return { name: 'ZCOUNT', key, args: [bound(), bound(), exclude] };
    const shape = random.pick([0, RANGE.REV]) | random.pick([0, RANGE.WITHSCORES]);
    const limits = random.pick([
      [],
      [random.between(-1, 4)],
      [random.between(-1, 4), random.between(-1, 9)],
    ]);
    if (roll < 0.86) return { name: 'ZRANGE', key, args: [index(), index(), shape, ...limits] };
    if (roll < 0.91) {
      const flags = shape | exclude | RANGE.BYSCORE;
      return { name: 'ZRANGE', key, args: [bound(), bound(), flags, ...limits] };
    }
    if (roll < 0.92) {
      const range = [bound(), bound(), shape | exclude | RANGE.BYSCORE, ...limits];
      return { name: 'ZRANGESTORE', key, args: [random.pick(this.#keys), ...range] };
    }
    if (roll < 0.94 && this.#hasOneScore(key)) {
      if (random.chance(0.3)) return { name: 'ZLEXCOUNT', key, args: [lexBound(), lexBound()] };
      const flags = shape | exclude | RANGE.BYLEX;
      return { name: 'ZRANGE', key, args: [lexBound(), lexBound(), flags, ...limits] };
    }
    if (roll < 0.96) return this.#onSeveral(key);
    if (roll < 0.97) return { name: 'ZCARD', key, args: [] };
    const name = random.pick(['ZPOPMIN', 'ZPOPMAX']);
    return { name, key, args: random.chance(0.5) ? [] : [random.below(this.#isGrowing ? 2 : 9)] };
  }

  /** A command on several sorted sets, or plain ones. */
  #onSeveral(key: string): Step {
    const random = this.#random;
    // Mostly what has scores; but errors, too.
    const mayCombine = (one: string): boolean =>
      ['set', 'zset'].includes(this.#types[Number(one.slice(1)) % this.#types.length]!);
    const usable = this.#keys.filter(mayCombine);
    const keys = this.#several(3, () => random.pick(random.chance(0.95) ? usable : this.#keys));
    const name = random.pick(['ZUNION', 'ZINTER', 'ZDIFF', 'ZINTERCARD']);
    if (name === 'ZINTERCARD') return { name, key, args: [...keys, ...this.#limit()] };
    const isStored = random.chance(0.3);
    const sets = keys.length + (isStored ? 0 : 1);
    const scores = isStored ? 0 : random.pick([0, COMBINE.WITHSCORES]);
    const weight = () => random.pick([1, 1, 2, -1, 0, 0.5, -Infinity]);
    let options: unknown[] = scores ? [scores] : [];
    if (name !== 'ZDIFF' && random.chance(0.7)) {
      options = [scores | random.pick([0, COMBINE.MIN, COMBINE.MAX])];
      if (random.chance(0.5)) options.push(Array.from({ length: sets }, weight));
    }
    return { name: isStored ? `${name}STORE` : name, key, args: [...keys, ...options] };
  }

  #limit(): unknown[] {
    return this.#random.pick([[], [null], [0], [1], [this.#random.below(20)]]);
  }

  #onHash(key: string): Step {
    const roll = this.#random.next();
    const fields = (most: number): Member[] => this.#several(most, () => this.member());
    if (roll < 0.4) {
      const pairs = fields(this.#isGrowing ? 6 : 1).flatMap((field) => [field, this.value()]);
      return { name: 'HSET', key, args: pairs };
    }
    if (roll < 0.43) return { name: 'HSETNX', key, args: [this.member(), this.value()] };
    if (roll < 0.62) return { name: 'HDEL', key, args: fields(this.#isGrowing ? 1 : 12) };
    if (roll < 0.75) return { name: 'HGET', key, args: fields(1) };
    if (roll < 0.82) return { name: 'HMGET', key, args: fields(9) };
    if (roll < 0.87) return { name: 'HEXISTS', key, args: fields(1) };
    if (roll < 0.89) return { name: 'HSTRLEN', key, args: fields(1) };
    if (roll < 0.92) {
      return { name: 'HINCRBY', key, args: [this.member(), this.#random.between(-50, 50)] };
    }
    if (roll < 0.94) {
      return {
        name: 'HINCRBYFLOAT',
        key,
        args: [this.member(), this.#random.between(-9, 9) + 0.3711],
      };
    }
    const name = this.#random.pick(['HLEN', 'HGETALL', 'HKEYS', 'HVALS']);
    return { name, key, args: [] };
  }

  #several<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.#random.between(1, most) }, make);
  }

  /** One of some twice as many members as a collection has. */
  member(): Member {
    const random = this.#random;
    const number = random.below(2 * this.#sizes.items);
    if (number % 7 === 0) return number % 14 === 0 ? number : -number * 1000;
    const text =
      number % 50 === 0 ? 'x'.repeat(this.#sizes.memberBytes - 5) + number : `m${number}`;
    // Text and bytes are the same member.
    return random.chance(0.1) ? Buffer.from(text) : text;
  }

  /** An element that lists have several of. */
  #frequent(): unknown {
    return `value ${this.#random.below(this.#random.pick([5, 1000]))}`;
  }

  value(): unknown {
    const random = this.#random;
    const roll = random.next();
    if (roll < 0.1) return random.between(-1000, 100_000);
    if (roll < 0.15) return { a: random.below(10), b: [1, 'two', null] };
    if (roll < 0.2) return random.next() * 1e6;
    if (roll < 0.22) return Buffer.from(random.bytes(random.below(this.#sizes.valueBytes)));
    if (roll < 0.5) return 'v'.repeat(random.below(140));
    return this.#frequent();
  }
}
