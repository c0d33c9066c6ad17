/** One cache and its models, side by side: random calls by every way there is. */
import { attachCache, type Cache, SlabringError } from 'slabring';
import { vi } from 'vitest';
import type { ArenaSet } from '#engine/arena-set.js';
import { Cache as EngineCache } from '#engine/cache.js';
import { readCacheOptions } from '#engine/config.js';
import type { Random } from '../support/kernel-random.js';
import type { Axes } from './cache-axes.js';
import { CALLS, type Call, get, nextCall, type Source, setManyOf, spoil } from './cache-calls.js';
import { FrameSender } from './cache-frames.js';
import { type ModelKey, textKey } from './cache-keys.js';
import { asIs, outcomeOf, Refusal } from './cache-model.js';
import { maxValueBytesOf, openRepeatable, optionsOf } from './cache-open.js';
import type { ModelSpace } from './cache-space.js';
import { ModelSpaces } from './cache-spaces.js';
import { isLarge } from './cache-values.js';
import { Watch } from './cache-watch.js';

/** A table splits at 13/16 of its 12,288 slots. */
const CROWD = 10_500;
const CROWD_AT_ONCE = 500;
/** The step before which the crowd comes. */
const CROWDED = 700;
const MAX_FRAME_BYTES = 200 * 1024;

export const START = Date.UTC(2030, 0, 1);
/** Upkeep comes twice a second, and a tick of the wheel (engine/kernel/wheel.ts) is 512 ms. */
const UPKEEP_MS = 1100;

/** Buffers that were handed out, with what was in them: they must belong to whoever has them. */
const KEPT_BUFFERS = 8;

interface Story {
  /** Steps. */
  left: number;
  readonly space: ModelSpace;
  readonly calls: readonly ((source: Source) => Call)[];
}

export class Run {
  /** The last calls, for the message of a failure. */
  readonly last: string[] = [];
  readonly seen = new Set<string>();
  readonly #axes: Axes;
  readonly #random: Random;
  readonly #set: ArenaSet;
  readonly #cache: Cache;
  readonly #spaces: ModelSpaces;
  readonly #sender: FrameSender;
  readonly #kept: { bytes: Buffer; copy: Buffer }[] = [];
  #steps = 0;
  #story: Story | undefined;
  #other: Cache | undefined;
  #watching: Watch | undefined;

  /** The clock must be a false one already: versions begin at the time of creation. */
  constructor(axes: Axes, random: Random) {
    this.#axes = axes;
    this.#random = random;
    const { arena, defaultTtlMs, decoded } = readCacheOptions(optionsOf(axes));
    this.#set = openRepeatable(arena, random);
    this.#cache = new EngineCache(this.#set, defaultTtlMs, decoded);
    this.#spaces = new ModelSpaces(axes, this.#cache, this.#set, random, this.seen);
    const mostBytes = axes.values === 'large' ? maxValueBytesOf(axes) : MAX_FRAME_BYTES;
    this.#sender = new FrameSender(this.#set, this.#spaces.plain.source, mostBytes);
    if (axes.handles === 2) this.#attach();
    else if (axes.changes === 'on') this.#watch();
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
    else if (dice < 80) this.#walk();
    else if (dice < 84) this.#forEach();
    else if (dice < 86) this.#do('clear', () => this.#spaces.clear(this.#handle()));
    else if (dice < 90) this.#clearNamespace(this.#space());
    else if (dice < 92) this.#do('size', () => this.#spaces.checkSizes(this.#handle()));
    else if (dice < 96) this.#comeAndGo();
    else if (dice < 114) this.#do('read changes', () => this.#watching?.read(this.#some()));
    else if (dice < 254 && this.#axes.frames) this.#frame();
    else this.#call();
  }

  /**
   * Goes on with a story of one key, mostly in one keyspace, and few kinds of calls: what one of
   * them leaves behind is what the next one meets.
   */
  #tell(story: Story): void {
    const random = this.#random;
    const space = random.chance(0.8) ? story.space : this.#space();
    if (random.chance(0.2)) this.#pass();
    else if (random.chance(0.03)) this.#clearNamespace(space);
    else if (random.chance(0.45)) this.#make(space, get(space.source));
    else this.#make(space, random.pick(story.calls)(space.source));
    if (--story.left > 0) return;
    this.#story = undefined;
    this.#spaces.keys.endStory();
  }

