/** Random commands for the model test: what they mean, and one of the many ways to write them. */
import type { Random } from '../support/kernel-random.js';
import {
  array,
  bin,
  CODES,
  ext,
  FALSE,
  fitsForm,
  float,
  INTEGER_FORMS,
  integer,
  map,
  type Name,
  NIL,
  SIGNED_FORMS,
  str,
  TRUE,
  type Wire,
} from '../support/kernel-wire.js';
import { CAPACITY, RATE } from './kernel-leases.js';
import {
  type ErrorName,
  GET,
  IFVERSION,
  KEEPTTL,
  type KeyName,
  NX,
  type Spec,
  XX,
} from './kernel-model.js';

export interface Generated {
  readonly spec: Spec;
  readonly wire: Wire;
}

export interface Mix {
  readonly keys: readonly string[];
  /**
   * Of the values, how many are blobs of many sizes; the others are small. One of these at a time.
   */
  readonly blobs: readonly number[];
  readonly maxValueBytes: number;
  /** Versions of the key that were handed out. */
  readonly versionsOf: (key: string) => readonly bigint[];
}

export const MAX_TTL_MS = 3_153_600_000_000;
const I64_MOST = 2n ** 63n - 1n;
/** Integers at the edges of every width. */
const EDGES = [0n, 7n, 8n, 15n, 16n, 31n, 32n, 63n]
  .flatMap((bits) => [2n ** bits - 1n, 2n ** bits, -(2n ** bits), -(2n ** bits) - 1n])
  .filter((value) => value >= -(2n ** 63n) && value <= I64_MOST);
/** Unsigned integers that are no signed ones. */
const HUGE = [2n ** 63n, 2n ** 63n + 1n, 2n ** 64n - 1n];

/** A chunk's bytes and, of a piece of a chain, its payload's. */
const CHUNK = 8192;
const PIECE = 8176;

const HOT_KEYS = 6;
/** Of the pairs of a command that has several, so that it fits a frame. */
const MOST_PAIR_BYTES = 350_000;

const SIMPLE_KEYS = ['GET', 'GETV', 'TTL', 'PERSIST', 'TYPE', 'MEMORY', 'OBJECT'] as const;
const OWNERS = ['me', 'you', 'x'.repeat(31), 'x'.repeat(32), 'y'.repeat(128)];
const FLOATS = [0.1, -0.1, 1.5, 1e15, 1.7e308, -1.7e308, 5e-324, Infinity, -Infinity, NaN];
const MANY_KEYS = ['DEL', 'EXISTS', 'TOUCH'] as const;

export class CommandSource {
  readonly #random: Random;
  readonly #mix: Mix;
  /** Blobs are slices of this, at random places. */
  readonly #noise: Buffer;
  #hotKeys: string[];
  #blobs = 0;

  constructor(random: Random, mix: Mix) {
    this.#random = random;
    this.#mix = mix;
    this.#hotKeys = this.#pickHotKeys();
    const tile = random.bytes(65_536);
    this.#noise = Buffer.concat(Array.from({ length: 24 }, () => tile));
  }

  next(): Generated {
    const random = this.#random;
    if (random.chance(0.003)) this.#blobs = random.pick(this.#mix.blobs);
    const dice = random.below(100);
    if (dice < 20) return this.#set();
    if (dice < 23) return this.#move();
    if (dice < 26) return this.#several();
    if (dice < 28) return this.#readSeveral();
    if (dice < 43) return this.#keyed(random.pick(SIMPLE_KEYS));
    if (dice < 45) return this.#keyed(random.pick(['STRLEN', 'STRLEN', 'GETDEL']));
    if (dice < 53) return this.#write();
    if (dice < 57) return this.#getRange();
    if (dice < 60) return this.#incrementFloat();
    if (dice < 62) return this.#getAndExpire();
    if (dice < 70) return this.#many(random.pick(MANY_KEYS));
    if (dice < 76) return this.#increment();
    if (dice < 82) return this.#lease();
    if (dice < 85) return this.#limit();
    if (dice < 88) return this.#expire();
    if (dice < 90) return this.#plain(random.chance(0.7) ? 'PING' : 'HELLO');
    return this.#wrong();
  }

  /** Mostly one of a few keys that change with time, so that things happen to the same one. */
  #key(): string {
    const random = this.#random;
    if (random.chance(0.005)) this.#hotKeys = this.#pickHotKeys();
    return random.chance(0.6) ? random.pick(this.#hotKeys) : random.pick(this.#mix.keys);
  }

