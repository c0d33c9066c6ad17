/**
 * Schedules of two threads, in one thread and repeatable: one thread's kernel (hammer-kernel.ts)
 * is interrupted between any two of its steps, and there the other thread runs some commands
 * whole. What threads of the system do once in a million times, this does all the time.
 *
 * It cannot show what processors reorder, nor a second thread that is itself interrupted. Where
 * the first one holds a partition's lock, the other leaves that partition alone: it would wait
 * for ever.
 */
import { Arena, type ArenaOptions } from '#engine/arena.js';
import { FrameExecutor, isFault } from '#engine/frame.js';
import { endOf, errorAt, FrameWriter, packKey } from '../concurrency/frames.mjs';
import { checkValue, writeValue } from '../concurrency/values.mjs';
import { Random } from './fuzz-random.mjs';
import { Header, PARTITION_BYTES, PARTITIONS } from './kernel-memory.js';
import { NO_VALUES, type Scanned, type ScannedEntry, START, scan } from './kernel-scan.js';

const NOW_MS = 1_800_000_000_000;
const OWNER_MASK = 0xffffn;
const NIL = 0xc0;
const TRUE = 0xc3;
/** What a look at a key says when it is absent. Sequences begin at 1. */
const ABSENT = 0;
const KEYS = 60;
/** Half of everything is done to these. */
const HOT_KEYS = 6;
const SIZES = [20, 30, 40, 60, 100, 300, 1000, 3000, 8100, 8150, 9000, 20_000, 60_000];
/** Room that a frame keeps for one more command. */
const COMMAND_ROOM = 4000;

export type SchedulePlan = Pick<
  ArenaOptions,
  'memoryBytes' | 'partitions' | 'policy' | 'maxEntries'
>;

export interface Kernels {
  /** With yields (hammer-kernel.ts). */
  interrupted: WebAssembly.Module;
  other?: WebAssembly.Module;
}

interface Key {
  number: number;
  bytes: Buffer;
  packed: Buffer;
  partition: number;
}

type Check = (bytes: Buffer, at: number, end: number) => void;

/** A thread of the arena, with its areas as buffers. */
class Thread {
  readonly arena: Arena;
  readonly request: Buffer;
  readonly reply: Buffer;

  constructor(arena: Arena) {
    const bufferOf = ({ buffer, byteOffset, length }: Uint8Array) =>
      Buffer.from(buffer, byteOffset, length);
    this.arena = arena;
    this.request = bufferOf(arena.request);
    this.reply = bufferOf(arena.reply);
  }

  /** The sequence of the value that the key has. */
  look(key: Key): number {
    const { kernel, slot } = this.arena;
    this.request.set(key.bytes);
    const length = kernel.getDirect(slot, key.bytes.length, NOW_MS);
    return length < 0 ? ABSENT : checkValue(this.reply, 0, length, key.number).sequence;
  }

  set(key: Key, sequence: number, length: number, ttlMs: number): void {
    const { kernel, slot } = this.arena;
    const keyBytes = key.bytes.length;
    this.request.set(key.bytes);
    const end = writeValue(this.request, keyBytes, key.number, slot, sequence, length);
    const status = kernel.setDirect(slot, keyBytes, end - keyBytes, ttlMs, 0, 0, NOW_MS);
    if (status < 0 && this.arena.errorOf(status).code !== 'OOM') throw this.arena.errorOf(status);
  }

  delete(key: Key): void {
    const { kernel, slot } = this.arena;
    this.request.set(key.bytes);
    kernel.deleteDirect(slot, key.bytes.length, NOW_MS);
  }
}

