/** One cache and its model, side by side: random calls by every way there is. */
import { attachCache, type Cache, SlabringError } from 'slabring';
import { vi } from 'vitest';
import type { Arena, ArenaStats } from '#engine/arena.js';
import type { ArenaSet } from '#engine/arena-set.js';
import { Cache as EngineCache } from '#engine/cache.js';
import { readCacheOptions } from '#engine/config.js';
import { type Frames, isFault } from '#engine/frame.js';
import { readReply, readVersioned } from '#engine/reply.js';
import { createExecutor } from '#engine/routed-frame.js';
import { openStructures, type Structures } from '#engine/structures.js';
import { Mirror } from '../support/changes-mirror.js';
import type { Random } from '../support/kernel-random.js';
import { frame, valuesOf, type Wire } from '../support/kernel-wire.js';
import type { Axes } from './cache-axes.js';
import { CALLS, type Call, get, nextCall, type Source, setManyOf, spoil } from './cache-calls.js';
import { checkMirror, checkTotals, within } from './cache-checks.js';
import { asIs, CacheModel, Refusal } from './cache-model.js';
import { FEW, MAX_VALUE_BYTES, maxEntriesOf, openRepeatable, optionsOf } from './cache-open.js';
import { type ModelKey, makeKeys, textKey, ValueSource } from './cache-values.js';
import { Walks } from './cache-walks.js';

const KEYS = 160;
/** A table splits at 13/16 of its 12,288 slots. */
const CROWD = 10_500;
const CROWD_AT_ONCE = 500;
/** The step before which the crowd comes. */
const CROWDED = 700;
const HOT_KEYS = 10;
const MAX_FRAME_BYTES = 200 * 1024;

export const START = Date.UTC(2030, 0, 1);
/** Upkeep comes twice a second, and a tick of the wheel (engine/kernel/wheel.ts) is 512 ms. */
const UPKEEP_MS = 1100;

/** Buffers that were handed out, with what was in them: they must belong to whoever has them. */
const KEPT_BUFFERS = 8;

interface Story {
  /** Steps. */
  left: number;
  readonly calls: readonly ((source: Source) => Call)[];
}

export class Run {
  readonly model: CacheModel;
  /** The last calls, for the message of a failure. */
  readonly last: string[] = [];
  readonly seen = new Set<string>();
  readonly #axes: Axes;
  readonly #random: Random;
  readonly #source: Source;
  readonly #set: ArenaSet;
  readonly #cache: Cache;
  readonly #frames: Frames<undefined>;
  readonly #structures: Structures | undefined;
  readonly #keys: readonly ModelKey[];
  readonly #crowdKeys: readonly ModelKey[];
  readonly #allKeys: readonly ModelKey[];
  #steps = 0;
  readonly #walks: Walks;
  readonly #maxEntries: number | undefined;
  readonly #isExact: boolean;
  readonly #kept: { bytes: Buffer; copy: Buffer }[] = [];
  #hotKeys: readonly ModelKey[];
  #lastKey: ModelKey;
  #story: Story | undefined;
  #other: Cache | undefined;
  #mirror: Mirror | undefined;
  /** The handle that it reads by. */
  #watcher: Cache | undefined;
  /** What was counted before and after the mirror began, which takes memory, and may evict. */
  #mirroredFrom: readonly ArenaStats[] = [];
  /** Entries that clear() took. */
  #cleared = 0;

  /** The clock must be a false one already: versions begin at the time of creation. */
  constructor(axes: Axes, random: Random) {
    this.#axes = axes;
    this.#random = random;
    this.#maxEntries = maxEntriesOf(axes);
    const isTight = axes.memory === 'tight';
    const { arena, defaultTtlMs, decoded } = readCacheOptions(optionsOf(axes));
    this.#set = openRepeatable(arena, random);
    this.#cache = new EngineCache(this.#set, defaultTtlMs, decoded);
    this.#structures = openStructures(this.#set.arenas[0]!);
    const refuse = (): never => {
      throw new SlabringError('INTERNAL', 'no command of the host');
    };
    this.#frames = createExecutor<undefined>(this.#set, refuse);
    this.#isExact = axes.policy === 'none' || (!isTight && axes.maxEntries === 'none');
    this.model = new CacheModel({
      mayEvict: !this.#isExact,
      mayRefuse: (key) => axes.policy === 'none' && (isTight || this.#isFull(key)),
    });
    this.#keys = makeKeys(KEYS);
    this.#crowdKeys = this.#hasCrowd ? this.#makeCrowd() : [];
    this.#allKeys = [...this.#keys, ...this.#crowdKeys];
    this.#hotKeys = this.#keys.slice(0, HOT_KEYS);
    this.#lastKey = this.#keys[0]!;
    this.#source = {
      random,
      model: this.model,
      values: new ValueSource(random, axes.values),
      key: () => this.#someKey(),
      defaultTtl: axes.ttl,
      maxValueBytes: MAX_VALUE_BYTES,
    };
    this.#walks = new Walks(this.model, random, this.#isExact, this.seen);
    if (axes.handles === 2) this.#attach();
    if (axes.changes === 'on') this.#watch();
  }

