/**
 * Death between any two steps of the kernel, in one thread and repeatable: one thread's kernel
 * (hammer-kernel.ts) is left by an exception at its k-th step, and its slot is made to look like
 * that of a thread that has ended. Another thread then recovers what it left.
 */
import { Arena, type ArenaOptions } from '#engine/arena.js';
import { NO_OS_THREAD } from '#engine/liveness.js';
import { FrameWriter, packKey } from '../concurrency/frames.mjs';
import { checkValue, writeValue } from '../concurrency/values.mjs';
import type { Kernels } from './hammer-schedules.js';
import {
  Header,
  KIB,
  PAGE_PAYLOAD,
  PARTITION_BYTES,
  PARTITIONS,
  Partition,
} from './kernel-memory.js';

export const NOW_MS = 1_800_000_000_000;
const OWNER_MASK = 0xffffn;
const ABSENT = 0;
/** No system has threads of such ids, and it is none of those that have no id. */
const NOBODY = NO_OS_THREAD - 1000;

export type DeathPlan = Pick<
  ArenaOptions,
  'memoryBytes' | 'partitions' | 'policy' | 'maxEntries' | 'maxNamespaces' | 'node'
> & {
  /** Fill values before the first operation: their number, and their bytes. */
  readonly fill?: readonly [count: number, bytes: number];
};

export interface Key {
  readonly number: number;
  readonly bytes: Buffer;
  readonly packed: Buffer;
  readonly partition: number;
}

class Killed extends Error {}

/** Steps between two looks at a recovery. */
const PAUSE = 11;

/** A thread of the arena, with its areas as buffers. */
export class Mortal {
  readonly arena: Arena;
  readonly request: Buffer;
  readonly reply: Buffer;
  readonly #writer: FrameWriter;

  constructor(arena: Arena) {
    const bufferOf = ({ buffer, byteOffset, length }: Uint8Array) =>
      Buffer.from(buffer, byteOffset, length);
    this.arena = arena;
    this.request = bufferOf(arena.request);
    this.reply = bufferOf(arena.reply);
    this.#writer = new FrameWriter(this.request.length);
  }

  /** The sequence of the value that the key has. */
  look(key: Key): number {
    const { kernel, slot } = this.arena;
    this.request.set(key.bytes);
    const length = kernel.getDirect(slot, key.bytes.length, NOW_MS);
    return length < 0 ? ABSENT : checkValue(this.reply, 0, length, key.number).sequence;
  }

  /** Whether it was stored. */
  set(key: Key, sequence: number, length: number, ttlMs = 0): boolean {
    const { kernel, slot } = this.arena;
    const keyBytes = key.bytes.length;
    this.request.set(key.bytes);
    const end = writeValue(this.request, keyBytes, key.number, slot, sequence, length);
    return kernel.setDirect(slot, keyBytes, end - keyBytes, ttlMs, 0, 0, NOW_MS) === 1;
  }

  /**
   * `set` as large values are written (engine/large.ts); whether it was stored. One that dies does
   * not give its draft up, as a caller's `finally` would.
   */
  setByDraft(key: Key, sequence: number, length: number, ttlMs = 0): boolean {
    const value = Buffer.alloc(length + KIB);
    const end = writeValue(value, 0, key.number, this.arena.slot, sequence, length);
    return this.storeDraft(key.bytes, value.subarray(0, end), ttlMs);
  }

