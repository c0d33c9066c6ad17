/** The walk over a frame's commands: where each value ends, as a slow twin says it. */
import { describe, expect, it } from 'vitest';
import { BROKEN, CommandWalk, endOfMany } from '#engine/command-walk.js';
import { hostileFrame, randomCommand } from '../support/fuzz-frames.js';
import { endOfValue } from '../support/fuzz-msgpack.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { array, integer, map, NIL, str } from '../support/kernel-wire.js';

const seed = freshSeed();

describe('endOfMany', () => {
  it('agrees with the twin on every first byte, whole and cut', () => {
    for (let tag = 0; tag < 256; tag++) {
      for (const filler of [0x00, 0x01, 0xc0, 0xff]) {
        const bytes = Buffer.alloc(300, filler);
        bytes[0] = tag;
        for (let length = 0; length < bytes.length; length += length < 20 ? 1 : 37) {
          const cut = Buffer.from(bytes.subarray(0, length));
          const [end, expected] = [endOfMany(cut, 0, 1), Math.max(BROKEN, endOfValue(cut, 0))];
          if (end !== expected) throw new Error(`${end}, not ${expected}: ${tag} ${length}`);
        }
      }
    }
  });

  it(`agrees with the twin on hostile bytes (seed ${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 500; round++) {
      const bytes = Buffer.concat([Buffer.of(0x2a), hostileFrame(random)]);
      for (let at = 1; at >= 0 && at < bytes.length; ) {
        const end = endOfMany(bytes, at, 1);
        const expected = Math.max(BROKEN, endOfValue(bytes, at));
        if (end !== expected) throw new Error(`${end}, not ${expected}, at ${at}, round ${round}`);
        at = end;
      }
    }
  });

  it('does not lose count of values, however many are promised', () => {
    // Each of these promises a million values; a sum of 32 bits would come round to none.
    const promises = Buffer.alloc(1024 ** 2, Buffer.from('df0007a120', 'hex'));
    expect(endOfMany(promises, 0, 1)).toBe(BROKEN);
  });

  it('counts several values, and those of a container as one', () => {
    const bytes = Buffer.concat([integer(7), array([NIL, NIL]), map([NIL, str('x')]), NIL]);
    expect([0, 1, 2, 3, 4, 5].map((count) => endOfMany(bytes, 0, count))).toEqual([
      ...[0, 1, 4, 8, 9],
      BROKEN,
    ]);
  });
});

describe('CommandWalk', () => {
  it(`tells where the first six elements end (seed ${seed})`, () => {
    const random = new Random(seed);
    const walk = new CommandWalk();
    for (let round = 0; round < 1000; round++) {
      const command = randomCommand(random);
      const bytes = Buffer.concat([NIL, command, NIL]);
      expect(walk.walk(bytes, 1)).toBe(1 + command.length);
      let at = walk.start;
      for (let i = 0; i < walk.items; i++) {
        at = endOfValue(bytes, at);
        if (i < 6 && walk.ends[i] !== at) throw new Error(`element ${i} of round ${round}`);
      }
      expect(at).toBe(1 + command.length);
      // Cut anywhere, it is broken.
      const length = 1 + random.below(command.length);
      expect(walk.walk(Buffer.from(bytes.subarray(0, length)), 1)).toBe(BROKEN);
    }
  });

  it('finds no elements in anything but an array', () => {
    const walk = new CommandWalk();
    walk.walk(array([NIL]), 0);
    expect(walk.items).toBe(1);
    for (const value of [NIL, integer(1), str('PING'), map([NIL, NIL]), array([]), array([], 2)]) {
      expect(walk.walk(value, 0)).toBe(value.length);
      expect(walk.items).toBe(0);
    }
  });
});
