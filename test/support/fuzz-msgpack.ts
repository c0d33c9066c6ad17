/**
 * msgpack for fuzzing: a walker of its own that decides what is a whole value, and writers of
 * random values in every form the format has, the wasteful ones too.
 */
import type { Random } from './fuzz-random.mjs';

/** Bytes behind the tag of each fixed-size type from 0xc0 on; the others are handled by name. */
const FIXED: Readonly<Record<number, number>> = {
  192: 0,
  194: 0,
  195: 0,
  202: 4,
  203: 8,
  204: 1,
  205: 2,
  206: 4,
  207: 8,
  208: 1,
  209: 2,
  210: 4,
  211: 8,
  212: 2,
  213: 3,
  214: 5,
  215: 9,
  216: 17,
};

/**
 * The first tag of each family whose length field has 1, 2 and 4 bytes, and what stands between
 * length and bytes.
 */
const COUNTED = [
  { tags: [0xc4, 0xc5, 0xc6], extra: 0 },
  { tags: [0xc7, 0xc8, 0xc9], extra: 1 },
  { tags: [0xd9, 0xda, 0xdb], extra: 0 },
];

/** What stands at a place in some bytes. */
interface Step {
  /** Of the value without its elements. */
  bytes: number;
  /** How many values follow that belong to it. */
  elements: number;
}

function stepAt(bytes: Buffer, at: number): Step | undefined {
  const tag = bytes[at];
  if (tag === undefined || tag === 0xc1) return undefined;
  if (tag < 0x80 || tag >= 0xe0) return { bytes: 1, elements: 0 };
  if (tag < 0x90) return { bytes: 1, elements: 2 * (tag - 0x80) };
  if (tag < 0xa0) return { bytes: 1, elements: tag - 0x90 };
  if (tag < 0xc0) return { bytes: 1 + (tag - 0xa0), elements: 0 };
  if (tag in FIXED) return { bytes: 1 + FIXED[tag]!, elements: 0 };
  for (const { tags, extra } of COUNTED) {
    const width = 1 << tags.indexOf(tag);
    if (!tags.includes(tag)) continue;
    if (at + 1 + width > bytes.length) return undefined;
    return { bytes: 1 + width + extra + bytes.readUIntBE(at + 1, width), elements: 0 };
  }
  const width = tag === 0xdc || tag === 0xde ? 2 : 4;
  if (at + 1 + width > bytes.length) return undefined;
  const count = bytes.readUIntBE(at + 1, width);
  return { bytes: 1 + width, elements: tag >= 0xde ? 2 * count : count };
}

/** The end of the value at `at`, or -1 when no whole value stands there. */
export function endOfValue(bytes: Buffer, at: number): number {
  let left = 1;
  while (left > 0) {
    const step = stepAt(bytes, at);
    if (step === undefined || at + step.bytes > bytes.length) return -1;
    at += step.bytes;
    left += step.elements - 1;
  }
  return at;
}

/** The values that stand back to back, or undefined when it does not come out even. */
export function splitValues(bytes: Buffer): Buffer[] | undefined {
  const values: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = endOfValue(bytes, at);
    if (end < 0) return undefined;
    values.push(bytes.subarray(at, end));
    at = end;
  }
  return values;
}

/** The integer that a value is, or undefined when it is none. */
export function integerOf(value: Buffer): bigint | undefined {
  const tag = value[0]!;
  if (tag < 0x80) return BigInt(tag);
  if (tag >= 0xe0) return BigInt(tag - 0x100);
  if (tag >= 0xcc && tag <= 0xcf) {
    return value.subarray(1).reduce((sum, byte) => (sum << 8n) + BigInt(byte), 0n);
  }
  if (tag >= 0xd0 && tag <= 0xd3) {
    const unsigned = value.subarray(1).reduce((sum, byte) => (sum << 8n) + BigInt(byte), 0n);
    return BigInt.asIntN(8 * (value.length - 1), unsigned);
  }
  return undefined;
}

