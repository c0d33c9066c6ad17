/**
 * The kinds of values that are stored: how to make value number n, and how to tell it from the
 * others.
 */
import { Buffer } from 'node:buffer';

export interface Kind<V> {
  readonly name: 'bytes' | 'string' | 'object' | 'integer';
  /** A new value each time, as the caller of a cache has it when he stores something. */
  make(index: number): V;
  /**
   * A small whole number that depends on the value: reading it touches what the value is made of.
   */
  mark(value: V): number;
}

export const VALUE_BYTES = 32;

/** Spreads neighbouring numbers over all bits. */
const spread = (index: number): number => Math.imul(index, 0x9e3779b1) >>> 0;

/** Writes the 32 bytes of value number `index` at `at`. */
export function writeValueBytes(bytes: Uint8Array, at: number, index: number): void {
  bytes.fill(0x2e, at, at + VALUE_BYTES);
  const mixed = spread(index);
  for (let i = 0; i < 4; i++) {
    bytes[at + i] = index >>> (8 * i);
    bytes[at + VALUE_BYTES - 1 - i] = mixed >>> (8 * i);
  }
}

export const bytesKind: Kind<Uint8Array> = {
  name: 'bytes',
  make(index) {
    const value = Buffer.allocUnsafe(VALUE_BYTES);
    writeValueBytes(value, 0, index);
    return value;
  },
  mark: (value) => value[0]! + value[value.length - 1]!,
};

const LETTER_A = 97;
const text = Buffer.alloc(VALUE_BYTES, 'abcdefghijklmnopqrstuvwxyz012345');

export const stringKind: Kind<string> = {
  name: 'string',
  make(index) {
    const mixed = spread(index);
    for (let i = 0; i < 8; i++) {
      text[i] = LETTER_A + ((mixed >>> (4 * i)) & 15);
      text[VALUE_BYTES - 1 - i] = LETTER_A + ((index >>> (4 * i)) & 15);
    }
    return text.toString('latin1', 0, VALUE_BYTES);
  },
  mark: (value) => value.charCodeAt(0) + value.charCodeAt(value.length - 1),
};

/** About 100 bytes as msgpack: a small record, such as a session. */
export interface Profile {
  id: number;
  name: string;
  email: string;
  active: boolean;
  score: number;
  tags: string[];
}

/** An object of ten fields. */
export interface Account {
  id: number;
  name: string;
  email: string;
  active: boolean;
  score: number;
  city: string;
  role: string;
  visits: number;
  level: number;
  tags: string[];
}

export const recordKind: Kind<Account> = {
  name: 'object',
  make: (index) => ({
    id: index,
    name: `user ${index}`,
    email: `user${index}@example.com`,
    active: index % 2 === 0,
    score: index / 8,
    city: 'Berlin',
    role: 'editor',
    visits: index * 3,
    level: index % 7,
    tags: ['blue', 'green'],
  }),
  mark: (value) => (value.id & 255) + value.name.length + value.tags.length,
};

export const objectKind: Kind<Profile> = {
  name: 'object',
  make: (index) => ({
    id: index,
    name: `user ${index}`,
    email: `user${index}@example.com`,
    active: index % 2 === 0,
    score: index / 8,
    tags: ['blue', 'green'],
  }),
  mark: (value) => (value.id & 255) + value.name.length + value.tags.length,
};

/** Whole numbers, for `increment`: every one starts at 0. */
export const integerKind: Kind<number> = {
  name: 'integer',
  make: () => 0,
  mark: (value) => value,
};

/** Whether a value read is value number `index` in every byte. */
export function isValue<V>(kind: Kind<V>, value: unknown, index: number): boolean {
  const expected: unknown = kind.make(index);
  if (expected instanceof Uint8Array) {
    return value instanceof Uint8Array && Buffer.compare(value, expected) === 0;
  }
  return JSON.stringify(value) === JSON.stringify(expected);
}