  /** The same for any value; `keyFlag` of the key's word. */
  storeDraft(key: Uint8Array, value: Uint8Array, ttlMs: number, keyFlag = 0): boolean {
    const { kernel, slot } = this.arena;
    const word = key.length | keyFlag;
    this.request.set(key);
    const begun = kernel.draftBegin(slot, word, value.length, 0, 0, NOW_MS);
    if (begun <= 0) return false;
    const isLong = begun === kernel.DRAFT_WITH_KEY.value;
    const payload = Buffer.concat([isLong ? key : Buffer.alloc(0), value]);
    const places = Math.ceil(payload.length / PAGE_PAYLOAD);
    if (kernel.draftGrow(slot, places, NOW_MS) !== places) return false;
    for (let place = 0; place < places; place++) {
      const part = payload.subarray(place * PAGE_PAYLOAD, (place + 1) * PAGE_PAYLOAD);
      this.arena.bytes.set(part, this.reply.readUInt32LE(4 * place));
    }
    this.request.set(key);
    return kernel.draftCommit(slot, word, ttlMs, 0, 0, 0, NOW_MS) === 1;
  }

  /** Makes a draft, and gives it up. */
  dropDraft(key: Key, length: number): void {
    const { kernel, slot } = this.arena;
    this.request.set(key.bytes);
    kernel.draftBegin(slot, key.bytes.length, length, 0, 0, NOW_MS);
    kernel.draftGrow(slot, 9, NOW_MS);
    kernel.draftAbort(slot);
  }

  delete(key: Key): void {
    const { kernel, slot } = this.arena;
    this.request.set(key.bytes);
    kernel.deleteDirect(slot, key.bytes.length, NOW_MS);
  }

  /** A command of a key and perhaps a number. */
  command(code: number, key: Key, argument?: number): void {
    const { kernel, slot } = this.arena;
    this.#writer.begin();
    this.#writer.command(code, key.packed, argument === undefined ? 0 : 1);
    if (argument !== undefined) this.#writer.integer(argument);
    const frame = this.#writer.finish();
    this.request.set(frame);
    kernel.exec(slot, 0, frame.length, NOW_MS);
  }
}

/** What a thread was doing when it died. */
export interface Operation {
  /** Before: makes the arena what the operation needs. */
  readonly prepare?: (deaths: Deaths) => void;
  readonly run: (mortal: Mortal, deaths: Deaths) => void;
  /** Keys that may be absent afterwards, or have the sequence NEW. */
  readonly touches?: readonly number[];
  /** Entries of partitions that were not locked may be gone, too. */
  readonly evicts?: boolean;
  /** Afterwards: looks at what else must hold. */
  readonly verify?: (deaths: Deaths) => void;
}

export const OLD = 1;
export const NEW = 2;
/** Keys of the arena: their numbers, and how long the values are that they begin with. */
const LENGTHS = [20, 40, 40, 100, 300, 1000, 3000, 8100, 9000, 20_000, 60, 60, 60, 60, 60, 60];
/** Keys that are not there in the beginning. */
export const FRESH = LENGTHS.length;
const KEYS = FRESH + 4;

/** One arena, whose memory goes back to what it was before each death. */
export class Deaths {
  readonly survivor: Mortal;
  readonly keys: readonly Key[];
  /** One more key, whose value is no checked one. */
  readonly counter: Key;
  readonly #victims: readonly Mortal[];
  readonly #view: DataView;
  readonly #bytes: Buffer;
  readonly #evicts: boolean;
  #snapshot = Buffer.alloc(0);
  /** Deaths under a partition's lock; takeovers that left the entries, and that emptied. */
  held = 0;
  kept = 0;
  emptied = 0;

