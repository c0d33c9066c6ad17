/**
 * What a client can do besides storing values: leases, rate limits, and looking at the keys there
 * are. The names and meanings are those of the embedded cache.
 */
import type {
  Duration,
  Key,
  KeyDescription,
  KeyScanOptions,
  KeyType,
  LimitOptions,
  LimitResult,
  ScanPage,
} from '../engine/api.js';
import { COMMANDS } from '../engine/commands.js';
import {
  checkOwner,
  readCursor,
  readDescription,
  readLeaseTtl,
  readLimit,
  readLimitOptions,
  readScanOptions,
  readTypeName,
  type WireDescription,
  type WireLimit,
} from '../engine/keyoptions.js';
import { packValue } from './codec.js';
import { gather } from './gathering.js';
import { Result } from './pending.js';
import type { Sender, Stop } from './sender.js';
import { StringCommands } from './string-commands.js';
import type { FrameWriter } from './writer.js';

const GET = COMMANDS.GET.code;
/** Keys that `keys`, `values` and `entries` ask for at a time, whose values come in few frames. */
const WALK_COUNT = 500;

/**
 * In a cluster, a cursor is that of a node, below 2^44 (engine/scan-page.ts: 64 arenas of 2^38),
 * plus the node's number times this; a safe integer has room for 512 nodes.
 */
const NODE_CURSORS = 2 ** 44;

export abstract class KeyCommands extends StringCommands {
  /** What the commands go through. */
  protected readonly sender: Sender;

  /** @param ttlMs of entries for which a call gives none */
  constructor(sender: Sender, ttlMs: number) {
    super(sender, ttlMs);
    this.sender = sender;
  }

  /** What the key holds, or undefined when it is absent. Does not count as a use of it. */
  async type(key: Key): Promise<KeyType | undefined> {
    return readTypeName(await this.#ask(COMMANDS.TYPE.code, key));
  }

  /**
   * Keys, page by page, in no order that means anything: those that match the options.
   *
   * Others may write meanwhile. A key that is there during the whole walk is returned exactly once,
   * unless the connection is made anew to another node. One that comes or goes meanwhile is
   * returned once or not at all, and may be gone by the time that it is returned.
   * @throws SlabringError `OPTION`
   */
  scan(options?: KeyScanOptions): AsyncGenerator<Key, void, undefined> {
    readScanOptions(options);
    return this.#scan({ ...options });
  }

  async *#scan(options: KeyScanOptions): AsyncGenerator<Key, void, undefined> {
    let cursor = 0;
    do {
      const page = await this.scanPage(cursor, options);
      yield* page.keys;
      cursor = page.cursor;
    } while (cursor !== 0);
  }

