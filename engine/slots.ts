/**
 * Slots: what keys are told apart by in a cluster. A key's slot is CRC16 of its bytes, as in Redis
 * Cluster (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/), so that its
 * clients find the same slots. A part in braces, the hash tag, stands for the whole key: keys with
 * the same tag are in the same slot, and one command may name several of them.
 */

/** As many as Redis Cluster has. */
export const SLOTS = 16_384;

/** CRC-16/XMODEM: x^16 + x^12 + x^5 + 1, from 0, the highest bit first. */
const POLYNOMIAL = 0x1021;

/** How a byte counts that has no, one, two and three bytes behind it, up to the end of a step. */
const [LAST, THIRD, SECOND, FIRST] = makeTables();

function makeTables(): [Uint16Array, Uint16Array, Uint16Array, Uint16Array] {
  const last = Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? POLYNOMIAL : 0);
    return crc;
  });
  const withByteBehind = (table: Uint16Array): Uint16Array =>
    table.map((crc) => (crc << 8) ^ last[crc >>> 8]!);
  const third = withByteBehind(last);
  const second = withByteBehind(third);
  return [last, third, second, withByteBehind(second)];
}

const OPENING = 0x7b;
const CLOSING = 0x7d;

/** The slot of a key, from 0 to {@link SLOTS} - 1. */
export function slotOf(key: Uint8Array): number {
  const { length } = key;
  let crc = 0;
  let at = 0;
  // Looking for the brace on the way is cheaper than a call of `indexOf` for each key.
  for (; at + 4 <= length; at += 4) {
    const first = key[at]!;
    const second = key[at + 1]!;
    const third = key[at + 2]!;
    const fourth = key[at + 3]!;
    if (first === OPENING || second === OPENING) return slotOfTagged(key, at);
    if (third === OPENING || fourth === OPENING) return slotOfTagged(key, at);
    crc =
      FIRST[(crc >>> 8) ^ first]! ^ SECOND[(crc & 0xff) ^ second]! ^ THIRD[third]! ^ LAST[fourth]!;
  }
  for (; at < length; at++) {
    const byte = key[at]!;
    if (byte === OPENING) return slotOfTagged(key, at);
    crc = withByte(crc, byte);
  }
  return crc % SLOTS;
}

/** Of a key that has its first opening brace at this place or behind it. */
function slotOfTagged(key: Uint8Array, from: number): number {
  const opening = key.indexOf(OPENING, from);
  const closing = key.indexOf(CLOSING, opening + 1);
  // An empty tag is none, and so is one without an end.
  if (closing <= opening + 1) return crcOfBytes(key, 0, key.length) % SLOTS;
  return crcOfBytes(key, opening + 1, closing) % SLOTS;
}

/** The slot of the key that is this text in UTF-8. */
export function slotOfText(key: string): number {
  const opening = key.indexOf('{');
  if (opening >= 0) {
    const closing = key.indexOf('}', opening + 1);
    if (closing > opening + 1) return crcOfText(key, opening + 1, closing) % SLOTS;
  }
  return crcOfText(key, 0, key.length) % SLOTS;
}

function crcOfBytes(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    crc =
      FIRST[(crc >>> 8) ^ bytes[at]!]! ^
      SECOND[(crc & 0xff) ^ bytes[at + 1]!]! ^
      THIRD[bytes[at + 2]!]! ^
      LAST[bytes[at + 3]!]!;
  }
  for (; at < end; at++) crc = withByte(crc, bytes[at]!);
  return crc;
}

function withByte(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ LAST[(crc >>> 8) ^ byte]!;
}

const UTF8 = new TextEncoder();

/** Text is read in place as long as it is ASCII; otherwise its UTF-8 is made. */
function crcOfText(text: string, start: number, end: number): number {
  let crc = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const first = text.charCodeAt(at);
    const second = text.charCodeAt(at + 1);
    const third = text.charCodeAt(at + 2);
    const fourth = text.charCodeAt(at + 3);
    if ((first | second | third | fourth) > 0x7f) return crcOfUtf8(text, start, end);
    crc =
      FIRST[(crc >>> 8) ^ first]! ^ SECOND[(crc & 0xff) ^ second]! ^ THIRD[third]! ^ LAST[fourth]!;
  }
  for (; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) return crcOfUtf8(text, start, end);
    crc = withByte(crc, code);
  }
  return crc;
}

function crcOfUtf8(text: string, start: number, end: number): number {
  const bytes = UTF8.encode(text.slice(start, end));
  return crcOfBytes(bytes, 0, bytes.length);
}
