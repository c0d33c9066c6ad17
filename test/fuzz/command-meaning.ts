/**
 * Right commands in every form that msgpack has for them: the replies are, byte by byte, what a
 * plain model says. Values made by msgpackr are read back by msgpackr, the others compared as
 * bytes.
 */
import { isDeepStrictEqual } from 'node:util';
import { Packr, Unpackr } from 'msgpackr';
import { COMMANDS, type CommandName, SetFlag } from '#engine/commands.js';
import { isFault } from '#engine/frame.js';
import { wireOf } from '../model/kernel-strings.js';
import { FuzzArena } from '../support/fuzz-arena.js';
import { CollectionCommands, hasSameItems } from '../support/fuzz-collections.js';
import { KeyModel } from '../support/fuzz-model.js';
import {
  containerHead,
  integerOf,
  packBytes,
  packInteger,
  randomInteger,
  randomValue,
} from '../support/fuzz-msgpack.js';
import type { Random } from '../support/fuzz-random.mjs';
import { checkReplies, errorCode, judgeFrame, shorten } from '../support/fuzz-replies.js';
import { CLASS_SIZES } from '../support/kernel-memory.js';
import type { Fuzzer, FuzzTarget } from './registry.js';

const KIB = 1024;
const MAX_VALUE_BYTES = 96 * KIB;
const ARENA = { memoryBytes: 32 * 1024 * KIB, partitions: 2, policy: 'none' } as const;
/**
 * A frame ends with the command that takes it beyond this: with the largest one it still fits the
 * arena.
 */
const FRAME_BYTES = 50 * KIB;
/** The largest values, which are refused. */
const VALUE_BYTES_MOST = 100 * KIB;
/** Of an entry, before its key. */
const ENTRY_BYTES = 8;
const BIN16_BYTES = 3;
/** There is room for so many in the table, whose unused places are 0. */
const CLASSES_MAX = 64;
const START_MS = 1_800_000_000_000;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const NIL = Buffer.of(0xc0);
const KEYS = [1, 2, 7, 8, 15, 31, 32, 45, 255, 256, 2048, 2049, 8180, 65_535].map((length, i) =>
  Buffer.alloc(length, 0x61 + i),
);

const OWNERS = ['me', 'you', 'x'.repeat(40), 'y'.repeat(128)].map((owner) => Buffer.from(owner));
/** Those of lists, sets and hashes, which values are seldom stored under. */
const COLLECTION_KEYS = Array.from({ length: 9 }, (_, i) => Buffer.from(`collection ${i}`));

const CANARIES = {
  'a bit of a reply is wrong':
    /replied .* instead of|was answered by|broken|replies to|an error with/,
  'an expiry is forgotten': /replied .* instead of/,
};

/** A command as bytes, and what it must be answered. */
interface Asked {
  bytes: Buffer;
  isRight: (reply: Buffer) => boolean;
  /** For messages. */
  expected: string;
}

class CommandMeaning implements FuzzTarget {
  readonly #arenas: number;
  readonly #canary: string | undefined;
  readonly #target: FuzzArena<undefined>;
  readonly #model = new KeyModel(MAX_VALUE_BYTES);
  readonly #collections = new CollectionCommands();
  /** What msgpackr made values of. */
  readonly #originals = new Map<Buffer, unknown>();
  /** A few of the sizes that memory is cut into, so that entries become neighbours. */
  readonly #chunkSizes: number[];
  #nowMs = START_MS;
  /** The last fence of each key. */
  readonly #fences = new Map<Buffer, bigint>();

