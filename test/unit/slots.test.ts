/** The slots of keys: Redis Cluster's, to the last one. */
import { describe, expect, it } from 'vitest';
import { SLOTS, slotOf, slotOfText } from '#engine/slots.js';
import { Random, SEED } from '../support/kernel-random.js';

/** As redis-server 7.0 answers CLUSTER KEYSLOT. */
const GOLDEN_TEXTS: readonly (readonly [string, number])[] = [
  ['123456789', 12739],
  ['foo', 12182],
  ['hello', 866],
  ['somekey', 11058],
  ['a', 15495],
  ['{user1000}.following', 3443],
  ['{user1000}.followers', 3443],
  // No tag: an empty one, one without an end, an end before the beginning.
  ['foo{}{bar}', 8363],
  ['{}', 15257],
  ['foo{', 7673],
  ['}{', 12793],
  ['{a', 10276],
  ['{}}x0', 10096],
  ['{:aaa{', 14500],
  // The first opening brace begins the tag, the first closing one behind it ends it.
  ['foo{{bar}}zap', 4015],
  ['foo{bar}{zap}', 5061],
  [':z}{{z{', 2396],
  // UTF-8, in a tag and without one.
  ['ba€z😀{€', 7080],
  ['}yzb€{ba', 13933],
  ['y:😀€}😀é}{bx', 10692],
  ['ba0z00bx}}€{{b', 8896],
  ['0éza{:}{0x}', 5913],
  ['€{xzz}', 2534],
  ['{}a€b{:{:', 15359],
  ['yéy€😀0bba€é{', 9841],
  ['by😀{0€}', 11044],
  ['€{{😀}€z{😀z}', 15094],
  ['0{za{é0x€€bb€', 13472],
  ['😀€éyxx0{', 7103],
  [':éyzb€y0y{', 8782],
];

/** Bytes in hexadecimal, many of them braces: 7b and 7d. */
const GOLDEN_BYTES: readonly (readonly [string, number])[] = [
  ['34197b', 12146],
  ['7d4e7de47b7dbb14fac47b', 14265],
  ['5a877d7ba506c5', 4109],
  ['5e7d7b7b7b4c', 9651],
  ['7b7d3d7d677ba824', 1484],
  ['7b7a28b4ac247beeb87de0997b', 65],
  ['7d7d57e47b7d', 5213],
  ['7da07d7d7d7d617df37d', 11331],
  ['04a3547b477b95a97bb1047b3292', 11127],
  ['6cd77c067d7b517be6f07d7b7d', 15997],
  ['807d4b1c', 1514],
  ['7dca7d7b7b867df0cc', 9709],
  ['7d2ff4883f9939b855', 14913],
  ['7d7d7d3adbd9', 7485],
  ['6af97c577b977a7d5a7d', 7841],
  ['7d7ba1e30a', 3729],
  ['7d6f69c57ba9f5ad2588', 7608],
  ['702878398a98f6ca7b16bb7592f1', 8982],
  ['7b76657b7d7b6b7b947df57d187d', 4491],
  ['287daa', 1474],
];

/** The slow twin: the definition, bit by bit. */
function slowSlotOf(key: Uint8Array): number {
  const text = Buffer.from(key).toString('latin1');
  const tag = /^[^{]*\{([^}]+)\}/s.exec(text)?.[1] ?? text;
  let crc = 0;
  for (const byte of Buffer.from(tag, 'latin1')) {
    for (let bit = 7; bit >= 0; bit--) {
      const isOne = (crc >>> 15) ^ ((byte >>> bit) & 1);
      crc = ((crc << 1) & 0xffff) ^ (isOne ? 0x1021 : 0);
    }
  }
  return crc % SLOTS;
}

describe('a slot', () => {
  it.each(GOLDEN_TEXTS)('of %s is that of Redis, %d', (text, slot) => {
    expect([slotOfText(text), slotOf(Buffer.from(text))]).toEqual([slot, slot]);
  });

  it.each(GOLDEN_BYTES)('of bytes %s is that of Redis, %d', (hex, slot) => {
    expect(slotOf(Buffer.from(hex, 'hex'))).toBe(slot);
  });

  it('is the same by the definition, for keys of all lengths', () => {
    const random = new Random(SEED);
    for (let round = 0; round < 20_000; round++) {
      const key = random.bytes(random.below(70));
      // Braces at random places, in some at the first or the last one.
      for (let i = random.below(5); i > 0; i--) {
        if (key.length > 0) key[random.below(key.length)] = random.pick([0x7b, 0x7d]);
      }
      expect([round, SEED, slotOf(key)]).toEqual([round, SEED, slowSlotOf(key)]);
    }
  });

  it('of a text is that of its UTF-8, also where that is not well formed', () => {
    const random = new Random(SEED);
    const parts = ['a', 'b', '{', '}', 'é', '€', '😀', '\ud800', '\udc00', '\x7f', '\x80', '0123'];
    for (let round = 0; round < 20_000; round++) {
      const text = Array.from({ length: random.below(14) }, () => random.pick(parts)).join('');
      const bytes = new TextEncoder().encode(text);
      expect([text, SEED, slotOfText(text)]).toEqual([text, SEED, slotOf(bytes)]);
    }
  });

  it('of an empty key is 0, and all slots are reached about as often', () => {
    expect([slotOfText(''), slotOf(new Uint8Array())]).toEqual([0, 0]);
    const counts = new Uint32Array(SLOTS);
    for (let i = 0; i < 64 * SLOTS; i++) counts[slotOfText(`user:${i}`)]!++;
    // 64 in the mean, with a standard deviation of 8 if it were chance.
    expect(Math.min(...counts)).toBeGreaterThan(16);
    expect(Math.max(...counts)).toBeLessThan(112);
  });
});
