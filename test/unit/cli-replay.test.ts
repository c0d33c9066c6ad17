import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SlabringError } from '#engine/errors.js';
import { defaultInFlight, type ReplayCache, replay, traceKey } from '#server/cli/replay-run.js';
import { readTrace, type Trace } from '#server/cli/trace.js';

/**
 * A cache behind a network in lock step: what is called in one turn runs as one frame in the next,
 * all replies come back together. That is the worst that a window of requests in flight can do to
 * the order of GETs and SETs.
 */
class FramedCache implements ReplayCache {
  /** The commands of each frame. */
  readonly frames: string[][] = [];
  readonly #store: Store;
  #frame: (() => void)[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  getBytes(key: string): Promise<Uint8Array | undefined> {
    return this.#command(`GET ${key}`, () => this.#store.get(key));
  }

  setBytes(key: string, value: Uint8Array): Promise<boolean> {
    return this.#command(`SET ${key}`, () => {
      this.#store.set(key, value);
      return true;
    });
  }

  #command<T>(name: string, run: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#frame.length === 0) setImmediate(() => this.#execute());
      this.#frame.push(() => {
        this.frames.at(-1)!.push(name);
        try {
          resolve(run());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  #execute(): void {
    const frame = this.#frame;
    this.#frame = [];
    this.frames.push([]);
    for (const command of frame) command();
  }
}

interface Store {
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array): void;
}

/**
 * The textbook CLOCK that the baselines used: a hand over the entries in order of insertion, one
 * bit each.
 */
class ClockStore implements Store {
  readonly #capacity: number;
  readonly #slotOf = new Map<string, number>();
  readonly #slots: { key: string; value: Uint8Array; used: boolean }[] = [];
  #hand = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: string): Uint8Array | undefined {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return undefined;
    this.#slots[slot]!.used = true;
    return this.#slots[slot]!.value;
  }

  set(key: string, value: Uint8Array): void {
    const known = this.#slotOf.get(key);
    if (known !== undefined) {
      this.#slots[known]!.value = value;
      return;
    }
    let slot = this.#slots.length;
    if (slot === this.#capacity) {
      while (this.#slots[this.#hand]!.used) {
        this.#slots[this.#hand]!.used = false;
        this.#hand = (this.#hand + 1) % this.#capacity;
      }
      slot = this.#hand;
      this.#slotOf.delete(this.#slots[slot]!.key);
      this.#hand = (slot + 1) % this.#capacity;
    }
    this.#slots[slot] = { key, value, used: false };
    this.#slotOf.set(key, slot);
  }
}

function trace(...ids: number[]): Trace {
  return { name: 'test', ids: Uint32Array.from(ids), sizes: undefined };
}

/** The value that a replay stores for an object. */
function storedValue(id: number): Uint8Array {
  const value = Buffer.alloc(32, 'v');
  value.writeUInt32LE(id, 0);
  return value;
}

const options = { inFlight: 8, valueBytes: 32, now: () => performance.now() };

interface Baseline {
  trace: string;
  entries: number;
  hitRatio: number;
}

const baselines = readFileSync('test/fixtures/traces/baselines.csv', 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split(','))
  .filter((cells) => cells[2] === 'CLOCK')
  .map((cells): Baseline => {
    return { trace: cells[0]!, entries: Number(cells[1]), hitRatio: Number(cells[3]) };
  });

