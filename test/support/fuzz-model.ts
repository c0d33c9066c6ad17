/** What the commands mean, on a plain Map: replies as bytes, or the code of the error. */
import { SetFlag } from '#engine/commands.js';
import { type Content, contentOf, rangeOf, wireOf, written } from '../model/kernel-strings.js';
import { type Collection, type CollectionCommand, emptyOf, sizeOf } from './fuzz-collections.js';
import { integerOf, shortestInteger } from './fuzz-msgpack.js';

interface Entry {
  value: Buffer | Collection;
  /** Infinity: none. */
  expiryMs: number;
}

export interface Lease {
  readonly owner: Buffer;
  /** Its bytes in the value. */
  readonly fence: Buffer;
}

const NIL = Buffer.of(0xc0);
const FALSE = Buffer.of(0xc2);
const TRUE = Buffer.of(0xc3);
const I64_MAX = 2n ** 63n - 1n;
/** Of a lease's fence with its head. */
const FENCE_BYTES = 9;
const MAX_OWNER_BYTES = 128;
/** Collections have their keys in the entry. */
const MAX_COLLECTION_KEY = 2048;

/** What is never changed in place is not copied. */
function copyOf(value: Buffer | Collection): Buffer | Collection {
  if (Buffer.isBuffer(value)) return value;
  const { type, items } = value;
  const copied = Array.isArray(items) ? [...items] : new Map<string, unknown>(items);
  return { type, items: copied } as Collection;
}

/**
 * The owner in [owner, u64], which is a lease whoever wrote it: LOCK, or a SET of the same bytes,
 * as the fuzzer happened to send once.
 */
function holderOf(value: Buffer | Collection): Buffer | undefined {
  if (!Buffer.isBuffer(value) || value[0] !== 0x92 || value.at(-FENCE_BYTES) !== 0xcf) {
    return undefined;
  }
  const wire = value.subarray(1, -FENCE_BYTES);
  const owner = contentOf(wire)?.bytes;
  if (!owner || owner.length === 0 || owner.length > MAX_OWNER_BYTES) return undefined;
  const head = wire.length - owner.length;
  const told = head === 1 ? wire[0]! & 0x1f : wire.readUIntBE(1, head - 1);
  return told === owner.length ? owner : undefined;
}

export class KeyModel {
  nowMs = 0;
  readonly #maxValueBytes: number;
  readonly #entries = new Map<string, Entry>();
  /** By value: when the bucket is full, and its entry gone. */
  readonly #buckets = new WeakMap<object, number>();

  constructor(maxValueBytes: number) {
    this.#maxValueBytes = maxValueBytes;
  }