  constructor({ interrupted: module, other }: Kernels, plan: DeathPlan, hashSeed: number) {
    const { fill, ...options } = plan;
    const arena = Arena.create({ ...options, maxValueBytes: 150 * KIB, maxThreads: 4 });
    this.#view = new DataView(arena.handle.memory.buffer);
    this.#bytes = Buffer.from(arena.handle.memory.buffer);
    this.#view.setUint32(Header.hashSeed, hashSeed, true);
    this.#evicts = plan.policy !== 'none';
    this.survivor = new Mortal(other ? Arena.attach({ ...arena.handle, module: other }) : arena);
    this.#victims = [0, 1].map(() => new Mortal(Arena.attach({ ...arena.handle, module })));
    this.keys = Array.from({ length: KEYS }, (_, i) => this.#makeKey(i));
    this.counter = this.#makeKey(KEYS);
    if (fill) this.#fill(...fill);
    LENGTHS.forEach((length, i) => {
      if (!this.survivor.set(this.keys[i]!, OLD, length)) throw new Error('the arena is too small');
    });
    this.save();
  }

  #makeKey(number: number): Key {
    const name = `key ${number}`;
    const bytes = Buffer.from(number === 9 || number === FRESH + 3 ? name.padEnd(3000, '-') : name);
    return { number, bytes, packed: packKey(bytes), partition: this.partitionOf(bytes) };
  }

  partitionOf(key: Buffer): number {
    const { arena, request } = this.survivor;
    request.set(key);
    const seed = this.#view.getUint32(Header.hashSeed, true);
    const hash = arena.kernel.xxh32(request.byteOffset, key.length, seed) >>> 0;
    return Math.floor(hash / (2 ** 32 / arena.facts.partitions));
  }

