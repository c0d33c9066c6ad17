/**
 * CLOCK as the kernel has it, in a queue of records, against CLOCK as the textbook has it, on real
 * traces: with entries of one size and one partition they must agree about every single access.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Bench, LEAST_MEMORY, MIB, PAGE_BYTES } from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';
import { command, NIL, str, TRUE } from '../support/kernel-wire.js';

const FIXTURES = new URL('../fixtures/traces/', import.meta.url);

function readTrace(name: string): Uint32Array {
  const bytes = gunzipSync(readFileSync(new URL(`${name}.u32.gz`, FIXTURES)));
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** Hit ratios from another simulator, by trace, size and algorithm. */
function readBaselines(): Map<string, number> {
  const rows = readFileSync(new URL('baselines.csv', FIXTURES), 'utf8').trim().split('\n').slice(1);
  return new Map(
    rows.map((row) => {
      const [trace, size, algorithm, ratio] = row.split(',');
      return [`${trace} ${size} ${algorithm}`, Number(ratio)];
    }),
  );
}

/** What a hit and a miss are asked of. */
interface Cache {
  access(id: number): boolean;
}

/**
 * CLOCK by the book: a ring of frames, a hand, a mark for each. `maxChances`: marks that one
 * eviction clears at most.
 */
class Clock implements Cache {
  readonly #frames: number[] = [];
  readonly #marks: boolean[] = [];
  readonly #places = new Map<number, number>();
  readonly #size: number;
  readonly #maxChances: number;
  #hand = 0;

  constructor(size: number, maxChances = Number.POSITIVE_INFINITY) {
    this.#size = size;
    this.#maxChances = maxChances;
  }

  /** Whether it was a hit; a miss brings the object in. */
  access(id: number): boolean {
    const place = this.#places.get(id);
    if (place !== undefined) {
      this.#marks[place] = true;
      return true;
    }
    const free = this.#frames.length < this.#size ? this.#frames.length : this.#evict();
    this.#frames[free] = id;
    this.#marks[free] = false;
    this.#places.set(id, free);
    return false;
  }

  #evict(): number {
    for (let chances = 0; this.#marks[this.#hand] && chances < this.#maxChances; chances++) {
      this.#marks[this.#hand] = false;
      this.#hand = (this.#hand + 1) % this.#size;
    }
    const victim = this.#hand;
    this.#places.delete(this.#frames[victim]!);
    this.#hand = (victim + 1) % this.#size;
    return victim;
  }
}

/** An arena as a cache-aside client uses it: a frame with a GET, and after a miss one with a SET. */
class FrameClock implements Cache {
  readonly bench: Bench;

  constructor(maxEntries: number) {
    this.bench = new Bench({ memoryBytes: 16 * MIB, maxEntries });
  }

  access(id: number): boolean {
    const key = str(id.toString(36).padStart(8));
    if (!this.bench.one(command('GET', key)).equals(NIL)) return true;
    this.bench.one(command('SET', key, TRUE));
    return false;
  }
}

/** An arena as a cache-aside user embeds it. Every entry is of the same size. */
class KernelClock implements Cache {
  readonly bench: Bench;
  readonly #key = Buffer.alloc(8);
  readonly #value: Buffer;

  constructor(limits: { maxEntries: number } | { memoryBytes: number }, valueBytes = 1) {
    this.bench = new Bench({ memoryBytes: 16 * MIB, ...limits });
    this.#value = Buffer.alloc(valueBytes);
  }

