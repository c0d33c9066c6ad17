/**
 * Compares replies to one frame from two places that hold the same keys, each with versions, hash
 * seeds and orders of its own.
 */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { COMMANDS, type CommandName } from '#engine/commands.js';
import { type FrameFault, isFault } from '#engine/frame.js';
import { splitValues, integerOf as valueOfInteger } from './fuzz-msgpack.js';
import { judgeFrame, shorten } from './fuzz-replies.js';

/** Versions and fences are each arena's own: numbers of this size are taken for one. */
const VERSION = /(?<=^(?:..)*cf)0006.{12}/g;

function withoutVersions(reply: Buffer): Buffer {
  let text = reply.toString('hex');
  for (let before = ''; before !== text; ) {
    before = text;
    text = text.replace(VERSION, '0'.repeat(16));
  }
  return Buffer.from(text, 'hex');
}

/** Commands whose reply is in no order. */
export const UNORDERED: readonly CommandName[] = [
  ...(['SMEMBERS', 'HKEYS', 'HVALS', 'HGETALL'] as const),
  ...(['SINTER', 'SUNION', 'SDIFF'] as const),
];

/** Commands that choose by chance, or walk in the order of hashes, of which each arena has its own. */
export const BY_CHANCE: readonly CommandName[] = [
  ...(['SPOP', 'SRANDMEMBER', 'HRANDFIELD', 'ZRANDMEMBER'] as const),
  ...(['SSCAN', 'HSCAN', 'ZSCAN'] as const),
];

/** Whether a command is one of these. */
export function isOneOf(names: readonly CommandName[], request: Buffer | undefined): boolean {
  const headBytes = request === undefined || request[0]! < 0xdc ? 1 : request[0] === 0xdc ? 3 : 5;
  const [head] = splitValues(request?.subarray(headBytes) ?? Buffer.alloc(0)) ?? [];
  if (head === undefined) return false;
  const code = valueOfInteger(head);
  const text = head.toString('latin1').toUpperCase();
  return names.some((name) => code === BigInt(COMMANDS[name].code) || text.endsWith(name));
}

/** A reply in an order of its own. */
function sorted(reply: Buffer): string[] {
  const isLong = reply[0] === 0xdc || reply[0] === 0xde;
  const items = splitValues(reply.subarray(isLong ? 3 : 1)) ?? [];
  const isMap = (reply[0]! >= 0x80 && reply[0]! < 0x90) || reply[0] === 0xde;
  const texts = items.map((item) => item.toString('latin1'));
  const pairs = texts.flatMap((text, i) => (i % 2 === 0 ? [text + texts[i + 1]] : []));
  return (isMap ? pairs : texts).sort();
}

/** @throws Error when a reply is not the same */
export function expectSame(
  frameBytes: Buffer,
  one: Uint8Array | FrameFault,
  other: Uint8Array | FrameFault,
): void {
  if (isFault(one) || isFault(other)) {
    expect(other).toEqual(one);
    return;
  }
  const expected = splitValues(Buffer.from(one))!;
  const got = splitValues(Buffer.from(other))!;
  const { commands } = judgeFrame(frameBytes);
  const isSame = (value: Buffer, i: number): boolean => {
    const other = expected[i] ?? Buffer.alloc(0);
    if (isOneOf(UNORDERED, commands[i - 1])) return isDeepStrictEqual(sorted(value), sorted(other));
    return withoutVersions(value).equals(withoutVersions(other));
  };
  if (got.length === expected.length && got.every(isSame)) return;
  const at = got.findIndex((value, i) => !isSame(value, i));
  const texts = [expected[at], got[at]].map((value) => value && shorten(value));
  throw new Error(`${texts[1]} instead of ${texts[0]} at ${at} of ${shorten(frameBytes)}`);
}
