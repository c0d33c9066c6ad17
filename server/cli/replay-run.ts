/**
 * The replay itself: requests of a trace against a cache, as a cache-aside user makes them. Knows
 * neither the network nor the terminal, so that tests can run it against a cache of their own.
 */
import { SlabringError } from '../../engine/errors.js';
import { Histogram } from './histogram.js';
import type { Trace } from './trace.js';

/** What a replay needs of a cache; the client has it. */
export interface ReplayCache {
  getBytes(key: string): Promise<Uint8Array | undefined>;
  setBytes(key: string, value: Uint8Array): Promise<boolean>;
}

export interface ReplayOptions {
  /** Requests that are under way at the same time. */
  readonly inFlight: number;
  /** Bytes of every value, unless the trace has sizes. */
  readonly valueBytes: number;
  /** Called now and then with the numbers so far. */
  readonly onProgress?: (done: number, hits: number) => void;
  /** Milliseconds of a steady clock. */
  readonly now: () => number;
}

export interface ReplayResult {
  /** Accesses of the trace that were made. */
  requests: number;
  /** Requests that found the value. */
  hits: number;
  /** Requests that did not and went to fill it. */
  misses: number;
  /**
   * GET and SET commands; above `requests + misses` by the GETs that were repeated after waiting
   * for a fill.
   */
  commands: number;
  /** Fills that the cache declined by its rules (`OOM` with policy none, `TOOLARGE`), by code. */
  refusals: Record<string, number>;
  /** Commands that failed, by code; `WRONGVALUE`: a hit with other bytes than were stored. */
  errors: Record<string, number>;
  /** The first failure, in words. */
  firstError: string | undefined;
  seconds: number;
  /** Round trips of single commands. */
  roundTrips: Histogram;
}

/**
 * How many requests may be under way at once, by default: one for every this many entries of the
 * cache.
 *
 * With W requests in flight a value arrives in the cache up to W requests later than it would with
 * one: the cache behaves as if it had a few entries fewer, and a request whose object is on its way
 * finds it missing. A simulation of exactly this (CLOCK, frames in lock step, fills one round trip
 * late, requests for an object being filled waiting for it) over 20 traces at 4 sizes each, from
 * 100 to 115,439 entries, gives this difference to the hit ratio with one request in flight, in
 * points:
 *
 *   entries per request in flight      4     8     16     32     50     64    128
 *   worst of 80                     2.46  1.50   0.85   0.23   0.18   0.13   0.08
 *   mean of 80                      0.45  0.24   0.14   0.05   0.03   0.02   0.01
 *
 * (from 32 on with at most 512 in flight). At 50 the worst is a fifth of a point, and a cache of
 * 100 entries still has two requests in flight.
 */
const ENTRIES_PER_REQUEST_IN_FLIGHT = 50;

/** More requests in flight than this fill no larger frames and only lengthen the round trip. */
export const MAX_DEFAULT_IN_FLIGHT = 512;

/** The default number of requests in flight for a cache that holds about this many entries. */
export function defaultInFlight(entries: number): number {
  const share = Math.floor(entries / ENTRIES_PER_REQUEST_IN_FLIGHT);
  return Math.min(MAX_DEFAULT_IN_FLIGHT, Math.max(1, share));
}

/** The key under which an object of a trace is stored: 16 bytes. */
export function traceKey(id: number): string {
  return `key:${String(id).padStart(12, '0')}`;
}

/** Refusals that are the cache's right answer to a fill, not a failure. */
const REFUSAL_CODES: ReadonlySet<string> = new Set(['OOM', 'TOOLARGE']);

/** Replays a trace. Errors of single commands are counted, not thrown. */
export async function replay(
  trace: Trace,
  cache: ReplayCache,
  options: ReplayOptions,
): Promise<ReplayResult> {
  const run = new Replay(trace, cache, options);
  return run.run();
}

/** Requests between two calls of `onProgress`. */
const PROGRESS_STEP = 256;