  #pickHotKeys(): string[] {
    return Array.from({ length: HOT_KEYS }, () => this.#random.pick(this.#mix.keys));
  }

  #versionedKey(): string | undefined {
    const versioned = this.#hotKeys.filter((key) => this.#mix.versionsOf(key).length > 0);
    return versioned.length > 0 ? this.#random.pick(versioned) : undefined;
  }

  /** A key in one of its forms: str and bin with a length field of any width are the same key. */
  #keyWire(key: string): Wire {
    const bytes = Buffer.from(key, 'latin1');
    const least = this.#random.chance(0.7) ? 0 : this.#random.pick([1, 2, 4]);
    return this.#random.chance(0.7) ? str(bytes, least) : bin(bytes, least);
  }

  #integer(value: bigint | number): Wire {
    const forms = [...INTEGER_FORMS, ...SIGNED_FORMS].filter((form) =>
      fitsForm(BigInt(value), form),
    );
    return integer(value, this.#random.chance(0.6) ? 'shortest' : this.#random.pick(forms));
  }

  /** The command by code or by name, in any form of array. */
  #wire(name: Name, ...args: readonly Wire[]): Wire {
    const random = this.#random;
    const byName = random.chance(0.2);
    const spelled = [...name].map((letter) => (random.chance(0.5) ? letter : letter.toLowerCase()));
    const head = byName
      ? str(spelled.join(''), random.pick([0, 0, 1, 2, 4]))
      : this.#integer(CODES[name]);
    return array([head, ...args], random.chance(0.9) ? 0 : random.pick([2, 4]));
  }

  #plain(name: 'PING' | 'HELLO'): Generated {
    const args = name === 'HELLO' && this.#random.chance(0.5) ? [map([str('client'), NIL])] : [];
    return { spec: { name }, wire: this.#wire(name, ...args) };
  }

  #keyed(name: KeyName): Generated {
    const key = this.#key();
    return { spec: { name, key }, wire: this.#wire(name, this.#keyWire(key)) };
  }

  #many(name: (typeof MANY_KEYS)[number]): Generated {
    const count = this.#random.chance(0.6) ? 1 : this.#random.between(2, 20);
    const keys = Array.from({ length: count }, () => this.#key());
    return {
      spec: { name, keys },
      wire: this.#wire(name, ...keys.map((key) => this.#keyWire(key))),
    };
  }

  /** Optional arguments, without those nil ones at the end that may as well be left out. */
  #optional(...args: readonly Wire[]): Wire[] {
    const given = [...args];
    while (given.at(-1)?.equals(NIL) && this.#random.chance(0.8)) given.pop();
    return given;
  }

  #ttlMs(): number {
    const random = this.#random;
    if (random.chance(0.5)) return 0;
    return random.chance(0.9)
      ? random.between(1, 4000)
      : random.pick([1, 2 ** 31, 2 ** 40, MAX_TTL_MS]);
  }

  #ttlWire(ttlMs: number): Wire {
    return ttlMs === 0 && this.#random.chance(0.7) ? NIL : this.#integer(ttlMs);
  }

  #set(): Generated {
    const random = this.#random;
    const isPlain = random.chance(0.4);
    let flags = 0;
    for (const flag of [NX, XX, KEEPTTL, GET, IFVERSION]) if (random.chance(0.2)) flags |= flag;
    if (isPlain) flags = 0;
    const ttlMs = isPlain || (flags & KEEPTTL && random.chance(0.8)) ? 0 : this.#ttlMs();
    const wants = ((flags & IFVERSION) !== 0) !== random.chance(0.03) && !isPlain;
    const key = (wants && this.#versionedKey()) || this.#key();
    const value = this.#value(key);
    const seen = this.#mix.versionsOf(key);
    const known = seen.length > 0 && random.chance(0.7) ? seen.at(-1)! : undefined;
    const version = wants ? (known ?? random.pick([...seen, 0n, 1n, I64_MOST])) : undefined;
    const more = this.#optional(
      this.#ttlWire(ttlMs),
      flags === 0 && random.chance(0.7) ? NIL : this.#integer(flags),
      version === undefined ? NIL : this.#integer(version),
    );
    const wire = this.#wire('SET', this.#keyWire(key), value, ...more);
    return { spec: { name: 'SET', key, value, ttlMs, flags, version }, wire };
  }

  #increment(): Generated {
    const random = this.#random;
    const key = this.#key();
    const delta = random.chance(0.5)
      ? 1n
      : random.pick([random.pick(EDGES), I64_MOST, BigInt(random.between(-500, 500))]);
    const ttlMs = random.chance(0.7) ? 0 : this.#ttlMs();
    const deltaWire = delta === 1n && random.chance(0.5) ? NIL : this.#integer(delta);
    const args = this.#optional(deltaWire, this.#ttlWire(ttlMs));
    const wire = this.#wire('INCR', this.#keyWire(key), ...args);
    return { spec: { name: 'INCR', key, delta, ttlMs }, wire };
  }

  #lease(): Generated {
    const random = this.#random;
    const key = this.#key();
    const bytes = Buffer.from(random.pick(OWNERS));
    const isText = random.chance(0.7);
    const owner = { bytes, isText };
    const least = random.chance(0.7) ? 0 : random.pick([1, 2, 4]);
    const args = [this.#keyWire(key), isText ? str(bytes, least) : bin(bytes, least)];
    if (random.chance(0.3)) {
      return { spec: { name: 'UNLOCK', key, owner }, wire: this.#wire('UNLOCK', ...args) };
    }
    const name = random.chance(0.7) ? 'LOCK' : 'EXTEND';
    const ttlMs = random.between(1, 4000);
    const wire = this.#wire(name, ...args, this.#integer(ttlMs));
    return { spec: { name, key, owner, ttlMs }, wire };
  }

  #limit(): Generated {
    const random = this.#random;
    const key = this.#key();
    const cost = random.pick([0, 1, 1, 2, 9, 11]);
    const rate = random.chance(0.5) ? this.#integer(RATE) : float(RATE);
    const args = this.#optional(cost === 1 && random.chance(0.5) ? NIL : this.#integer(cost));
    const wire = this.#wire('LIMIT', this.#keyWire(key), this.#integer(CAPACITY), rate, ...args);
    return { spec: { name: 'LIMIT', key, cost }, wire };
  }

  #move(): Generated {
    const random = this.#random;
    const name = random.pick(['RENAME', 'RENAMENX', 'COPY'] as const);
    const [from, to] = [this.#key(), this.#key()];
    const replace = name === 'COPY' && random.chance(0.6);
    const flags = replace ? this.#integer(1) : random.chance(0.5) ? NIL : this.#integer(0);
    const args = name === 'COPY' ? this.#optional(flags) : [];
    const wire = this.#wire(name, this.#keyWire(from), this.#keyWire(to), ...args);
    return { spec: { name, from, to, replace }, wire };
  }

  #several(): Generated {
    const random = this.#random;
    const name = random.pick(['MSET', 'MSET', 'MSETNX'] as const);
    const pairs: (readonly [key: string, value: Wire])[] = [];
    let bytes = 0;
    for (let left = random.pick([1, 2, 2, 5, 12]); left > 0; left--) {
      const key = name === 'MSETNX' ? random.pick(this.#mix.keys) : this.#key();
      const value = this.#value(key);
      bytes += key.length + value.length;
      if (bytes > MOST_PAIR_BYTES && pairs.length > 0) break;
      pairs.push([key, value]);
    }
    const ttlMs = random.chance(0.5) ? 0 : this.#ttlMs();
    const args = pairs.flatMap(([key, value]) => [this.#keyWire(key), value]);
    if (ttlMs > 0 || random.chance(0.2)) args.push(this.#ttlWire(ttlMs));
    return { spec: { name, pairs, ttlMs }, wire: this.#wire(name, ...args) };
  }

  #readSeveral(): Generated {
    const count = this.#random.pick([1, 2, 8, 20]);
    const keys = Array.from({ length: count }, () => this.#key());
    const wire = this.#wire('MGET', ...keys.map((key) => this.#keyWire(key)));
    return { spec: { name: 'MGET', keys }, wire };
  }

  /** APPEND or SETRANGE. */
  #write(): Generated {
    const random = this.#random;
    const key = this.#key();
    const isLong = random.chance(this.#blobs);
    const length = random.below(
      isLong ? random.pick([600, 9000, 40_000]) : random.pick([1, 20, 300]),
    );
    const start = random.below(this.#noise.length - length);
    const bytes = this.#noise.subarray(start, start + length);
    const least = random.chance(0.8) ? 0 : random.pick([1, 2, 4]);
    const data = random.chance(0.5) ? str(bytes, least) : bin(bytes, least);
    if (random.chance(0.6)) {
      const wire = this.#wire('APPEND', this.#keyWire(key), data);
      return { spec: { name: 'APPEND', key, offset: undefined, data }, wire };
    }
    const most = this.#mix.maxValueBytes;
    const offset = random.chance(0.9)
      ? random.below(random.pick(isLong ? [1, 300, 9000, 80_000] : [1, 40, 300]))
      : random.pick([most - length, most - length - 5, most, 2 ** 32, 2 ** 53]);
    const wire = this.#wire('SETRANGE', this.#keyWire(key), this.#integer(offset), data);
    return { spec: { name: 'SETRANGE', key, offset, data }, wire };
  }

  #getRange(): Generated {
    const random = this.#random;
    const key = this.#key();
    const edge = (): number => {
      const most = random.pick([1, 5, 300, 9000, 300_000, 2 ** 40]);
      return random.between(-most, most);
    };
    const [start, end] = random.chance(0.3) ? [0, -1] : [edge(), edge()];
    const args = [this.#integer(start), this.#integer(end)];
    const wire = this.#wire('GETRANGE', this.#keyWire(key), ...args);
    return { spec: { name: 'GETRANGE', key, start, end }, wire };
  }

  #incrementFloat(): Generated {
    const random = this.#random;
    const key = this.#key();
    const isWhole = random.chance(0.2);
    const delta = isWhole ? random.between(-1e6, 1e6) : random.pick(FLOATS);
    const ttlMs = random.chance(0.7) ? 0 : this.#ttlMs();
    const deltaWire = isWhole && random.chance(0.5) ? this.#integer(delta) : float(delta);
    const args = this.#optional(this.#ttlWire(ttlMs));
    const wire = this.#wire('INCRFLOAT', this.#keyWire(key), deltaWire, ...args);
    return { spec: { name: 'INCRFLOAT', key, delta, ttlMs }, wire };
  }

  #getAndExpire(): Generated {
    const key = this.#key();
    const ttlMs = this.#random.chance(0.4) ? undefined : this.#ttlMs();
    const args = this.#optional(ttlMs === undefined ? NIL : this.#integer(ttlMs));
    const wire = this.#wire('GETEX', this.#keyWire(key), ...args);
    return { spec: { name: 'GETEX', key, ttlMs }, wire };
  }

  #expire(): Generated {
    const key = this.#key();
    const ttlMs = this.#ttlMs();
    const wire = this.#wire('EXPIRE', this.#keyWire(key), this.#ttlWire(ttlMs));
    return { spec: { name: 'EXPIRE', key, ttlMs }, wire };
  }

  /**
   * Any value: mostly small ones, and blobs around the sizes where the way they are stored changes.
   */
  #value(key: string): Wire {
    const random = this.#random;
    if (random.chance(this.#blobs)) return this.#blob(key);
    const dice = random.below(10);
    if (dice < 4) return this.#integer(random.pick(random.chance(0.8) ? EDGES : HUGE));
    if (dice < 6)
      return random.pick([NIL, TRUE, FALSE, float(random.next()), Buffer.of(0xca, 1, 2, 3, 4)]);
    if (dice < 8) return str(random.bytes(random.below(300)).toString('latin1').slice(0, 200));
    if (dice < 9)
      return ext(
        random.between(2, 127),
        random.bytes(random.pick([0, 1, 2, 4, 8, 16, 17])),
        random.pick([0, 1, 2, 4]),
      );
    return this.#container(2);
  }

  #container(depth: number): Wire {
    const random = this.#random;
    if (depth === 0) return random.pick([NIL, integer(1000), bin('x')]);
    const items = Array.from({ length: 2 * random.below(9) }, () => this.#container(depth - 1));
    const least = random.chance(0.8) ? 0 : random.pick([2, 4]);
    return random.chance(0.5) ? array(items, least) : map(items, least);
  }

  #blob(key: string): Wire {
    const random = this.#random;
    const fields = random.pick([8, 16, 24]);
    // What fills a chunk to the last byte, with a bin's header of 3 bytes; and some more or less.
    const full = CHUNK - fields - key.length - 3 + random.between(-3, 3);
    // What fills pieces to the last byte, with the key among it where it is long.
    const inChain = key.length > 2048 ? key.length : 0;
    const pieces = random.between(1, 4) * PIECE - inChain - 3 + random.between(-3, 3);
    const sizes = [random.below(600), random.below(20_000), full, pieces, random.below(300_000)];
    const length = Math.max(
      0,
      random.chance(0.02) ? this.#mix.maxValueBytes + 1 : random.pick(sizes),
    );
    const start = random.below(this.#noise.length - length);
    const bytes = this.#noise.subarray(start, start + length);
    return random.chance(0.8) ? bin(bytes) : str(bytes);
  }

  /** A command that is no command, or has one wrong argument. */
  #wrong(): Generated {
    const random = this.#random;
    const key = this.#keyWire(this.#key());
    const keyed = (error: ErrorName, name: Name, ...args: readonly Wire[]): Generated => ({
      spec: { name: 'WRONG', error },
      wire: this.#wire(name, key, ...args),
    });
    const bare = (error: ErrorName, wire: Wire): Generated => ({
      spec: { name: 'WRONG', error },
      wire,
    });
    const noInteger = random.pick([
      TRUE,
      str('1'),
      float(1),
      array([]),
      map([]),
      ext(5, 'x'),
      bin(''),
    ]);
    switch (random.below(18)) {
      case 0: {
        const head = random.pick([NIL, float(16), array([]), map([]), TRUE, integer(HUGE[0]!)]);
        const wires = [
          NIL,
          integer(16),
          str('GET'),
          map([integer(16), key]),
          ext(1, 'x'),
          array([]),
        ];
        return bare('ERROR_NOT_A_COMMAND', random.pick([...wires, array([head, key])]));
      }
      case 1: {
        const codes = [
          0,
          5,
          0x2e,
          0x7f,
          0x8f,
          0x90,
          0xff,
          0x100,
          65_536 + 16,
          2 ** 32 - 1,
          2 ** 32 + 16,
          -1,
        ];
        const names = [
          '',
          'G',
          'GETT',
          'SETS',
          'get ',
          'INCRBY',
          'X'.repeat(16),
          'X'.repeat(17),
          'GÉT',
        ];
        const head = random.chance(0.5)
          ? this.#integer(random.pick(codes))
          : str(random.pick(names));
        return bare('ERROR_UNKNOWN_COMMAND', array([head, key]));
      }
      case 2: {
        const few = random.pick([
          'GET',
          'SET',
          'DEL',
          'EXISTS',
          'EXPIRE',
          'TTL',
          'TOUCH',
          'INCR',
          'APPEND',
          'GETRANGE',
          'INCRFLOAT',
        ] as const);
        if (random.chance(0.4)) return bare('ERROR_ARITY', this.#wire(few));
        const many = [
          ['PING', 1],
          ['HELLO', 2],
          ['GET', 2],
          ['SET', 6],
          ['TTL', 2],
          ['GETV', 2],
          ['INCR', 4],
          ['APPEND', 3],
          ['STRLEN', 2],
          ['GETRANGE', 4],
          ['SETRANGE', 4],
          ['INCRFLOAT', 4],
          ['GETDEL', 2],
          ['GETEX', 3],
          ['MSET', 1],
          ['RENAME', 3],
          ['COPY', 4],
        ] as const;
        const [name, count] = random.pick(many);
        return bare('ERROR_ARITY', this.#wire(name, ...new Array<Wire>(count).fill(key)));
      }
      case 3: {
        const tooLong = random.chance(0.1) ? str(this.#noise.subarray(0, 65_536)) : bin('');
        const wrong = random.pick([
          str(''),
          tooLong,
          NIL,
          integer(1),
          array([key]),
          map([]),
          ext(1, 'k'),
        ]);
        if (random.chance(0.3)) return keyed('ERROR_KEY', random.pick(MANY_KEYS), key, wrong, key);
        if (random.chance(0.1)) return keyed('ERROR_KEY', 'MGET', key, wrong, key);
        if (random.chance(0.1)) return keyed('ERROR_KEY', 'MSET', NIL, wrong, NIL);
        if (random.chance(0.1)) return keyed('ERROR_KEY', random.pick(['RENAME', 'COPY']), wrong);
        const [name, ...args] = random.pick([
          ['GET'],
          ['SET', NIL],
          ['EXPIRE', NIL],
          ['INCR'],
          ['APPEND', str('x')],
          ['GETDEL'],
        ] as const);
        return bare('ERROR_KEY', this.#wire(name, wrong, ...args));
      }
      case 4: {
        const range = [
          integer(-1),
          integer(MAX_TTL_MS + 1),
          integer(HUGE[1]!),
          integer(-(2n ** 63n)),
        ];
        const ttl = random.pick([...range, noInteger]);
        const before = random.pick([
          ['SET', NIL],
          ['EXPIRE'],
          ['INCR', NIL],
          ['INCRFLOAT', float(1)],
          ['GETEX'],
          ['MSET', NIL],
          ['MSETNX', NIL],
        ] as const);
        const [name, ...args] = before;
        return keyed('ERROR_TTL', name, ...args, ttl);
      }
      case 5: {
        const flags = random.pick([
          integer(32),
          integer(-1),
          integer(2n ** 32n),
          integer(HUGE[0]!),
          noInteger,
        ]);
        return keyed('ERROR_FLAGS', 'SET', NIL, NIL, flags);
      }
      case 6: {
        const version = random.pick([integer(-1), integer(HUGE[2]!), noInteger]);
        return keyed('ERROR_VERSION', 'SET', NIL, NIL, integer(IFVERSION), version);
      }
      case 7:
        return keyed(
          'ERROR_DELTA',
          'INCR',
          random.pick([integer(HUGE[0]!), integer(HUGE[2]!), noInteger]),
        );
      case 8: {
        const noData = random.pick([NIL, integer(7), float(1), array([]), map([]), ext(5, 'x')]);
        if (random.chance(0.5)) return keyed('ERROR_DATA', 'APPEND', noData);
        return keyed('ERROR_DATA', 'SETRANGE', integer(random.below(5)), noData);
      }
      case 9: {
        const edge = random.pick([integer(HUGE[0]!), NIL, noInteger]);
        const args = random.chance(0.5) ? [edge, integer(-1)] : [integer(0), edge];
        return keyed('ERROR_RANGE', 'GETRANGE', ...args);
      }
      case 10: {
        const offset = random.pick([integer(-1), integer(-(2n ** 63n)), integer(HUGE[0]!), NIL]);
        return keyed('ERROR_OFFSET', 'SETRANGE', random.pick([offset, noInteger]), str('x'));
      }
      case 12: {
        const flags = random.pick([integer(2), integer(-1), integer(HUGE[0]!), noInteger]);
        return keyed('ERROR_COPY_FLAGS', 'COPY', str('to'), flags);
      }
      case 11: {
        const noNumber = random.pick([NIL, TRUE, str('1'), array([]), bin('')]);
        return keyed('ERROR_NUMBER_DELTA', 'INCRFLOAT', noNumber);
      }
      case 13:
        return random.pick([
          () => keyed('ERROR_MEMBER', 'SADD', random.pick([NIL, float(1), TRUE, array([])])),
          () => keyed('ERROR_MEMBER', 'HGET', str('x'.repeat(4001))),
          () => keyed('ERROR_COUNT', 'LPOP', random.pick([integer(-1), noInteger])),
          () => keyed('ERROR_INDEX', 'LRANGE', integer(0), random.pick([NIL, noInteger])),
          () => keyed('ERROR_PAIRS', 'HSET', str('f'), NIL, str('g')),
        ])();
      case 14: {
        const owner = random.pick([str(''), str('x'.repeat(129)), integer(1), noInteger, NIL]);
        const isOwner = owner[0]! >= 0xa1 && owner[0]! < 0xc0;
        const name = random.pick(['LOCK', 'EXTEND'] as const);
        return keyed('ERROR_OWNER', name, isOwner ? NIL : owner, integer(5));
      }
      case 15: {
        const ttl = random.pick([integer(0), NIL, integer(-1), integer(MAX_TTL_MS + 1), noInteger]);
        return keyed('ERROR_LEASE_TTL', random.pick(['LOCK', 'EXTEND']), str('me'), ttl);
      }
      case 16: {
        if (random.chance(0.5)) {
          const rate = random.pick([integer(0), NIL, float(Number.NaN), float(-1), str('1')]);
          return keyed('ERROR_RATE', 'LIMIT', integer(1), rate);
        }
        const wrong = random.pick([
          integer(-1),
          integer(1_000_000_001),
          integer(HUGE[0]!),
          noInteger,
        ]);
        const args = random.chance(0.5) ? [wrong, integer(1)] : [integer(1), integer(1), wrong];
        return keyed('ERROR_CAPACITY', 'LIMIT', ...args);
      }
      default:
        return keyed('ERROR_VERSION', 'SET', NIL, NIL, random.pick([NIL, integer(0)]), integer(5));
    }
  }
}