  #beginStory(): void {
    const random = this.#random;
    this.#spaces.keys.beginStory();
    const calls = [random.pick(CALLS), random.pick(CALLS)];
    this.#story = { left: random.between(4, 16), space: this.#space(), calls };
  }

  #comeAndGo(): void {
    const { handles, changes } = this.#axes;
    if (handles === 2 && (changes !== 'now and then' || this.#random.chance(0.5))) this.#attach();
    else if (changes === 'now and then' && this.#watching) this.#unwatch();
    else if (changes === 'now and then') this.#watch();
  }

  /** Everything that must hold at any time. */
  check(): void {
    this.#do('check', () => {
      const broken = this.#cache.checkIntegrity();
      if (broken !== undefined) throw new Error(broken);
      // To look for every key of a crowd takes long.
      const isThorough = !this.#hasCrowd || this.#random.chance(0.2);
      this.#checkStats(isThorough);
      if (isThorough) this.#checkLog();
      for (const { bytes, copy } of this.#kept) {
        if (!bytes.equals(copy)) throw new Error('bytes that were handed out have changed');
      }
    });
  }

  /** Reads every key by every handle, and all of them by walks. */
  finish(): void {
    for (const cache of [this.#cache, this.#other]) {
      if (!cache) continue;
      for (const space of this.#spaces.all) {
        const keyspace = space.in(cache);
        this.#do(`${space.title}all keys`, () => space.walks.whole(keyspace));
        for (const { id, forms } of space.allKeys()) {
          this.#do(`${space.title}last get ${id.slice(0, 24)}`, () =>
            space.model.apply(id, keyspace.get(forms[0]!), (state) => space.model.read(state)),
          );
        }
      }
    }
    this.check();
  }

  close(): void {
    this.#watching?.close();
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

  #space(): ModelSpace {
    return this.#random.pick(this.#spaces.all);
  }

  #handle(): Cache {
    return this.#other && this.#random.chance(0.5) ? this.#other : this.#cache;
  }

  get #hasCrowd(): boolean {
    return this.#axes.crowd && this.#axes.maxEntries === 'none';
  }

  /** Writes many keys of one partition, which stay until something takes them. */
  #gather(): void {
    const space = this.#space();
    const crowd: ModelKey[] = [];
    for (let i = 0; crowd.length < CROWD; i++) {
      const key = `one of many: ${i}`;
      if (space.locate(Buffer.from(key)) === 0) crowd.push(textKey(key));
    }
    space.addCrowd(crowd);
    const ttl = this.#random.pick([0, 3000]);
    for (let first = 0; first < CROWD; first += CROWD_AT_ONCE) {
      const keys = crowd.slice(first, first + CROWD_AT_ONCE);
      const entries = keys.map(({ id }, i): [string, unknown] => [id, first + i]);
      const options = { options: { ttl }, write: { ttl } };
      this.#make(space, setManyOf(space.source, keys, entries, options));
    }
    this.seen.add(this.#cache.stats().tableSplits > 0 ? 'split' : 'no split');
  }

  /** Attaches another handle in place of the one there was. */
  #attach(): void {
    const old = this.#other;
    if (old && this.#watching?.by === old) this.#unwatch();
    this.#do('attach', () => {
      if (old) for (const space of this.#spaces.all) space.walks.forget(space.in(old));
      old?.close();
      this.#other = attachCache(this.#cache.share());
    });
    if (this.#axes.changes === 'on' && !this.#watching) this.#watch();
  }

  /** Begins to read the change log. */
  #watch(): void {
    this.#do('changes begin', () => {
      const names = this.#spaces.namespaces.map(({ name }) => name!);
      try {
        this.#watching = new Watch(this.#cache, this.#handle(), names);
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
      this.#checkLog();
      this.#watching?.close();
      this.#watching = undefined;
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
    if (ms >= UPKEEP_MS && this.#spaces.isExact) this.#spaces.checkKept(Date.now() - UPKEEP_MS);
  }

  #clearNamespace(space: ModelSpace): void {
    if (space === this.#spaces.plain) return;
    this.#do(`${space.title}clear`, () => {
      // What the log tells of before is left out, unless it was read before.
      if (this.#random.chance(0.5)) this.#watching?.read(Infinity);
      else this.#watching?.overtake();
      this.#spaces.clearOne(space, this.#handle());
    });
  }

  #walk(): void {
    const space = this.#space();
    this.#do(`${space.title}walk`, () => space.walks.step(space.in(this.#handle())));
  }

  /** `forEach`, with calls in the middle of it. */
  #forEach(): void {
    const space = this.#space();
    const keyspace = space.in(this.#handle());
    // Dozens of calls are enough among a crowd, too.
    const chance = this.#hasCrowd ? 0.01 : 0.1;
    this.#do(`${space.title}forEach`, () => {
      const walk = space.walks.begin('entries');
      keyspace.forEach((value, key) => {
        space.walks.take(walk, [key, value]);
        if (this.#random.chance(chance)) this.#call();
      });
      space.walks.end(walk);
    });
  }

  #call(): void {
    const space = this.#space();
    this.#make(space, nextCall(space.source));
  }

  #make(space: ModelSpace, call: Call): void {
    this.#do(space.title + call.text, () => {
      const reply = outcomeOf(() => call.direct(space.in(this.#handle())));
      this.#note(call, reply);
      call.check(space.model, reply, asIs);
      if (reply instanceof Refusal) this.#look(space, call.keys ?? []);
      this.#keep(reply);
    });
  }

  /** Sees what became of keys. */
  #look(space: ModelSpace, keys: readonly ModelKey[]): void {
    const { model } = space;
    const keyspace = space.in(this.#cache);
    for (const { id, bytes } of keys) {
      const reply = keyspace.peek(bytes);
      model.apply(id, reply, (state) => model.read(state, false), { leaves: true });
    }
  }

  /** Some calls as one frame. */
  #frame(): void {
    const framed = this.#sender.next();
    if (framed.length === 0) return;
    this.#do(`frame of ${framed.map(({ call }) => call.text).join(', ')}`, () => {
      for (const [i, reply] of this.#sender.send(framed).entries()) {
        const { call } = framed[i]!;
        this.#note(call, reply);
        try {
          call.check(this.#spaces.plain.model, reply, call.shown ?? asIs);
        } catch (cause) {
          throw new Error(`command ${i}, ${call.text}: ${(cause as Error).message}`, { cause });
        }
      }
    });
  }

  #note({ text }: Call, reply: unknown): void {
    const name = text.split(' ', 1)[0]!;
    const kind =
      reply instanceof Refusal ? reply.code : reply === undefined ? 'nothing' : typeof reply;
    this.seen.add(`${name} ${kind}`);
    if (hasLarge(reply)) this.seen.add(`${name} large`);
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

  #checkStats(isThorough: boolean): void {
    this.#spaces.checkSizes(this.#handle());
    // Hits that a thread served by itself are told when it asks.
    this.#other?.stats();
    this.#spaces.checkStats(this.#other ? 2 : 1, isThorough);
  }

  #checkLog(): void {
    if (!this.#watching) return;
    this.#watching.check();
    this.seen.add(this.#watching.isOverrun ? 'overrun' : 'no overrun');
  }
}

/** Whether a large value is in a reply of whatever call. */
function hasLarge(reply: unknown): boolean {
  if (Array.isArray(reply)) return reply.some(hasLarge);
  return isLarge(reply) || isLarge((reply as { value?: unknown } | undefined | null)?.value);
}