/** A tag and a big-endian number of `width` bytes. */
function counted(tag: number, width: number, count: number | bigint): Buffer {
  const bytes = Buffer.alloc(1 + width);
  bytes[0] = tag;
  let rest = BigInt(count);
  for (let i = width; i > 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** An integer of the 64-bit range in one of the forms that hold it. */
export function packInteger(random: Random, value: bigint): Buffer {
  const forms: Buffer[] = [];
  if (value >= -32n && value < 128n) forms.push(Buffer.of(Number(value) & 0xff));
  for (let i = 0; i < 4; i++) {
    const bits = 8 << i;
    if (value >= 0n && value < 1n << BigInt(bits)) forms.push(counted(0xcc + i, 1 << i, value));
    if (BigInt.asIntN(bits, value) === value) {
      forms.push(counted(0xd0 + i, 1 << i, BigInt.asUintN(bits, value)));
    }
  }
  return random.pick(forms);
}

/** The shortest form of an integer, unsigned ones unsigned: as replies have it. */
export function shortestInteger(value: bigint): Buffer {
  if (value >= -32n && value < 128n) return Buffer.of(Number(value) & 0xff);
  for (let i = 0; i < 4; i++) {
    const bits = BigInt(8 << i);
    if (value >= 0n && value < 1n << bits) return counted(0xcc + i, 1 << i, value);
    if (value < 0n && value >= -(1n << (bits - 1n))) {
      return counted(0xd0 + i, 1 << i, BigInt.asUintN(Number(bits), value));
    }
  }
  throw new RangeError(`${value} has more than 64 bits`);
}

/** Bytes as str or bin, in one of the forms that hold them. */
export function packBytes(random: Random, payload: Buffer): Buffer {
  const { length } = payload;
  const forms = [0xc6, 0xdb];
  if (length < 0x10000) forms.push(0xc5, 0xda);
  if (length < 0x100) forms.push(0xc4, 0xd9);
  if (length < 32) forms.push(0xa0, 0xa0, 0xa0);
  return Buffer.concat([blobHeader(random.pick(forms), length), payload]);
}

function blobHeader(form: number, length: number): Buffer {
  if (form === 0xa0) return Buffer.of(0xa0 + length);
  return counted(form, 1 << (form >= 0xd9 ? form - 0xd9 : form - 0xc4), length);
}

/** The head of an array or map of `count` elements or pairs, in one of the forms that hold it. */
export function containerHead(random: Random, isMap: boolean, count: number): Buffer {
  const forms = [4];
  if (count < 0x10000) forms.push(2);
  if (count < 16) forms.push(0, 0, 0);
  const width = random.pick(forms);
  if (width === 0) return Buffer.of((isMap ? 0x80 : 0x90) + count);
  return counted((isMap ? 0xde : 0xdc) + (width === 4 ? 1 : 0), width, count);
}

const EDGES = [0, 5, 7, 8, 15, 16, 31, 32, 53].map((bits) => 2n ** BigInt(bits));

/** Small numbers, the edges of the integer forms on both sides of 0, and any 64 bits. */
export function randomInteger(random: Random): bigint {
  const what = random.below(4);
  if (what === 0) return BigInt(random.between(-40, 140));
  if (what === 1) return BigInt.asIntN(64, (BigInt(random.word()) << 32n) + BigInt(random.word()));
  const edge = random.pick([...EDGES, 2n ** 63n - 1n]) + BigInt(random.between(-2, 2));
  return BigInt.asIntN(64, random.chance(0.5) ? -edge : edge);
}

/** Lengths around which something changes: form of the header, step of a copy, size of a chunk. */
const LENGTHS = [0, 1, 7, 8, 15, 16, 31, 32, 33, 63, 255, 256, 257, 2048, 2049, 8150, 8192, 9000];

export function randomLength(random: Random): number {
  if (random.chance(0.02)) return random.pick([65_534, 65_535, 65_536, 70_000]);
  if (random.chance(0.1)) return random.below(9000);
  return random.chance(0.5) ? random.pick(LENGTHS) : random.below(40);
}

/** Any whole value of any type. */
export function randomValue(random: Random, depth = 0): Buffer {
  switch (random.below(depth > 3 ? 7 : 10)) {
    case 0:
      return Buffer.of(random.pick([0xc0, 0xc2, 0xc3]));
    case 1:
      return packInteger(random, randomInteger(random));
    case 2:
      return counted(0xcf, 8, BigInt(random.word()) << 32n);
    case 3: {
      const width = random.pick([4, 8]);
      return Buffer.concat([Buffer.of(width === 4 ? 0xca : 0xcb), random.bytes(width)]);
    }
    case 4:
    case 5:
      return packBytes(random, random.bytes(randomLength(random)));
    case 6:
      return randomExtension(random);
    default: {
      const isMap = random.chance(0.4);
      const count = random.chance(0.1) ? random.between(15, 18) : random.below(4);
      const elements = Array.from({ length: isMap ? 2 * count : count }, () =>
        randomValue(random, depth + 1),
      );
      return Buffer.concat([containerHead(random, isMap, count), ...elements]);
    }
  }
}

function randomExtension(random: Random): Buffer {
  const type = random.bytes(1);
  if (random.chance(0.5)) {
    const power = random.below(5);
    return Buffer.concat([Buffer.of(0xd4 + power), type, random.bytes(1 << power)]);
  }
  const length = random.below(40);
  const width = random.below(3);
  return Buffer.concat([counted(0xc7 + width, 1 << width, length), type, random.bytes(length)]);
}