class Replay {
  readonly #trace: Trace;
  readonly #cache: ReplayCache;
  readonly #options: ReplayOptions;
  readonly #now: () => number;
  /** Objects that were missing and are being filled, with the fill's end. */
  readonly #filling = new Map<number, Promise<void>>();
  #next = 0;
  readonly #result: ReplayResult = {
    requests: 0,
    hits: 0,
    misses: 0,
    commands: 0,
    refusals: {},
    errors: {},
    firstError: undefined,
    seconds: 0,
    roundTrips: new Histogram(),
  };

  constructor(trace: Trace, cache: ReplayCache, options: ReplayOptions) {
    this.#trace = trace;
    this.#cache = cache;
    this.#options = options;
    this.#now = options.now;
  }

  async run(): Promise<ReplayResult> {
    const startMs = this.#now();
    const users = Array.from({ length: this.#options.inFlight }, () => this.#user());
    await Promise.all(users);
    this.#result.seconds = (this.#now() - startMs) / 1000;
    return this.#result;
  }

  /** One of the users that share the trace: takes the next access when its last one is done. */
  async #user(): Promise<void> {
    const { ids } = this.#trace;
    const result = this.#result;
    while (this.#next < ids.length) {
      const access = this.#next;
      this.#next += 1;
      try {
        await this.#request(access);
      } catch (error) {
        this.#countError(error);
      }
      result.requests += 1;
      if (result.requests % PROGRESS_STEP === 0) {
        this.#options.onProgress?.(result.requests, result.hits);
      }
    }
  }

  /**
   * GET, and on a miss SET. One user fills an object at a time: whoever misses it meanwhile waits
   * for that fill and asks again, as a careful application does, and as it would have been with one
   * request after the other. So a miss is counted exactly where a fill begins.
   */
  async #request(access: number): Promise<void> {
    const id = this.#trace.ids[access]!;
    const key = traceKey(id);
    for (;;) {
      while (this.#filling.has(id)) await this.#filling.get(id);
      const sentMs = this.#now();
      const value = await this.#cache.getBytes(key);
      this.#countCommand(sentMs);
      if (value !== undefined) {
        this.#result.hits += 1;
        this.#checkValue(value, access);
        return;
      }
      if (this.#filling.has(id)) continue;
      this.#result.misses += 1;
      const fill = this.#fill(key, access);
      this.#filling.set(id, fill);
      await fill;
      return;
    }
  }

  /**
   * Never rejects: a failed fill is counted, and those who waited for it ask (and miss) themselves.
   */
  async #fill(key: string, access: number): Promise<void> {
    const sentMs = this.#now();
    try {
      const stored = await this.#cache.setBytes(key, this.#valueOf(access));
      this.#countCommand(sentMs);
      if (!stored) throw new SlabringError('INTERNAL', 'a SET without condition was not done');
    } catch (error) {
      this.#countError(error);
    } finally {
      this.#filling.delete(this.#trace.ids[access]!);
    }
  }

  #sizeOf(access: number): number {
    return this.#trace.sizes?.[access] ?? this.#options.valueBytes;
  }

  /** A value carries its object's number, so that a hit can be told from another object's bytes. */
  #valueOf(access: number): Uint8Array {
    const size = this.#sizeOf(access);
    const value = Buffer.alloc(size, 'v');
    if (size >= 4) value.writeUInt32LE(this.#trace.ids[access]!, 0);
    return value;
  }

  #checkValue(value: Uint8Array, access: number): void {
    const id = this.#trace.ids[access]!;
    const marked = value.length < 4 || readMark(value) === id;
    // The recorded size of an object may change within a trace: only with one size for all is the
    // length known.
    const whole = this.#trace.sizes !== undefined || value.length === this.#options.valueBytes;
    if (marked && whole) return;
    this.#fail('WRONGVALUE', `GET of ${traceKey(id)} answered other bytes than were stored`);
  }

  #countCommand(sentMs: number): void {
    this.#result.commands += 1;
    this.#result.roundTrips.record(this.#now() - sentMs);
  }

  #countError(error: unknown): void {
    // Anything but an answer of the cache or the client is a mistake of this program and ends it.
    if (!(error instanceof SlabringError)) throw error;
    if (REFUSAL_CODES.has(error.code)) {
      this.#result.refusals[error.code] = (this.#result.refusals[error.code] ?? 0) + 1;
    } else {
      this.#fail(error.code, error.message);
    }
  }

  #fail(code: string, message: string): void {
    this.#result.errors[code] = (this.#result.errors[code] ?? 0) + 1;
    this.#result.firstError ??= `${code} ${message}`;
  }
}

function readMark(value: Uint8Array): number {
  return (value[0]! | (value[1]! << 8) | (value[2]! << 16) | (value[3]! << 24)) >>> 0;
}