  /**
   * A page of `scan`, from a cursor on, which is 0 at first. In a cluster, a cursor is good for the
   * client that it came to: one node comes after the other.
   */
  async scanPage(cursor: number, options?: KeyScanOptions): Promise<ScanPage> {
    const from = readCursor(cursor);
    readScanOptions(options);
    // Only what they say: a Map is an object without options, but would be packed as one with some.
    const { match, count, type } = options ?? {};
    const asked = Object.entries({ match, count, type }).filter(([, value]) => value !== undefined);
    const packed = asked.length === 0 ? undefined : packValue(Object.fromEntries(asked)).slice();
    const stops = this.sender.stops();
    // Of a single node the cursor is as it is, so that it tells what is wrong with it.
    const isSingle = stops.length === 1 && stops[0]!.number === 0;
    const number = isSingle ? 0 : Math.floor(from / NODE_CURSORS);
    const stop = stops.find((one) => one.number >= number);
    // The node is gone, and was the last.
    if (stop === undefined) return { cursor: 0, keys: [] };
    const within = stop.number === number ? from - number * NODE_CURSORS : 0;
    const reply = await this.#sendTo(
      stop,
      COMMANDS.SCAN.code,
      packed === undefined ? 1 : 2,
      (writer) => {
        writer.integer(within);
        if (packed !== undefined) writer.packed(packed);
      },
    );
    const [next, found] = reply as [number, Key[]];
    // A node has copies of what others run the commands on, and those tell of it.
    const keys = stops.length === 1 ? found : found.filter((key) => stop.has(key));
    if (next !== 0) return { cursor: stop.number * NODE_CURSORS + next, keys };
    const following = stops[stops.indexOf(stop) + 1];
    return { cursor: following === undefined ? 0 : following.number * NODE_CURSORS, keys };
  }

  /** All keys, as `scan` returns them. */
  keys(): AsyncGenerator<Key, void, undefined> {
    return this.#scan({ count: WALK_COUNT });
  }

  /**
   * All values, each of some moment of the walk; those that are gone by then are left out, and
   * nulls with them.
   */
  async *values<T = unknown>(): AsyncGenerator<T, void, undefined> {
    for await (const [, value] of this.entries<T>()) yield value;
  }

  /** All `[key, value]` pairs, as `keys` and `values`. */
  async *entries<T = unknown>(): AsyncGenerator<[Key, T], void, undefined> {
    let cursor = 0;
    do {
      const page = await this.scanPage(cursor, { count: WALK_COUNT, type: 'string' });
      cursor = page.cursor;
      const values = await gather(this.sender, page.keys.length, Result.VALUE, (index) => {
        const key = page.keys[index]!;
        const writer = this.sender.open(GET, key);
        writer.command(GET, 1);
        writer.key(key);
      });
      for (const [index, value] of values.entries()) {
        if (value !== undefined) yield [page.keys[index]!, value as T];
      }
    } while (cursor !== 0);
  }

  [Symbol.asyncIterator](): AsyncGenerator<[Key, unknown], void, undefined> {
    return this.entries();
  }

  /**
   * A key, each of a node as likely as any other of it; undefined when there is none. In a cluster
   * the node is drawn first.
   */
  async randomKey(): Promise<Key | undefined> {
    const stops = this.sender.stops();
    const first = Math.floor(Math.random() * stops.length);
    for (let i = 0; i < stops.length; i++) {
      const stop = stops[(first + i) % stops.length]!;
      const key = await this.#sendTo(stop, COMMANDS.RANDOMKEY.code, 0);
      if (key !== null) return key as Key;
    }
    return undefined;
  }

  /**
   * How many entries there are. Expired ones count until their memory has been taken back. In a
   * cluster: what all live nodes have, by the number of copies, so about as many where nodes are
   * being added or repaired.
   */
  async size(): Promise<number> {
    const counts = await this.#sendToAll(COMMANDS.DBSIZE.code);
    const sum = (counts as number[]).reduce((total, count) => total + count, 0);
    return Math.round(sum / this.sender.copies);
  }

  /** Removes all entries of the node, whoever wrote them; in a cluster, of all live nodes. */
  async clear(): Promise<void> {
    await this.#sendToAll(COMMANDS.FLUSH.code);
  }

  /**
   * Takes the lease of that name, which no other owner can take before it is released or `ttl` is
   * over. Resolves to its fence, or undefined while another owner has it. An owner that has it gets
   * it anew, for `ttl` from now on, with a new fence: so the call may be repeated when its reply
   * was lost.
   *
   * A holder that is held up does not notice that its lease is over. So hand the fence to what the
   * lease protects, and have that refuse fences below the largest one it has seen: each fence of a
   * key is larger than all before.
   * @param owner text or bytes of 1 to 128 bytes that nobody else uses, such as a `randomUUID()`
   * @throws SlabringError `OPTION`; `WRONGTYPE` when the key holds something else; `OOM`
   */
  async acquireLease(key: Key, owner: Key, ttl: Duration): Promise<number | undefined> {
    const reply = await this.#lease(COMMANDS.LOCK.code, key, owner, readLeaseTtl(ttl));
    return (reply as number | null) ?? undefined;
  }

  /**
   * Gives the lease up; false when the owner did not have it any more.
   * @throws SlabringError `OPTION`; `WRONGTYPE` when the key holds something else
   */
  async releaseLease(key: Key, owner: Key): Promise<boolean> {
    return (await this.#lease(COMMANDS.UNLOCK.code, key, owner)) as boolean;
  }

  /**
   * Makes the lease last for `ttl` from now on; false when the owner does not have it any more. The
   * fence stays.
   * @throws SlabringError as `acquireLease`
   */
  async extendLease(key: Key, owner: Key, ttl: Duration): Promise<boolean> {
    return (await this.#lease(COMMANDS.EXTEND.code, key, owner, readLeaseTtl(ttl))) as boolean;
  }

  /**
   * Takes `cost` tokens from the key's bucket, or none when there are too few. A bucket is full at
   * first, and fills at a constant rate; from any moment on, no more is allowed than `capacity` and
   * what came in since. It needs no care: one that is full takes no memory.
   * @throws SlabringError `OPTION`; `WRONGTYPE` when the key holds something else; `OOM`
   */
  async limit(key: Key, options: LimitOptions): Promise<LimitResult> {
    const { capacity, refillPerSecond, cost } = readLimitOptions(options);
    const reply = await this.#send(COMMANDS.LIMIT.code, key, 4, (writer) => {
      writer.integer(capacity);
      writer.value(refillPerSecond);
      writer.integer(cost);
    });
    return readLimit(reply as WireLimit);
  }

  /**
   * Bytes of the memory budget that the entry takes: its chunks, and its share of the index and of
   * what eviction and expiry keep. undefined when the key is absent. Does not count as a use.
   */
  async memoryUsage(key: Key): Promise<number | undefined> {
    const reply = await this.#ask(COMMANDS.MEMORY.code, key);
    return (reply as number | null) ?? undefined;
  }

  /**
   * What is known of the entry besides its value; undefined when the key is absent. Does not count
   * as a use.
   */
  async describe(key: Key): Promise<KeyDescription | undefined> {
    const reply = await this.#ask(COMMANDS.OBJECT.code, key);
    return readDescription(reply as WireDescription | null);
  }

  async #lease(code: number, key: Key, owner: Key, ttlMs?: number): Promise<unknown> {
    checkOwner(owner);
    return await this.#send(code, key, ttlMs === undefined ? 2 : 3, (writer) => {
      writer.value(owner);
      if (ttlMs !== undefined) writer.integer(ttlMs);
    });
  }

  /** A command whose only argument is a key. */
  #ask(code: number, key: Key): Promise<unknown> {
    return this.#send(code, key, 1);
  }

  /** A command of so many arguments: a key, and what `write` writes. */
  #send(
    code: number,
    key: Key,
    args: number,
    write?: (writer: FrameWriter) => void,
  ): Promise<unknown> {
    try {
      const writer = this.sender.open(code, key);
      writer.command(code, args);
      writer.key(key);
      write?.(writer);
    } catch (error) {
      return this.sender.abandon(error);
    }
    return this.sender.commit(Result.RAW);
  }

  /** A command to one node. */
  #sendTo(
    { pipeline }: Stop,
    code: number,
    args: number,
    write?: (writer: FrameWriter) => void,
  ): Promise<unknown> {
    try {
      const writer = pipeline.open();
      writer.command(code, args);
      write?.(writer);
    } catch (error) {
      return pipeline.abandon(error);
    }
    return pipeline.commit(Result.RAW);
  }

  #sendToAll(code: number): Promise<unknown[]> {
    return Promise.all(this.sender.stops().map((stop) => this.#sendTo(stop, code, 0)));
  }
}