/** One arena and its two threads. */
export class Schedules {
  readonly #random: Random;
  readonly #interrupted: Thread;
  readonly #other: Thread;
  readonly #executor: FrameExecutor<undefined>;
  readonly #writer: FrameWriter;
  readonly #memory: DataView;
  readonly #keys: Key[];
  readonly #partitions: number;
  readonly #evicts: boolean;
  #sequence = 0;
  /** What each key of the operation at hand has had since it began. */
  #seen = new Map<Key, Set<number>>();
  /** Interruptions that are still to come, and the yields before the next one. */
  #interruptions = 0;
  #countdown = 0;
  interrupted = 0;

  /** @param kernels what the two threads run; the other one by default what everybody runs */
  constructor(kernels: Kernels, plan: SchedulePlan, seed: number) {
    this.#random = new Random(seed);
    const arena = Arena.create({ ...plan, maxValueBytes: 128 * 1024, maxThreads: 3 });
    const { handle } = arena;
    const { interrupted, other = handle.module } = kernels;
    this.#memory = new DataView(handle.memory.buffer);
    // Before there is any key: the seed of the hashes is what else is random.
    this.#memory.setUint32(Header.hashSeed, this.#random.word(), true);
    this.#partitions = arena.facts.partitions;
    this.#evicts = plan.policy !== 'none';
    this.#interrupted = new Thread(Arena.attach({ ...handle, module: interrupted }));
    this.#other = new Thread(Arena.attach({ ...handle, module: other }));
    this.#executor = new FrameExecutor(this.#interrupted.arena, () => null, { now: () => NOW_MS });
    this.#writer = new FrameWriter(this.#interrupted.request.length);
    this.#keys = Array.from({ length: KEYS }, (_, i) => this.#makeKey(i));
    for (let i = 0; i < KEYS; i++) this.#setSome(this.#pickKey());
  }

  #makeKey(number: number): Key {
    let name = `key ${number}`;
    if (number % 13 === 5) name = name.padEnd(3000, 'long');
    else if (number % 7 === 3) name = name.padEnd(45, '-');
    const bytes = Buffer.from(name);
    return { number, bytes, packed: packKey(bytes), partition: this.#partitionOf(bytes) };
  }

  #partitionOf(key: Buffer): number {
    const { kernel, request } = this.#other.arena;
    request.set(key);
    const seed = this.#memory.getUint32(Header.hashSeed, true);
    const hash = kernel.xxh32(request.byteOffset, key.length, seed) >>> 0;
    return Math.floor(hash / (2 ** 32 / this.#partitions));
  }

  #isLocked(partition: number): boolean {
    const word = this.#memory.getBigUint64(PARTITIONS + partition * PARTITION_BYTES, true);
    return (word & OWNER_MASK) !== 0n;
  }