  #fill(count: number, bytes: number): void {
    const { arena, request } = this.survivor;
    for (let i = 0; i < count; i++) {
      const key = Buffer.from(`filling ${i}`);
      request.set(key);
      request.fill(1, key.length, key.length + bytes);
      arena.kernel.setDirect(arena.slot, key.length, bytes, 0, 0, 0, NOW_MS);
    }
  }

  /** The arena is from now on as it is now before each operation. */
  save(): void {
    this.#snapshot = Buffer.from(this.#bytes);
  }

  restore(): void {
    this.#bytes.set(this.#snapshot);
  }

  /** Steps of an operation. */
  countSteps(operation: Operation): number {
    this.restore();
    return this.#run(this.#victims[0]!, Number.POSITIVE_INFINITY, (victim) =>
      operation.run(victim, this),
    );
  }

  /**
   * Lets a thread die at step `step` of an operation, another one at step `secondStep` of the
   * recovery, and checks what the survivor meets.
   * @throws Error when anything is wrong
   */
  die(operation: Operation, step: number, secondStep?: number): void {
    this.restore();
    const [first, second] = this.#victims as [Mortal, Mortal];
    this.#run(first, step, (victim) => operation.run(victim, this));
    this.#bury(first);
    const locked = this.#locked();
    if (secondStep !== undefined) {
      // Before it dies: what it makes its own, it makes that of a thread that has ended.
      this.#bury(second);
      this.#run(second, secondStep, ({ arena }) => arena.reapThreads());
    }
    if (locked.length > 0) this.held++;
    const dead = this.#victims.filter(({ arena }) => this.#isBuried(arena)).length;
    const freed = this.survivor.arena.reapThreads();
    // The second one may have freed the first one's.
    if (freed !== dead && secondStep === undefined)
      throw new Error(`${freed} slots of ${dead} were freed`);
    this.#check(operation, locked);
  }

  /** Steps of the recovery from a death. */
  countRecoverySteps(operation: Operation, step: number): number {
    this.restore();
    const [first, second] = this.#victims as [Mortal, Mortal];
    this.#run(first, step, (victim) => operation.run(victim, this));
    this.#bury(first);
    return this.#run(second, Number.POSITIVE_INFINITY, ({ arena }) => arena.reapThreads());
  }

  /**
   * Lets a thread die at step `step` of an operation, and a third one check the integrity at every
   * eleventh step of the recovery by the second one at which it would not have to wait; how often
   * it did. At every step, the second one would never get a lock: each check moves its word.
   */
  dieWatched(operation: Operation, step: number): number {
    this.restore();
    const [first, second] = this.#victims as [Mortal, Mortal];
    this.#run(first, step, (victim) => operation.run(victim, this));
    this.#bury(first);
    let checks = 0;
    let next = step % PAUSE;
    const look = (at: number) => {
      if (at < next || this.#locked().length > 0) return;
      next = at + PAUSE;
      this.#checkIntegrity(`at step ${at} of the recovery from a death at step ${step}`);
      checks++;
    };
    const recover = ({ arena }: Mortal) => arena.reapThreads();
    this.#run(second, Number.POSITIVE_INFINITY, recover, look);
    return checks;
  }

  /** Runs until the given step, calling `each` at those before it; how many steps it took. */
  #run(
    victim: Mortal,
    step: number,
    operation: (victim: Mortal) => void,
    each?: (step: number) => void,
  ): number {
    const realNow = Date.now;
    let steps = 0;
    Date.now = () => {
      steps++;
      if (steps === step) throw new Killed('dies here');
      each?.(steps);
      return NOW_MS;
    };
    try {
      operation(victim);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    } finally {
      Date.now = realNow;
    }
    return steps;
  }

  /** Makes the slot that of a thread that has ended. */
  #bury({ arena }: Mortal): void {
    this.#view.setUint32(arena.block.byteOffset, NOBODY + arena.slot, true);
  }

  #isBuried({ block }: Arena): boolean {
    return this.#view.getUint32(block.byteOffset, true) >= NOBODY;
  }

  /** Partitions whose lock is held. */
  #locked(): number[] {
    const { partitions } = this.survivor.arena.facts;
    return Array.from({ length: partitions }, (_, i) => i).filter((i) => {
      const word = this.#view.getBigUint64(PARTITIONS + i * PARTITION_BYTES, true);
      return (word & OWNER_MASK) !== 0n;
    });
  }

  #emptiedPartitions(): number[] {
    const { partitions } = this.survivor.arena.facts;
    return Array.from({ length: partitions }, (_, i) => i).filter(
      (i) => this.#view.getUint32(PARTITIONS + i * PARTITION_BYTES + Partition.emptied, true) > 0,
    );
  }

  #check(operation: Operation, locked: number[]): void {
    const { arena } = this.survivor;
    const left = this.#locked();
    if (left.length > 0) throw new Error(`partitions ${left} are still locked`);
    const { takeovers } = arena.stats();
    // A partition that was emptied twice, because the first rescuer died, may count twice.
    const emptied = this.#emptiedPartitions();
    if (takeovers < locked.length) throw new Error(`${takeovers} takeovers of ${locked.length}`);
    const wrongly = emptied.filter((partition) => !locked.includes(partition));
    if (wrongly.length > 0) throw new Error(`${wrongly} were emptied and not locked`);
    this.emptied += emptied.length;
    this.kept += locked.length - emptied.length;
    this.#checkIntegrity('after the recovery');
    const mayMiss = new Set(emptied);
    for (const key of this.keys) this.#checkKey(operation, key, mayMiss);
    operation.verify?.(this);
    for (const key of this.keys) this.survivor.set(key, NEW, 50 + key.number * 100);
    this.#checkIntegrity('after more writes');
    if (this.#evicts) return;
    for (const key of this.keys) {
      if (this.survivor.look(key) !== NEW) throw new Error(`key ${key.number} was not written`);
    }
  }

  #checkIntegrity(when: string): void {
    const broken = this.survivor.arena.checkIntegrity();
    if (broken !== undefined) throw new Error(`integrity ${when}: ${broken}`);
  }

  #checkKey(operation: Operation, key: Key, mayMiss: Set<number>): void {
    const found = this.survivor.look(key);
    const before = key.number < FRESH ? OLD : ABSENT;
    if (found === before) return;
    const isTouched = operation.touches?.includes(key.number) ?? false;
    if (found === NEW && isTouched) return;
    const mayBeAbsent = isTouched || operation.evicts || mayMiss.has(key.partition);
    if (found === ABSENT && mayBeAbsent) return;
    throw new Error(`key ${key.number} has ${found} instead of ${before}`);
  }
}
