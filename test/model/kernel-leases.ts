/** What the values of leases and rate limits are, byte by byte, for the model of the kernel. */
import { bin, FALSE, float, integer, str, TRUE, type Wire } from '../support/kernel-wire.js';

export interface Owner {
  readonly bytes: Buffer;
  readonly isText: boolean;
}

const FENCE_BYTES = 9;

export function leaseValue(owner: Owner, fence: bigint): Wire {
  const name = owner.isText ? str(owner.bytes) : bin(owner.bytes);
  return Buffer.concat([Buffer.of(0x92), name, integer(fence, 'uint64')]);
}

/** The owner's bytes; undefined: the value is no lease. */
export function ownerOf(value: Wire): Buffer | undefined {
  if (value[0] !== 0x92) return undefined;
  const end = value.length - FENCE_BYTES;
  if (end < 2 || value[end] !== 0xcf) return undefined;
  const head = value[1]!;
  const isShort = head >= 0xa0 && head < 0xc0;
  if (!isShort && head !== 0xc4 && head !== 0xd9) return undefined;
  const start = isShort ? 2 : 3;
  const length = isShort ? head & 31 : value[2]!;
  return length > 0 && start + length === end ? value.subarray(start, end) : undefined;
}

/** Of every bucket of the model: whole numbers, so that all sums are exact. */
export const CAPACITY = 10;
export const RATE = 2;
const MS_PER_TOKEN = 1000 / RATE;
const BUCKET_BYTES = 46;

export interface Taken {
  readonly reply: Wire;
  /** Undefined: the entry stays as it is. */
  readonly value: Wire | undefined;
  readonly expiryMs: number;
}

/**
 * What LIMIT does to a bucket.
 * @param value what the key holds, as a LIMIT of the model left it; undefined: nothing
 * @returns undefined where that is no bucket
 */
export function take(value: Wire | undefined, cost: number, nowMs: number): Taken | undefined {
  let since = nowMs;
  let spent = 0;
  if (value) {
    if (value.length !== BUCKET_BYTES || value[0] !== 0x95) return undefined;
    since = value.readDoubleBE(1 + 2 * 9 + 1);
    spent = value.readDoubleBE(1 + 4 * 9 + 1);
  }
  const fullMs = since + spent * MS_PER_TOKEN;
  if (fullMs <= nowMs) {
    since = nowMs;
    spent = 0;
  }
  const missingMs = (tokens: number) => since + (spent - tokens) * MS_PER_TOKEN - nowMs;
  // As many tokens may be missing as the bucket holds, less the cost.
  const isAllowed = cost <= CAPACITY && missingMs(CAPACITY - cost) <= 0;
  if (isAllowed) spent += cost;
  const leftMs = CAPACITY * MS_PER_TOKEN - missingMs(0);
  const waitMs = isAllowed ? 0 : cost > CAPACITY ? -1 : missingMs(CAPACITY - cost);
  const numbers = [Math.floor(leftMs / MS_PER_TOKEN), waitMs, missingMs(0)];
  const head = Buffer.of(0x94);
  const reply = Buffer.concat([head, isAllowed ? TRUE : FALSE, ...numbers.map((n) => integer(n))]);
  const expiryMs = nowMs + missingMs(0);
  if (!isAllowed || cost === 0) return { reply, value: undefined, expiryMs };
  const fields = [CAPACITY, RATE, since, nowMs, spent];
  return { reply, value: Buffer.concat([Buffer.of(0x95), ...fields.map(float)]), expiryMs };
}
