/** What becomes of the replies to commands on collections. */
import type { TimeLeft } from '../api.js';
import { SlabringError } from '../errors.js';
import { show } from '../units.js';
import type { Member } from './arguments.js';
import type { Reading, ReplySource } from './runner.js';

export function readCount(reply: ReplySource): number {
  return reply.value() as number;
}

/** An integer: a bigint where a number would not hold it exactly. */
export function readInteger(reply: ReplySource): number | bigint {
  return reply.value() as number | bigint;
}

export function readBoolean(reply: ReplySource): boolean {
  return reply.value() as boolean;
}

/** A count of at most one, as whether there was one. */
export function readAny(reply: ReplySource): boolean {
  return reply.value() !== 0;
}

/** A value or nil, as whether there is one. */
export function readPresence(reply: ReplySource): boolean {
  return reply.value() !== null;
}

/** Says nothing but that it was done. */
export function readNothing(reply: ReplySource): void {
  reply.value();
}

/** A value; nil is undefined. */
export function readOptional<T>(reply: ReplySource): T | undefined {
  return (reply.value() ?? undefined) as T | undefined;
}

/** An index; nil is -1, as JavaScript has it. */
export function readIndex(reply: ReplySource): number {
  return (reply.value() ?? -1) as number;
}

/** The length of a list into which something was put; undefined: there was no place. */
export function readInserted(reply: ReplySource): number | undefined {
  const length = reply.value() as number;
  return length > 0 ? length : undefined;
}

/** An array of values; nil is an empty one. */
export function readValues<T>(reply: ReplySource): T[] {
  const count = reply.items() ?? 0;
  const values: T[] = [];
  for (let i = 0; i < count; i++) values.push(reply.value() as T);
  return values;
}

/** An array of values; those that are nil are undefined. */
export function readOptionals<T>(reply: ReplySource): (T | undefined)[] {
  const count = reply.items() ?? 0;
  const values: (T | undefined)[] = [];
  for (let i = 0; i < count; i++) values.push(readOptional<T>(reply));
  return values;
}

/** The only value of an array; nil is undefined. */
export function readFirst<T>(reply: ReplySource): T | undefined {
  return readOptionals<T>(reply)[0];
}

/** An array of numbers, 1 for what was done. */
export function readDones(reply: ReplySource): boolean[] {
  return readValues<number>(reply).map((outcome) => outcome === 1);
}

/** Such an array of one. */
export function readDone(reply: ReplySource): boolean {
  return readDones(reply)[0]!;
}

/** Such an array, as how many were done. */
export function readHowMany(reply: ReplySource): number {
  return readDones(reply).filter((done) => done).length;
}

/** An array of milliseconds that are left, -1 without expiry, -2 for what is not there. */
export function readTimesLeft(reply: ReplySource): TimeLeft[] {
  return readValues<number>(reply).map((left) => {
    if (left === -2) return undefined;
    return left === -1 ? Infinity : left;
  });
}

/** Such an array of one. */
export function readTimeLeft(reply: ReplySource): TimeLeft {
  return readTimesLeft(reply)[0];
}

/** A map, or an array of names and values in turn. */
export function readPairs<T>(reply: ReplySource): [Member, T][] {
  const count = reply.items() ?? 0;
  const pairs: [Member, T][] = [];
  for (let i = 0; i < count; i += 2) {
    const name = reply.value() as Member;
    pairs.push([name, reply.value() as T]);
  }
  return pairs;
}

/** The only pair of an array; undefined: it is empty. */
export function readFirstPair<T>(reply: ReplySource): [Member, T] | undefined {
  return readPairs<T>(reply)[0];
}

/** A page of a walk. */
export interface Page<T> {
  /** For the next page; 0: there is none. */
  cursor: number;
  items: T[];
}

/** A cursor and what the page has, read by `readItems`. */
export function readPage<T>(readItems: Reading<T[]>): Reading<Page<T>> {
  return (reply) => {
    // Undefined only of an error, behind which there is nothing to read.
    if (reply.items() === undefined) return { cursor: 0, items: [] };
    const cursor = reply.value() as number;
    return { cursor, items: readItems(reply) };
  };
}

export function readMap<T>(reply: ReplySource): Map<Member, T> {
  return new Map(readPairs<T>(reply));
}

/**
 * A map whose names are text or numbers, as an object.
 * @throws SlabringError `WRONGTYPE` when a name is bytes
 */
export function readObject<T>(reply: ReplySource): Record<string, T> {
  const object: Record<string, T> = {};
  for (const [name, value] of readPairs<T>(reply)) {
    if (name instanceof Uint8Array) {
      const message = `a field is ${show(name)}, which an object has no name for: use toMap`;
      throw new SlabringError('WRONGTYPE', message);
    }
    if (name === '__proto__') defineOwn(object, name, value);
    else object[String(name)] = value;
  }
  return object;
}

/** Assigning `__proto__` would change what the object inherits from. */
function defineOwn(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}