  /** One random thing. */
  step(): void {
    if (this.#steps++ === CROWDED && this.#hasCrowd) this.#gather();
    if (this.#story) {
      this.#tell(this.#story);
      return;
    }
    const dice = this.#random.below(1000);
    if (dice < 20) this.#pass();
    else if (dice < 60) this.#beginStory();
    else if (dice < 80) this.#do('walk', () => this.#walks.step(this.#handle()));
    else if (dice < 84) this.#forEach();
    else if (dice < 86) this.#clear();
    else if (dice < 88) this.#do('size', () => this.#checkSize());
    else if (dice < 92) this.#comeAndGo();
    else if (dice < 110) this.#do('read changes', () => this.#mirror?.catchUp(this.#some()));
    else if (dice < 250 && this.#axes.frames) this.#frame();
    else this.#call();
  }

  /**
   * Goes on with a story of one key and few kinds of calls: what one of them leaves behind is what
   * the next one meets.
   */
  #tell(story: Story): void {
    const random = this.#random;
    if (--story.left === 0) this.#story = undefined;
    if (random.chance(0.2)) this.#pass();
    else if (random.chance(0.45)) this.#make(get(this.#source));
    else this.#make(random.pick(story.calls)(this.#source));
  }

  #beginStory(): void {
    const random = this.#random;
    this.#lastKey = this.#anotherKey();
    this.#story = { left: random.between(4, 16), calls: [random.pick(CALLS), random.pick(CALLS)] };
  }

  #comeAndGo(): void {
    const { handles, changes } = this.#axes;
    if (handles === 2 && (changes !== 'now and then' || this.#random.chance(0.5))) this.#attach();
    else if (changes === 'now and then' && this.#mirror) this.#unwatch();
    else if (changes === 'now and then') this.#watch();
  }

  /** Everything that must hold at any time. */
  check(): void {
    this.#do('check', () => {
      const broken = this.#cache.checkIntegrity();
      if (broken !== undefined) throw new Error(broken);
      this.#checkStats();
      this.#checkMirror();
      for (const { bytes, copy } of this.#kept) {
        if (!bytes.equals(copy)) throw new Error('bytes that were handed out have changed');
      }
    });
  }

  /** Reads every key by every handle, and all of them by walks. */
  finish(): void {
    for (const cache of [this.#cache, this.#other]) {
      if (!cache) continue;
      this.#do('all keys', () => this.#walks.whole(cache));
      for (const key of this.#allKeys) {
        const [form] = key.forms;
        this.#do(`last get ${key.id.slice(0, 24)}`, () =>
          this.model.apply(key.id, cache.get(form!), (state) => this.model.read(state)),
        );
      }
    }
    this.check();
  }

  close(): void {
    this.#mirror?.changes.close();
    this.#other?.close();
    this.#cache.close();
  }