  access(id: number): boolean {
    const { arena, nowMs } = this.bench;
    const { kernel, slot, request, reply } = arena;
    this.#key.writeUInt32LE(id);
    this.#value.fill(id & 0x7f);
    request.set(this.#key);
    const length = kernel.getDirect(slot, 8, nowMs);
    if (length >= 0) {
      const isOwn = length === this.#value.length && reply[0] === this.#value[0];
      if (!isOwn) throw new Error(`object ${id} has the value of another`);
      return true;
    }
    request.set(this.#value, 8);
    const status = kernel.setDirect(slot, 8, this.#value.length, 0, 0, 0, nowMs);
    if (status !== 1) throw new Error(`SET of ${id}: ${status}`);
    return false;
  }
}

/** Runs the accesses through both; the hits, which must be the same ones. */
function compare(kernel: Cache, model: Cache, accesses: Iterable<number>): number {
  let hits = 0;
  let index = 0;
  for (const id of accesses) {
    const isHit = kernel.access(id);
    if (isHit !== model.access(id)) {
      throw new Error(`access ${index}, object ${id}: ${isHit ? 'a hit' : 'a miss'} in the kernel`);
    }
    if (isHit) hits += 1;
    index += 1;
  }
  return hits;
}

/** What bounds the time of one eviction (engine/kernel/eviction/clock.ts). */
const MAX_CHANCES = 128;

describe('CLOCK', () => {
  const baselines = readBaselines();
  const cases = [
    ['cache2k-web07', 100],
    ['cache2k-web07', 205],
    ['cache2k-web07', 2048],
    ['cache2k-web07', 6145],
    ['nasa-http-19950801', 100],
    ['nasa-http-19950801', 174],
    ['nasa-http-19950801', 522],
  ] as const;

  it.each(cases)(
    'agrees with a plain simulation about every access of %s at %d entries',
    (trace, size) => {
      const kernel = new KernelClock({ maxEntries: size });
      const accesses = readTrace(trace);
      const hits = compare(kernel, new Clock(size, MAX_CHANCES), accesses);
      const textbook = new Clock(size);
      let textbookHits = 0;
      for (const id of accesses) if (textbook.access(id)) textbookHits += 1;
      const baseline = baselines.get(`${trace} ${size} CLOCK`)!;
      const [ratio, textbookRatio] = [hits, textbookHits].map((count) => count / accesses.length);
      // The baseline has six digits. On these traces the bound costs nothing at all.
      expect(textbookRatio).toBeCloseTo(baseline, 6);
      expect(ratio).toBeCloseTo(baseline, 6);
      expect(kernel.bench.arena.stats()).toMatchObject({ hits, entries: size, tableSplits: 0 });
      expect(kernel.bench.arena.checkIntegrity()).toBeUndefined();
    },
  );

  it('agrees over frames', () => {
    const kernel = new FrameClock(2048);
    const hits = compare(kernel, new Clock(2048, MAX_CHANCES), readTrace('cache2k-web07'));
    expect(kernel.bench.arena.stats()).toMatchObject({ hits, entries: 2048 });
  });

  it('agrees where memory is the limit', () => {
    // Entries of 8 + 6 + 49 bytes take chunks of 64; the least memory has an index page, a page of
    // records and three pages for them.
    const size = (3 * PAGE_BYTES) / 64;
    const kernel = new KernelClock({ memoryBytes: LEAST_MEMORY }, 49);
    compare(kernel, new Clock(size, MAX_CHANCES), readTrace('cache2k-web07'));
    expect(kernel.bench.arena.stats()).toMatchObject({ entries: size, freePages: 0, slabPages: 4 });
  });

  // Nothing in the traces marks so many entries in a row that the bound would show. These do.
  it.each([100, 500, 3000])('agrees with the bound where all of %d entries are marked', (size) => {
    const random = new Random(SEED);
    const kernel = new KernelClock({ maxEntries: size });
    const accesses: number[] = [];
    for (let round = 0; round < 20; round++) {
      for (let id = 0; id < size * 2; id++) accesses.push((round * 37 + id) % size);
      for (let i = 0; i < 10; i++) accesses.push(1_000_000 + random.below(size * 3));
    }
    const hits = compare(kernel, new Clock(size, MAX_CHANCES), accesses);
    const textbook = new Clock(size);
    let textbookHits = 0;
    for (const id of accesses) if (textbook.access(id)) textbookHits += 1;
    expect(hits === textbookHits).toBe(size <= MAX_CHANCES);
  });
});