describe('replay', () => {
  it('has baseline rows to judge by', () => {
    expect(baselines).toHaveLength(7);
  });

  it.each(baselines)(
    'with the default number in flight stays at the CLOCK baseline: $trace, $entries entries',
    async ({ trace: name, entries, hitRatio }) => {
      const cache = new FramedCache(new ClockStore(entries));
      const inFlight = defaultInFlight(entries);
      const result = await replay(readTrace(name), cache, { ...options, inFlight });
      expect(result.hits + result.misses).toBe(result.requests);
      // A fifth of a point: what the table beside ENTRIES_PER_REQUEST_IN_FLIGHT says.
      expect(Math.abs(result.hits / result.requests - hitRatio)).toBeLessThan(0.002);
    },
  );

  it('one request in flight is exactly the baseline', async () => {
    const { trace: name, entries, hitRatio } = baselines[0]!;
    const cache = new FramedCache(new ClockStore(entries));
    const result = await replay(readTrace(name), cache, { ...options, inFlight: 1 });
    expect(result.hits / result.requests).toBeCloseTo(hitRatio, 5);
    expect(result.commands).toBe(result.requests + result.misses);
  });

  it('fills an object once, however many ask for it at the same time', async () => {
    const cache = new FramedCache(new Map());
    const result = await replay(trace(7, 7, 7, 7, 7), cache, options);
    expect(cache.frames.flat().filter((call) => call === `SET ${traceKey(7)}`)).toHaveLength(1);
    expect([result.requests, result.hits, result.misses]).toEqual([5, 4, 1]);
    expect(result.errors).toEqual({});
  });

  it('a request for an object that is being filled waits for that, then asks', async () => {
    const cache = new FramedCache(new Map([[traceKey(2), storedValue(2)]]));
    const result = await replay(trace(1, 2, 1), cache, { ...options, inFlight: 2 });
    const [get1, get2, set1] = [`GET ${traceKey(1)}`, `GET ${traceKey(2)}`, `SET ${traceKey(1)}`];
    expect(cache.frames).toEqual([[get1, get2], [set1], [get1]]);
    expect([result.hits, result.misses]).toEqual([2, 1]);
  });

  it('a request that missed what another fills by now waits, then asks again', async () => {
    const cache = new FramedCache(new Map());
    const result = await replay(trace(1, 1), cache, { ...options, inFlight: 2 });
    const [get1, set1] = [`GET ${traceKey(1)}`, `SET ${traceKey(1)}`];
    expect(cache.frames).toEqual([[get1, get1], [set1], [get1]]);
    expect([result.hits, result.misses, result.commands]).toEqual([1, 1, 4]);
  });

  it('counts failures by code, refusals apart from them, and goes on', async () => {
    const values = new Map<string, Uint8Array>();
    const cache = new FramedCache({
      get: (key) => {
        if (key === traceKey(3)) throw new SlabringError('TIMEOUT', 'too late');
        return values.get(key);
      },
      set: (key, value) => {
        if (key === traceKey(2)) throw new SlabringError('OOM', 'full');
        values.set(key, value);
      },
    });
    const result = await replay(trace(1, 2, 3, 1, 2, 3), cache, { ...options, inFlight: 1 });
    expect(result.requests).toBe(6);
    expect(result.hits).toBe(1);
    expect(result.misses).toBe(3);
    expect(result.refusals).toEqual({ OOM: 2 });
    expect(result.errors).toEqual({ TIMEOUT: 2 });
    expect(result.firstError).toBe('TIMEOUT too late');
  });

  it('tells a hit with wrong bytes from a hit', async () => {
    const wrong: Record<string, Uint8Array> = {
      'another object': Buffer.alloc(32, 9),
      'too short': Buffer.from('01000000', 'hex'),
    };
    for (const [what, value] of Object.entries(wrong)) {
      const cache = new FramedCache({ get: () => value, set: () => {} });
      const result = await replay(trace(1), cache, options);
      expect(result.errors, what).toEqual({ WRONGVALUE: 1 });
    }
  });

  it('stores the sizes of the trace', async () => {
    const values = new Map<string, Uint8Array>();
    const sized = { ...trace(0, 1, 2), sizes: Uint32Array.of(0, 3, 1000) };
    const result = await replay(sized, new FramedCache(values), options);
    expect([...values.values()].map((value) => value.length)).toEqual([0, 3, 1000]);
    expect(result.errors).toEqual({});
  });

  it('does not hide a mistake of the program among the errors', async () => {
    const cache = new FramedCache({
      get: () => {
        throw new TypeError('a bug');
      },
      set: () => {},
    });
    await expect(replay(trace(1), cache, options)).rejects.toThrow('a bug');
  });
});

describe('defaultInFlight', () => {
  it('is one for every 50 entries, at least 1 and at most 512', () => {
    expect([0, 49, 100, 2048, 1e6].map(defaultInFlight)).toEqual([1, 1, 2, 40, 512]);
  });
});