  constructor(arenas: number, canary?: string) {
    this.#arenas = arenas;
    this.#canary = canary;
    const options = { ...ARENA, maxValueBytes: MAX_VALUE_BYTES, arenas };
    this.#target = new FuzzArena(
      options,
      () => null,
      () => this.#nowMs,
    );
    const { arena } = this.#target;
    const sizes = new Uint32Array(arena.bytes.buffer, CLASS_SIZES, CLASSES_MAX);
    this.#chunkSizes = [...sizes].filter((size, i) => size > 300 && i % 6 === 0);
  }

  round(random: Random): void {
    if (random.chance(0.5)) this.#nowMs += random.below(40);
    this.#model.nowMs = this.#canary === 'an expiry is forgotten' ? START_MS : this.#nowMs;
    const parts = [packInteger(random, BigInt(random.between(1, 0xffff_ffff)))];
    const asked: Asked[] = [];
    let bytes = 0;
    for (let left = random.pick([1, 2, 30, 70]); left > 0 && bytes < FRAME_BYTES; left--) {
      const one = this.#ask(random);
      bytes += one.bytes.length;
      parts.push(one.bytes);
      asked.push(one);
    }
    this.#run(Buffer.concat(parts), asked, random);
  }

  #run(frame: Buffer, asked: Asked[], random: Random): void {
    const result = this.#target.executor.execute(frame, undefined);
    if (isFault(result)) throw new Error(`refused with ${result.reason}: ${shorten(frame)}`);
    const reply = Buffer.from(result);
    if (this.#canary === 'a bit of a reply is wrong') reply[random.below(reply.length)]! ^= 4;
    const replies = checkReplies(judgeFrame(frame), reply);
    for (const [i, { bytes, isRight, expected }] of asked.entries()) {
      if (isRight(replies[i]!)) continue;
      const got = shorten(replies[i]!);
      throw new Error(`${shorten(bytes)} replied ${got} instead of ${expected}`);
    }
  }

  #command(random: Random, name: CommandName, args: Buffer[]): Buffer {
    const code = random.chance(0.8)
      ? packInteger(random, BigInt(COMMANDS[name].code))
      : packBytes(random, Buffer.from(random.chance(0.5) ? name : name.toLowerCase()));
    return Buffer.concat([containerHead(random, false, 1 + args.length), code, ...args]);
  }

  #ask(random: Random): Asked {
    const key = random.pick(random.chance(0.03) ? COLLECTION_KEYS : KEYS);
    const packed = packBytes(random, key);
    switch (random.below(25)) {
      case 12:
      case 13:
      case 14:
      case 15:
        return this.#askCollection(random);
      case 16:
      case 17:
        return this.#askWrite(random, key, packed);
      case 18:
        return this.#askPart(random, key, packed);
      case 19:
        return this.#askSeveral(random, key, packed);
      case 0:
      case 1:
      case 2:
        return this.#askSet(random, key, packed);
      case 3:
        return this.#askForKeys(random, 'DEL', (each) => this.#model.remove(each));
      case 4:
        return this.#askForKeys(random, 'EXISTS', (each) => this.#model.has(each));
      case 5:
        return this.#askForKeys(random, 'TOUCH', (each) => this.#model.has(each));
      case 6:
      case 7:
        return this.#askIncrement(random, key, packed);
      case 8: {
        const ttlMs = random.pick([0n, 1n, 30n, 5000n, 3_153_600_000_000n]);
        const bytes = this.#command(random, 'EXPIRE', [packed, packInteger(random, ttlMs)]);
        return exactly(bytes, this.#model.expire(key, Number(ttlMs)));
      }
      case 9:
        return exactly(this.#command(random, 'TTL', [packed]), this.#model.timeToLive(key));
      case 10:
        return exactly(this.#command(random, 'PERSIST', [packed]), this.#model.persist(key));
      case 11: {
        const type = this.#model.typeOf(key);
        const bytes = this.#command(random, 'TYPE', [packed]);
        return exactly(bytes, Buffer.concat([Buffer.of(0xa0 | type.length), Buffer.from(type)]));
      }
      case 20:
        return this.#askLease(random, key, packed);
      case 21:
        return this.#askLimit(random, key, packed);
      default:
        return this.#askGet(random, key, packed);
    }
  }

  /** APPEND or SETRANGE. */
  #askWrite(random: Random, key: Buffer, packed: Buffer): Asked {
    const bytes = random.bytes(random.below(random.pick([1, 30, 400, 9000])));
    const isText = random.chance(0.5);
    const data = wireOf({ isText, bytes });
    const isAppend = random.chance(0.6);
    const offset = random.below(random.pick([1, 30, 9000, 120_000]));
    const args = isAppend ? [packed, data] : [packed, packInteger(random, BigInt(offset)), data];
    return exactly(
      this.#command(random, isAppend ? 'APPEND' : 'SETRANGE', args),
      this.#model.write(key, isAppend ? undefined : offset, { isText, bytes }),
    );
  }

  /** STRLEN, GETRANGE or GETDEL. */
  #askPart(random: Random, key: Buffer, packed: Buffer): Asked {
    if (random.chance(0.3)) {
      return exactly(this.#command(random, 'STRLEN', [packed]), this.#model.length(key));
    }
    if (random.chance(0.2)) {
      const hadBucket = this.#model.hasBucket(key);
      const take = exactly(this.#command(random, 'GETDEL', [packed]), this.#model.take(key));
      return hadBucket ? { ...take, isRight: isBucket, expected: 'a bucket' } : take;
    }
    const [start, end] = [random.between(-9000, 9000), random.between(-9000, 9000)];
    const args = [start, end].map((edge) => packInteger(random, BigInt(edge)));
    const bytes = this.#command(random, 'GETRANGE', [packed, ...args]);
    return exactly(bytes, this.#model.range(key, start, end));
  }

  /** RENAME, COPY, MSET or MGET; of one key where several may be refused. */
  #askSeveral(random: Random, key: Buffer, packed: Buffer): Asked {
    const other = this.#arenas === 1 ? random.pick(KEYS.slice(0, -2)) : key;
    const packedOther = packBytes(random, other);
    if (random.chance(0.3)) {
      const args = [packed, packedOther, packInteger(random, 1n)];
      return exactly(this.#command(random, 'COPY', args), this.#model.move(key, other, true));
    }
    if (random.chance(0.3)) {
      const bytes = this.#command(random, 'RENAME', [packed, packedOther]);
      return exactly(bytes, this.#model.move(key, other, false));
    }
    if (random.chance(0.5)) {
      const values = [key, other].map((each) => {
        const value = this.#model.get(each);
        // A collection is no value.
        return value === undefined || typeof value === 'string' ? NIL : value;
      });
      const bytes = this.#command(random, 'MGET', [packed, packedOther]);
      const length = values[0]!.length + values[1]!.length;
      // Two of the largest do not fit an area together; the bytes of a bucket are not modelled.
      const isUnknown = this.#model.hasBucket(key) || this.#model.hasBucket(other);
      if (isUnknown || length > MAX_VALUE_BYTES) {
        return { bytes, isRight: () => true, expected: 'two values' };
      }
      // Joined when there is a reply: only then is the fence of a lease known.
      const isRight = (reply: Buffer) => reply.equals(Buffer.concat([Buffer.of(0x92), ...values]));
      return { bytes, isRight, expected: values.map(shorten).join() };
    }
    const any = randomValue(random);
    const large = any.length > VALUE_BYTES_MOST - other.length ? NIL : any;
    const values = [large, packInteger(random, randomInteger(random))] as const;
    const bytes = this.#command(random, 'MSET', [packed, values[0], packedOther, values[1]]);
    if (values[0].length > MAX_VALUE_BYTES) return exactly(bytes, 'TOOLARGE');
    this.#model.set(key, values[0], 0, 0);
    return exactly(bytes, this.#model.set(other, values[1], 0, 0));
  }

  #askLease(random: Random, key: Buffer, packed: Buffer): Asked {
    const owner = random.pick(OWNERS);
    const text = packBytes(random, owner);
    const isText = text[0]! < 0xc0 || text[0]! >= 0xd9;
    const ttlMs = random.pick([1, 30, 5000]);
    const ttl = packInteger(random, BigInt(ttlMs));
    if (random.chance(0.3)) {
      const bytes = this.#command(random, 'UNLOCK', [packed, text]);
      return exactly(bytes, this.#model.ofOwner(key, owner));
    }
    if (random.chance(0.3)) {
      const bytes = this.#command(random, 'EXTEND', [packed, text, ttl]);
      return exactly(bytes, this.#model.ofOwner(key, owner, ttlMs));
    }
    const bytes = this.#command(random, 'LOCK', [packed, text, ttl]);
    const expected = this.#model.acquire(key, owner, isText, ttlMs);
    if (typeof expected === 'string' || Buffer.isBuffer(expected)) return exactly(bytes, expected);
    const isRight = (reply: Buffer): boolean => {
      const fence = integerOf(reply);
      const last = this.#fences.get(key) ?? 0n;
      if (fence === undefined || fence <= last) return false;
      this.#fences.set(key, fence);
      // From now on, GET is expected to show it.
      expected.fence.writeBigUInt64BE(fence);
      return true;
    };
    return { bytes, isRight, expected: 'a larger fence' };
  }

  #askLimit(random: Random, key: Buffer, packed: Buffer): Asked {
    const cost = random.pick([0, 1, 1, 7, 60, 101]);
    const args = [packed, packInteger(random, 100n), packInteger(random, 1000n)];
    if (cost !== 1 || random.chance(0.5)) args.push(packInteger(random, BigInt(cost)));
    return exactly(this.#command(random, 'LIMIT', args), this.#model.limit(key, 100, cost));
  }

  /** Mostly on a few keys of their own, so that collections grow. */
  #askCollection(random: Random): Asked {
    const key = random.pick(random.chance(0.1) ? KEYS : COLLECTION_KEYS);
    const command = this.#collections.next(random);
    const bytes = this.#command(random, command.name, [packBytes(random, key), ...command.args]);
    const expected = this.#model.run(key, command);
    if (typeof expected === 'string' || !command.isUnordered) return exactly(bytes, expected);
    const isRight = (reply: Buffer) => hasSameItems(reply, expected);
    return { bytes, isRight, expected: `${shorten(expected)} in any order` };
  }

  #askGet(random: Random, key: Buffer, packed: Buffer): Asked {
    if (this.#model.hasBucket(key)) {
      const bytes = this.#command(random, 'GET', [packed]);
      return { bytes, isRight: isBucket, expected: 'a bucket' };
    }
    const value = this.#model.get(key);
    if (typeof value === 'string') {
      const name = random.pick(['GET', 'GETV'] as const);
      return exactly(this.#command(random, name, [packed]), value);
    }
    const original = value && this.#originals.get(value);
    if (random.chance(0.3)) {
      const bytes = this.#command(random, 'GETV', [packed]);
      return { bytes, isRight: (reply) => isVersioned(reply, value), expected: 'GETV' };
    }
    const get = exactly(this.#command(random, 'GET', [packed]), value ?? NIL);
    if (original === undefined) return get;
    return {
      ...get,
      isRight: (reply) => get.isRight(reply) && isDeepStrictEqual(unpackr.unpack(reply), original),
    };
  }

  #askSet(random: Random, key: Buffer, packed: Buffer): Asked {
    const value = this.#anyValue(random, key);
    const args = [packed, value];
    let ttlMs = 0;
    let flags = 0;
    if (random.chance(0.5)) {
      ttlMs = random.pick([0, 0, 1, 30, 5000]);
      args.push(ttlMs === 0 && random.chance(0.5) ? NIL : packInteger(random, BigInt(ttlMs)));
      if (random.chance(0.6)) {
        flags = random.pick([0, SetFlag.NX, SetFlag.XX]);
        // The bytes of a bucket are not modelled.
        if (!this.#model.hasBucket(key)) flags += random.pick([0, SetFlag.GET]);
        if (ttlMs === 0) flags += random.pick([0, SetFlag.KEEP_TTL]);
        args.push(flags === 0 && random.chance(0.5) ? NIL : packInteger(random, BigInt(flags)));
        if (random.chance(0.3)) args.push(NIL);
      }
    }
    const bytes = this.#command(random, 'SET', args);
    return exactly(bytes, this.#model.set(key, value, ttlMs, flags));
  }

  #anyValue(random: Random, key: Buffer): Buffer {
    if (random.chance(0.2)) return this.#fullValue(random, key);
    if (random.chance(0.4)) return packInteger(random, randomInteger(random));
    if (random.chance(0.5)) {
      const value = randomValue(random);
      return value.length > VALUE_BYTES_MOST ? NIL : value;
    }
    const original = plainValue(random, 0);
    const value = Buffer.from(packr.pack(original));
    this.#originals.set(value, original);
    return value;
  }

  /** A value that fills the entry's chunk to the last byte, or leaves or lacks one. */
  #fullValue(random: Random, key: Buffer): Buffer {
    const chunkBytes = random.pick(this.#chunkSizes);
    const length = chunkBytes - ENTRY_BYTES - key.length - BIN16_BYTES + random.between(-1, 1);
    if (length < 0) return NIL;
    const head = Buffer.of(0xc5, length >> 8, length & 0xff);
    return Buffer.concat([head, random.bytes(length)]);
  }

  #askForKeys(random: Random, name: CommandName, apply: (key: Buffer) => boolean): Asked {
    const keys = Array.from({ length: random.between(1, 4) }, () => random.pick(KEYS.slice(0, -2)));
    const args = keys.map((key) => packBytes(random, key));
    const count = keys.map(apply).filter(Boolean).length;
    return exactly(this.#command(random, name, args), Buffer.of(count));
  }

  #askIncrement(random: Random, key: Buffer, packed: Buffer): Asked {
    const args = [packed];
    let delta = 1n;
    if (random.chance(0.7)) {
      delta = randomInteger(random);
      args.push(packInteger(random, delta));
    }
    return exactly(this.#command(random, 'INCR', args), this.#model.increment(key, delta));
  }

  checkAll(): void {
    this.#target.check();
  }

  close(): void {
    this.#target.close();
  }
}

/** The reply must be these bytes, or an error of this code. */
function exactly(bytes: Buffer, expected: Buffer | string): Asked {
  if (typeof expected === 'string') {
    return { bytes, isRight: (reply) => errorCode(reply) === expected, expected };
  }
  return { bytes, isRight: (reply) => reply.equals(expected), expected: shorten(expected) };
}

/** The bytes of a bucket are not modelled. */
const isBucket = (reply: Buffer): boolean => reply[0] === 0x95;

/** nil, or an array of the value and an integer. */
function isVersioned(reply: Buffer, value: Buffer | undefined): boolean {
  if (value === undefined) return reply.equals(NIL);
  const valueEnd = 1 + value.length;
  if (reply[0] !== 0x92 || !reply.subarray(1, valueEnd).equals(value)) return false;
  return (integerOf(reply.subarray(valueEnd)) ?? 0n) > 0n;
}

/** Something that msgpackr packs and unpacks to an equal. */
function plainValue(random: Random, depth: number): unknown {
  switch (random.below(depth > 2 ? 5 : 7)) {
    case 0:
      return random.pick([null, true, false]);
    case 1:
      return random.word() - 2 ** 31;
    case 2:
      return random.word() / 3;
    case 3:
      return 'grüße '.repeat(random.pick([0, 1, 5, 40]));
    case 4:
      return random.bytes(random.below(300));
    case 5:
      return Array.from({ length: random.below(20) }, () => plainValue(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(20) }, (_, i) => [
          `field${i}`,
          plainValue(random, depth + 1),
        ]),
      );
  }
}

const meaningOn = (arenas: number, name: string): Fuzzer => ({
  name,
  smokeRounds: 700,
  canaries: CANARIES,
  open: (canary) => new CommandMeaning(arenas, canary),
});

export const commandMeaning: readonly Fuzzer[] = [
  meaningOn(1, 'command meaning'),
  meaningOn(2, 'command meaning on two arenas'),
  meaningOn(3, 'command meaning on three arenas'),
];