  #find(key: Buffer): Entry | undefined {
    const entry = this.#entries.get(key.toString('hex'));
    return entry && entry.expiryMs > this.nowMs ? entry : undefined;
  }

  #expiry(ttlMs: number): number {
    return ttlMs === 0 ? Number.POSITIVE_INFINITY : this.nowMs + ttlMs;
  }

  /** The value of the key; the code of an error when it is a collection. */
  get(key: Buffer): Buffer | undefined | string {
    const value = this.#find(key)?.value;
    return value === undefined || Buffer.isBuffer(value) ? value : 'WRONGTYPE';
  }

  /** Runs a command on a collection: the reply, or the code of an error. */
  run(key: Buffer, command: CollectionCommand): Buffer | string {
    const entry = this.#find(key);
    const found = entry?.value ?? emptyOf(command.type);
    if (Buffer.isBuffer(found) || found.type !== command.type) return 'WRONGTYPE';
    if (entry === undefined && command.creates && key.length > MAX_COLLECTION_KEY) {
      return 'TOOLARGE';
    }
    const reply = command.apply(found, entry !== undefined);
    const expiryMs = entry?.expiryMs ?? Number.POSITIVE_INFINITY;
    if (sizeOf(found) === 0) this.#entries.delete(key.toString('hex'));
    else this.#entries.set(key.toString('hex'), { value: found, expiryMs });
    return reply;
  }

  has(key: Buffer): boolean {
    return this.#find(key) !== undefined;
  }

  remove(key: Buffer): boolean {
    const had = this.has(key);
    this.#entries.delete(key.toString('hex'));
    return had;
  }

  /** @param flags of NX, XX, GET and KEEP_TTL, without contradictions */
  set(key: Buffer, value: Buffer, ttlMs: number, flags: number): Buffer | string {
    if (value.length > this.#maxValueBytes) return 'TOOLARGE';
    const old = this.#find(key);
    if (flags & SetFlag.GET && old && !Buffer.isBuffer(old.value)) return 'WRONGTYPE';
    const isStored = !(flags & SetFlag.NX && old) && !(flags & SetFlag.XX && !old);
    if (isStored) {
      const keeps = (flags & SetFlag.KEEP_TTL) !== 0 && old !== undefined;
      const expiryMs = keeps ? old.expiryMs : this.#expiry(ttlMs);
      this.#entries.set(key.toString('hex'), { value, expiryMs });
    }
    if (flags & SetFlag.GET) return (old?.value as Buffer | undefined) ?? NIL;
    return isStored ? TRUE : FALSE;
  }

  increment(key: Buffer, delta: bigint): Buffer | string {
    const old = this.#find(key);
    let sum = delta;
    if (old) {
      const count = Buffer.isBuffer(old.value) ? integerOf(old.value) : undefined;
      if (count === undefined) return 'WRONGTYPE';
      sum += count;
      if (count > I64_MAX || sum > I64_MAX || sum < -I64_MAX - 1n) return 'OVERFLOW';
    }
    const value = shortestInteger(sum);
    const expiryMs = old?.expiryMs ?? Number.POSITIVE_INFINITY;
    this.#entries.set(key.toString('hex'), { value, expiryMs });
    return value;
  }

  /** What the value of the key holds; undefined: it is no str or bin. An absent one is empty. */
  #contentOf(key: Buffer): Content | undefined {
    const entry = this.#find(key);
    if (entry === undefined) return { isText: false, bytes: Buffer.alloc(0) };
    return Buffer.isBuffer(entry.value) ? contentOf(entry.value) : undefined;
  }

  /** @param offset undefined: at the end, as of APPEND */
  write(key: Buffer, offset: number | undefined, data: Content): Buffer | string {
    const entry = this.#find(key);
    const old = this.#contentOf(key);
    if (old === undefined) return 'WRONGTYPE';
    const { length } = old.bytes;
    if (offset !== undefined && data.bytes.length === 0) return shortestInteger(BigInt(length));
    const from = offset ?? length;
    if (from + data.bytes.length > this.#maxValueBytes) return 'TOOLARGE';
    const content = written(entry && old, from, data);
    const value = wireOf(content);
    if (value.length > this.#maxValueBytes) return 'TOOLARGE';
    const expiryMs = entry?.expiryMs ?? Number.POSITIVE_INFINITY;
    this.#entries.set(key.toString('hex'), { value, expiryMs });
    return shortestInteger(BigInt(content.bytes.length));
  }

  length(key: Buffer): Buffer | string {
    const bytes = this.#contentOf(key)?.bytes;
    return bytes === undefined ? 'WRONGTYPE' : shortestInteger(BigInt(bytes.length));
  }

  range(key: Buffer, start: number, end: number): Buffer | string {
    const bytes = this.#contentOf(key)?.bytes;
    if (bytes === undefined) return 'WRONGTYPE';
    return wireOf({ isText: false, bytes: rangeOf(bytes, start, end) });
  }

  take(key: Buffer): Buffer | string {
    const value = this.get(key);
    if (typeof value !== 'string') this.remove(key);
    return value ?? NIL;
  }

  /** @param keeps whether the old key stays, as of COPY with REPLACE */
  move(key: Buffer, newKey: Buffer, keeps: boolean): Buffer | string {
    const entry = this.#find(key);
    if (keeps && key.equals(newKey)) return 'SYNTAX';
    if (!entry) return keeps ? FALSE : 'UNKNOWN';
    if (key.equals(newKey)) return TRUE;
    const isCollection = !Buffer.isBuffer(entry.value);
    if (isCollection && newKey.length > MAX_COLLECTION_KEY) return 'TOOLARGE';
    this.#entries.set(newKey.toString('hex'), { ...entry, value: copyOf(entry.value) });
    if (!keeps) this.#entries.delete(key.toString('hex'));
    return TRUE;
  }

  expire(key: Buffer, ttlMs: number): Buffer {
    const entry = this.#find(key);
    if (!entry) return FALSE;
    entry.expiryMs = this.#expiry(ttlMs);
    return TRUE;
  }

  persist(key: Buffer): Buffer {
    const entry = this.#find(key);
    if (!entry || entry.expiryMs === Number.POSITIVE_INFINITY) return FALSE;
    entry.expiryMs = Number.POSITIVE_INFINITY;
    return TRUE;
  }

  /**
   * The lease, whose fence is to be filled in by the reply; nil: another's, or the code of the
   * error.
   */
  acquire(key: Buffer, owner: Buffer, isText: boolean, ttlMs: number): Lease | Buffer | string {
    const old = this.#find(key);
    const holder = old && holderOf(old.value);
    if (old && !holder) return 'WRONGTYPE';
    if (holder && !holder.equals(owner)) return NIL;
    const isShort = isText && owner.length < 32;
    const head = isShort ? [0xa0 | owner.length] : [isText ? 0xd9 : 0xc4, owner.length];
    const value = Buffer.concat([
      Buffer.of(0x92, ...head),
      owner,
      Buffer.of(0xcf),
      Buffer.alloc(8),
    ]);
    this.#entries.set(key.toString('hex'), { value, expiryMs: this.#expiry(ttlMs) });
    return { owner, fence: value.subarray(-8) };
  }

  /** UNLOCK; with a time to live, EXTEND. */
  ofOwner(key: Buffer, owner: Buffer, ttlMs?: number): Buffer | string {
    const old = this.#find(key);
    if (!old) return FALSE;
    const holder = holderOf(old.value);
    if (!holder) return 'WRONGTYPE';
    if (!holder.equals(owner)) return FALSE;
    if (ttlMs === undefined) this.remove(key);
    else old.expiryMs = this.#expiry(ttlMs);
    return TRUE;
  }

  /** LIMIT of a bucket of so many tokens that come one in a millisecond. */
  limit(key: Buffer, capacity: number, cost: number): Buffer | string {
    const old = this.#find(key);
    if (old && !this.#buckets.has(old.value)) return 'WRONGTYPE';
    // What is missing in the bucket: one token less in each millisecond.
    const fullMs = old ? this.#buckets.get(old.value)! : this.nowMs;
    let missing = Math.min(capacity, Math.max(0, fullMs - this.nowMs));
    const isAllowed = cost <= capacity - missing;
    if (isAllowed) missing += cost;
    if (isAllowed && cost > 0) {
      const value = Buffer.alloc(46, 0x95);
      this.#buckets.set(value, this.nowMs + missing);
      this.#entries.set(key.toString('hex'), { value, expiryMs: this.nowMs + missing });
    }
    const wait = isAllowed ? 0 : cost > capacity ? -1 : cost - (capacity - missing);
    const numbers = [capacity - missing, wait, missing].map((n) => shortestInteger(BigInt(n)));
    return Buffer.concat([Buffer.of(0x94), isAllowed ? TRUE : FALSE, ...numbers]);
  }

  /** What TYPE says of the key. */
  typeOf(key: Buffer): string {
    const value = this.#find(key)?.value;
    if (value === undefined) return 'none';
    return Buffer.isBuffer(value) ? 'string' : value.type;
  }

  /** Whether the key holds a bucket, whose bytes are not modelled. */
  hasBucket(key: Buffer): boolean {
    const entry = this.#find(key);
    return entry !== undefined && this.#buckets.has(entry.value);
  }

  timeToLive(key: Buffer): Buffer {
    const entry = this.#find(key);
    if (!entry) return shortestInteger(-2n);
    if (entry.expiryMs === Number.POSITIVE_INFINITY) return shortestInteger(-1n);
    return shortestInteger(BigInt(entry.expiryMs - this.nowMs));
  }
}