  #pickKey(): Key {
    return this.#random.pick(this.#random.chance(0.5) ? this.#keys.slice(0, HOT_KEYS) : this.#keys);
  }

  #length(): number {
    return this.#random.pick(SIZES) + this.#random.below(9);
  }

  #setSome(key: Key): void {
    const ttlMs = this.#random.chance(0.4) ? 1000 : 0;
    this.#other.set(key, ++this.#sequence, this.#length(), ttlMs);
  }

  /**
   * Runs operations with interruptions.
   * @throws Error when a reply is none that any order of the commands could give, or the arena is
   * broken afterwards
   */
  run(operations: number): void {
    const realNow = Date.now;
    let isInside = false;
    Date.now = () => {
      if (!isInside) {
        isInside = true;
        this.#yield();
        isInside = false;
      }
      return NOW_MS;
    };
    try {
      for (let i = 0; i < operations; i++) this.#operate();
    } finally {
      Date.now = realNow;
    }
  }

  #operate(): void {
    this.#seen = new Map();
    const run = this.#pickOperation();
    this.#note();
    this.#interruptions = this.#random.between(1, 3);
    this.#countdown = this.#random.below(this.#random.pick([2, 8, 40, 200, 1000, 4000]));
    const check = run();
    this.#interruptions = 0;
    check();
    const broken = this.#other.arena.checkIntegrity();
    if (broken !== undefined) throw new Error(`integrity: ${broken}`);
  }

  #pickOperation(): () => () => void {
    const what = this.#random.below(10);
    if (what < 3) return this.#readDirectly();
    return what < 4 ? this.#scanAll() : this.#runFrame();
  }

  /** A walk over all entries, to its end. */
  #scanAll(): () => () => void {
    for (const key of this.#keys) this.#seen.set(key, new Set());
    const count = this.#random.pick([1, 10, 500]);
    const maxValueBytes = this.#random.pick([NO_VALUES, 400, 128 * 1024]);
    return () => {
      const { arena } = this.#interrupted;
      const found: ScannedEntry[] = [];
      let cursor = START;
      do {
        const scanned = scan(arena, cursor, count, maxValueBytes, NOW_MS);
        found.push(...scanned.entries);
        cursor = scanned.cursor;
        this.#checkCurrent(scanned);
      } while (cursor !== START);
      return () => this.#judgeScan(found, maxValueBytes);
    };
  }

  /** As long as the partition's word is the one that a batch names, all of the batch is true. */
  #checkCurrent({ word, partition, entries }: Scanned): void {
    if (this.#memory.getBigUint64(partition, true) !== word) return;
    for (const { key: name, value } of entries) {
      const key = this.#keys.find(({ bytes }) => bytes.equals(name));
      if (key === undefined) continue;
      const sequence = this.#other.look(key);
      const isSame = value
        ? sequence === checkValue(value, 0, value.length, key.number).sequence
        : sequence !== ABSENT;
      if (!isSame) throw new Error(`a walk saw key ${key.number} as it was before`);
    }
  }

  #judgeScan(found: readonly ScannedEntry[], maxValueBytes: number): void {
    const byName = new Map(found.map((entry) => [entry.key.toString('latin1'), entry]));
    if (byName.size !== found.length) throw new Error('a walk saw a key twice');
    for (const key of this.#keys) {
      const entry = byName.get(key.bytes.toString('latin1'));
      byName.delete(key.bytes.toString('latin1'));
      if (entry === undefined) this.#judge('a walk', key, ABSENT);
      else this.#judgeScanned(key, entry, maxValueBytes);
    }
    for (const name of byName.keys()) {
      if (!/^filling \d+$/.test(name)) throw new Error(`a walk saw a torn key: ${name}`);
    }
  }

  #judgeScanned(key: Key, { value, valueBytes }: ScannedEntry, maxValueBytes: number): void {
    if ((value !== undefined) !== valueBytes <= maxValueBytes) {
      throw new Error(`a walk up to ${maxValueBytes} saw ${value?.length} of ${valueBytes} bytes`);
    }
    if (value === undefined) return;
    const { sequence } = checkValue(value, 0, value.length, key.number);
    this.#judge('a walk', key, sequence);
  }

  #readDirectly(): () => () => void {
    const key = this.#pickKey();
    this.#seen.set(key, new Set());
    return () => {
      const { arena, request, reply } = this.#interrupted;
      request.set(key.bytes);
      const length = arena.kernel.getDirect(arena.slot, key.bytes.length, NOW_MS);
      return () => {
        const sequence = length < 0 ? ABSENT : checkValue(reply, 0, length, key.number).sequence;
        this.#judge('getDirect', key, sequence);
      };
    };
  }

  #runFrame(): () => () => void {
    const checks: Check[] = [];
    this.#writer.begin();
    for (let left = this.#random.pick([1, 3, 8, 32, 40]); left > 0; left--) {
      if (this.#writer.room < COMMAND_ROOM) break;
      checks.push(this.#addCommand());
    }
    return () => {
      const result = this.#executor.execute(this.#writer.finish(), undefined);
      return () => {
        if (isFault(result)) throw new Error(`refused: ${result.reason}`);
        const bytes = Buffer.from(result.buffer, result.byteOffset, result.byteLength);
        let at = endOf(bytes, 0);
        for (const check of checks) {
          const end = endOf(bytes, at);
          check(bytes, at, end);
          at = end;
        }
      };
    };
  }

  #addCommand(): Check {
    const key = this.#pickKey();
    if (!this.#seen.has(key)) this.#seen.set(key, new Set());
    const what = this.#random.below(10);
    const length = this.#length();
    if (what < 2 && this.#writer.room > length + COMMAND_ROOM) {
      const sequence = ++this.#sequence;
      this.#seen.get(key)!.add(sequence);
      this.#writer.command(0x11, key.packed, 1);
      const { slot } = this.#interrupted.arena;
      this.#writer.argument((target, at) =>
        writeValue(target, at, key.number, slot, sequence, length),
      );
      return (bytes, at, end) => {
        const error = errorAt(bytes, at, end) ?? '';
        if (bytes[at] !== TRUE && !error.startsWith('OOM ')) throw new Error(`SET: ${error}`);
      };
    }
    if (what < 3) {
      this.#writer.command(0x12, key.packed, 0);
      this.#seen.get(key)!.add(ABSENT);
      return (bytes, at) => {
        if (bytes[at]! > 1) throw new Error(`DEL replied ${bytes[at]}`);
      };
    }
    const isVersioned = what < 4;
    this.#writer.command(isVersioned ? 0x18 : 0x10, key.packed, 0);
    return (bytes, at, end) => {
      if (errorAt(bytes, at, end)?.startsWith('OOM ')) return;
      const start = isVersioned ? at + 1 : at;
      const isAbsent = bytes[at] === NIL;
      const valueEnd = isVersioned && !isAbsent ? endOf(bytes, start) : end;
      const sequence = isAbsent ? ABSENT : checkValue(bytes, start, valueEnd, key.number).sequence;
      this.#judge(isVersioned ? 'GETV' : 'GET', key, sequence);
    };
  }

  #judge(what: string, key: Key, sequence: number): void {
    const seen = this.#seen.get(key)!;
    // What a frame's own writes evicted is gone without anybody having noted it.
    if (seen.has(sequence) || (sequence === ABSENT && this.#evicts)) return;
    throw new Error(`${what} of key ${key.number} saw ${sequence}, it had only ${[...seen]}`);
  }

  /** Between two steps of the interrupted thread. */
  #yield(): void {
    if (this.#interruptions === 0 || this.#countdown-- > 0) return;
    this.#interruptions--;
    this.#countdown = this.#random.below(this.#random.pick([2, 20, 200]));
    this.interrupted++;
    for (let left = this.#random.between(1, 5); left > 0; left--) {
      this.#interfere();
      this.#note();
    }
  }

  /** Writes down what the keys of the operation have now. */
  #note(): void {
    for (const [key, seen] of this.#seen) {
      if (!this.#isLocked(key.partition)) seen.add(this.#other.look(key));
    }
  }

  /** Something that the other thread does. */
  #interfere(): void {
    const what = this.#random.below(20);
    if (what === 0) this.#fillUp();
    else if (what === 1) this.#clear();
    else {
      const key = this.#pickKey();
      if (this.#isLocked(key.partition)) return;
      if (what < 7) this.#other.delete(key);
      else this.#setSome(key);
    }
  }

  #clear(): void {
    for (let i = 0; i < this.#partitions; i++) if (this.#isLocked(i)) return;
    this.#other.arena.clear();
  }

  /** Many small entries: pages change their class, and tables split. */
  #fillUp(): void {
    const { arena, request } = this.#other;
    for (let i = 0; i < 300; i++) {
      const key = Buffer.from(`filling ${this.#random.below(5000)}`);
      if (this.#isLocked(this.#partitionOf(key))) continue;
      request.set(key);
      request.fill(1, key.length, key.length + 10);
      arena.kernel.setDirect(arena.slot, key.length, 10, 0, 0, 0, NOW_MS);
    }
  }
}
