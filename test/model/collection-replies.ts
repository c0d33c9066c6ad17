/** Frames of commands on collections, and what is replied to them, as values that compare. */
import { Buffer } from 'node:buffer';
import { Packr, Unpackr } from 'msgpackr';
import { COMMANDS } from '#engine/commands.js';
import { Failure, identityOf, type Member } from './collection-models.js';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({
  useRecords: false,
  mapsAsObjects: false,
  int64AsType: 'auto' as 'number',
});

/** A frame of one command on a key, with the id 1. */
export function frameOf(name: string, key: string, args: readonly unknown[]): Buffer {
  const { code } = COMMANDS[name as keyof typeof COMMANDS];
  return Buffer.concat([Buffer.of(1), packr.pack([code, key, ...args])]);
}

export function readReply(bytes: Buffer): unknown {
  if (bytes[0] !== 0xc7 || bytes[2] !== 1) return unpackr.unpack(bytes);
  return new Failure(bytes.toString('utf8', 3).split(' ')[0]!);
}

/** Commands that reply members in no order. */
const SETS = ['SMEMBERS', 'HKEYS', 'SINTER', 'SUNION', 'SDIFF'];

/** Replies without an order in one; members by what makes them the same. */
export function comparable(name: string, reply: unknown): unknown {
  if (reply instanceof Failure) return reply;
  if (SETS.includes(name)) {
    return [...(reply as Iterable<Member>)].map(identityOf).sort();
  }
  if (name === 'HGETALL') {
    const pairs = [...(reply as Map<Member, unknown>)];
    return pairs.map(([field, value]) => [identityOf(field), plain(value)]).sort();
  }
  if (name === 'HVALS')
    return (reply as unknown[]).map((value) => JSON.stringify(plain(value))).sort();
  return plain(reply);
}

/** Maps as objects, and bytes of one class. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]));
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  return Array.isArray(value) ? value.map(plain) : value;
}