  #do(text: string, action: () => unknown): void {
    this.last.push(text);
    if (this.last.length > 12) this.last.shift();
    action();
  }

  #some(): number {
    return this.#random.below(this.#random.chance(0.5) ? 30 : 3000);
  }

  #someKey(): ModelKey {
    const random = this.#random;
    if (random.chance(0.005)) {
      this.#hotKeys = Array.from({ length: HOT_KEYS }, () => random.pick(this.#keys));
    }
    if (this.#story && random.chance(0.9)) return this.#lastKey;
    this.#lastKey = this.#anotherKey();
    return this.#lastKey;
  }

  #anotherKey(): ModelKey {
    const random = this.#random;
    if (random.chance(0.5)) return random.pick(this.#hotKeys);
    return random.pick(this.#hasCrowd && random.chance(0.1) ? this.#crowdKeys : this.#keys);
  }

  #handle(): Cache {
    return this.#other && this.#random.chance(0.5) ? this.#other : this.#cache;
  }

  get #hasCrowd(): boolean {
    return this.#axes.crowd && this.#axes.maxEntries === 'none';
  }

  /** Keys of one partition, and of no other. */
  #makeCrowd(): ModelKey[] {
    const crowd: ModelKey[] = [];
    for (let i = 0; crowd.length < CROWD; i++) {
      const key = `one of many: ${i}`;
      if (this.#locate(Buffer.from(key)) === 0) crowd.push(textKey(key));
    }
    return crowd;
  }

  /** Writes many keys, which stay until something takes them. */
  #gather(): void {
    const ttl = this.#random.pick([0, 3000]);
    for (let first = 0; first < CROWD; first += CROWD_AT_ONCE) {
      const keys = this.#crowdKeys.slice(first, first + CROWD_AT_ONCE);
      const entries = keys.map(({ id }, i): [string, unknown] => [id, first + i]);
      this.#make(setManyOf(this.#source, keys, entries, { options: { ttl }, write: { ttl } }));
    }
    this.seen.add(this.#cache.stats().tableSplits > 0 ? 'split' : 'no split');
  }

  /** Attaches another handle in place of the one there was. */
  #attach(): void {
    if (this.#other && this.#watcher === this.#other) this.#unwatch();
    this.#do('attach', () => {
      this.#walks.forget(this.#other);
      this.#other?.close();
      this.#other = attachCache(this.#cache.share());
    });
    if (this.#axes.changes === 'on' && !this.#mirror) this.#watch();
  }

  /** Begins to read the change log. */
  #watch(): void {
    this.#do('changes begin', () => {
      const watcher = this.#handle();
      try {
        const before = this.#cache.stats();
        const changes = watcher.changes();
        this.#mirroredFrom = [before, this.#cache.stats()];
        this.#mirror = new Mirror(this.#cache, changes);
        this.#watcher = watcher;
        this.seen.add('mirror');
      } catch (error) {
        // Where all pages are in use, there is none for the log.
        const isFull = error instanceof SlabringError && error.code === 'OOM';
        if (!isFull || this.#axes.memory === 'ample') throw error;
        this.seen.add('no memory for the log');
      }
    });
  }

  #unwatch(): void {
    this.#do('changes end', () => {
      this.#checkMirror();
      this.#mirror?.changes.close();
      this.#mirror = undefined;
    });
  }

  /** Time passes: a moment, or seconds in which upkeep has its turns. */
  #pass(): void {
    const random = this.#random;
    const ms = random.pick(random.chance(0.3) ? [500, 1500, 4000] : [1, 5, 40, 200]);
    if (random.chance(0.7)) {
      this.#do(`${ms} ms without upkeep`, () => vi.setSystemTime(Date.now() + ms));
      return;
    }
    this.#do(`${ms} ms`, () => vi.advanceTimersByTime(ms));
    if (ms < UPKEEP_MS || !this.#isExact) return;
    const { entries } = this.#cache.stats();
    within('entries that upkeep left', entries, 0, this.model.mostAt(Date.now() - UPKEEP_MS));
  }

  #clear(): void {
    this.#do('clear', () => {
      const before = this.#cache.stats().entries;
      this.#handle().clear();
      this.#cleared += before;
      this.model.clear();
      this.seen.add('cleared');
    });
  }

  /** `forEach`, with calls in the middle of it. */
  #forEach(): void {
    const cache = this.#handle();
    this.#do('forEach', () => {
      const walk = this.#walks.begin('entries');
      cache.forEach((value, key) => {
        this.#walks.take(walk, [key, value]);
        if (this.#random.chance(0.1)) this.#call();
      });
      this.#walks.end(walk);
    });
  }

  #call(): void {
    this.#make(nextCall(this.#source));
  }

  #make(call: Call): void {
    this.#do(call.text, () => {
      const reply = outcomeOf(() => call.direct(this.#handle()));
      this.#note(call, reply);
      call.check(this.model, reply, asIs);
      if (reply instanceof Refusal) this.#look(call.keys ?? []);
      this.#keep(reply);
    });
  }

  /** Sees what became of keys. */
  #look(keys: readonly ModelKey[]): void {
    for (const { id, bytes } of keys) {
      this.model.apply(id, this.#cache.peek(bytes), (state) => this.model.read(state, false), {
        leaves: true,
      });
    }
  }

  /** Some commands as one frame, whose clock stands still. */
  #frame(): void {
    const calls: Call[] = [];
    const wires: Wire[] = [];
    let bytes = 0;
    for (let wanted = 1 + this.#random.below(60); wanted > 0; wanted--) {
      const call = nextCall(this.#source);
      const wire = call.wire?.();
      if (wire === undefined) continue;
      bytes += wire.length;
      if (bytes > MAX_FRAME_BYTES) break;
      calls.push(call);
      wires.push(wire);
    }
    if (calls.length === 0) return;
    this.#do(`frame of ${calls.map(({ text }) => text).join(', ')}`, () => {
      const result = this.#frames.execute(frame(7, ...wires), undefined);
      if (isFault(result)) throw new Error(result.reason);
      const [, ...replies] = valuesOf(result);
      if (replies.length !== calls.length) throw new Error(`${replies.length} replies`);
      for (const [i, call] of calls.entries()) {
        const bytes = replies[i]!;
        const read = call.isVersioned ? readVersioned : readReply;
        const reply = outcomeOf(() => read(bytes, 0, bytes.length, this.#structures));
        this.#note(call, reply);
        try {
          call.check(this.model, reply, call.shown ?? asIs);
        } catch (cause) {
          throw new Error(`command ${i}, ${call.text}: ${(cause as Error).message}`, { cause });
        }
      }
    });
  }

  #note(call: Call, reply: unknown): void {
    const name = call.text.split(' ', 1)[0]!;
    const kind =
      reply instanceof Refusal ? reply.code : reply === undefined ? 'nothing' : typeof reply;
    this.seen.add(`${name} ${kind}`);
  }

  /** Changes what was handed out, which nobody else should see; and keeps bytes, to see them again. */
  #keep(reply: unknown): void {
    if (Buffer.isBuffer(reply)) {
      if (this.#random.chance(0.5)) spoil(reply);
      this.#kept.push({ bytes: reply, copy: Buffer.from(reply) });
      if (this.#kept.length > KEPT_BUFFERS) this.#kept.shift();
    } else if (this.#axes.decoded === 'off') {
      spoil(reply);
    }
  }

  /** Whether the partition of the key may have no place for one more entry. */
  #isFull(key: string): boolean {
    if (this.#maxEntries === undefined) return false;
    const found = [...this.model.someKeys()];
    const partition = this.#partitionOf(key);
    return found.filter((other) => this.#partitionOf(other) === partition).length >= FEW;
  }

  readonly #known = new Map<string, number>();

  #partitionOf(id: string): number {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const partition = this.#locate(this.#allKeys.find((key) => key.id === id)!.bytes);
    this.#known.set(id, partition);
    return partition;
  }

  /** The partition of a key, those of all arenas numbered through. */
  #locate(key: Buffer): number {
    const arena = this.#arenaOf(key);
    arena.request.set(key);
    const first = this.#set.arenas.indexOf(arena) * this.#axes.partitions;
    return first + arena.kernel.partitionOfKey(arena.slot, key.length);
  }

  #checkSize(): void {
    const { size } = this.#handle();
    const least = this.#isExact ? this.model.sureKeys().length : 0;
    const most = this.model.mostAt(0);
    within('size', size, least, most);
  }

  #checkStats(): void {
    this.#checkSize();
    // Hits that a thread served by itself are told when it asks.
    this.#other?.stats();
    const stats = this.#cache.stats();
    checkTotals(stats, this.model, {
      cleared: this.#cleared,
      isExact: this.#isExact,
      maxEntries: this.#maxEntries,
      threads: this.#other ? 2 : 1,
    });
    if (!this.#hasCrowd || this.#random.chance(0.1)) this.#checkPayload(stats);
    if (stats.evictions > 0) this.seen.add('evicted');
    if (stats.expired > 0) this.seen.add('expired');
  }

  /** Bytes of keys and values, where nothing that has expired is among them. */
  #checkPayload({ entries, payloadBytes }: ArenaStats): void {
    let found = 0;
    let bytes = 0;
    for (const { id, bytes: key } of this.#allKeys) {
      if (!this.model.possible(id).some(Boolean)) continue;
      const { kernel, slot, request } = this.#arenaOf(key);
      request.set(key);
      const length = kernel.peekDirect(slot, key.length, Date.now());
      if (length < 0) continue;
      found++;
      bytes += key.length + length;
    }
    within('entries found', found, 0, entries);
    within('their bytes', bytes, found === entries ? payloadBytes : 0, payloadBytes);
  }

  #arenaOf(key: Buffer): Arena {
    return this.#set.arenas[this.#set.routes?.arenaOf(key) ?? 0]!;
  }

  /** What the log told must be what there is, and what was counted. */
  #checkMirror(): void {
    const mirror = this.#mirror;
    if (!mirror) return;
    checkMirror(mirror, this.#cache, this.#mirroredFrom);
    this.seen.add(mirror.counts.overrun > 0 ? 'overrun' : 'no overrun');
  }
}

function outcomeOf(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    if (error instanceof SlabringError) return new Refusal(error.code);
    throw error;
  }
}
