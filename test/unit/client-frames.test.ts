/** How the client builds frames around long commands, and when it lets them leave. */
import { describe, expect, it } from 'vitest';
import { FrameLimits } from '#client/frame-limits.js';
import { readOptions } from '#client/options.js';
import { FrameWriter } from '#client/writer.js';
import { bin, integer, str } from '../support/kernel-wire.js';

const KIB = 1024;
const MIB = 1024 * KIB;

describe('a long command behind others', () => {
  const LENGTHS = [70 * KIB, 300 * KIB, 5 * MIB];

  it.each(LENGTHS)('of %i bytes becomes the start of a frame of any id', (length) => {
    const value = new Uint8Array(length).fill(7);
    const idsBefore = [1, 0x7f, 0xff, 0xffff, 0xffff_ffff];
    for (const id of idsBefore) {
      const next = id === 0xffff_ffff ? 1 : id + 1;
      for (const before of [1, 1000]) {
        const writer = new FrameWriter();
        // Bytes of a frame that was sent lie in front, and must stay as they are.
        writer.begin(9);
        writer.command(1, 0);
        writer.commit();
        const sent = writer.end();
        writer.begin(id);
        for (let i = 0; i < before; i++) {
          writer.command(1, 0);
          writer.commit();
        }
        writer.command(0x11, 2);
        writer.key('k');
        writer.binary(value);
        const first = writer.split(next);
        writer.commit();
        writer.command(1, 0);
        writer.commit();
        const second = writer.end();
        expect(Buffer.from(sent)).toEqual(Buffer.of(9, 0x91, 1));
        const pings = Buffer.alloc(2 * before, Buffer.of(0x91, 1));
        expect(Buffer.concat([integer(id), pings]).equals(first)).toBe(true);
        const set = Buffer.concat([integer(next), Buffer.of(0x93, 0x11), str('k'), bin(value)]);
        expect(Buffer.concat([set, Buffer.of(0x91, 1)]).equals(second)).toBe(true);
        // And what comes next is whole as well.
        writer.begin(5);
        writer.command(1, 0);
        writer.commit();
        expect(Buffer.from(writer.end())).toEqual(Buffer.of(5, 0x91, 1));
      }
    }
  });
});

it.each(['x', 'é', '€', '🙂'])('text of some MiB of %s is written as it is', (character) => {
  const text = character.repeat(MIB + 3);
  const writer = new FrameWriter();
  writer.begin(1);
  expect(writer.text(text)).toBe(Buffer.byteLength(text));
  writer.commit();
  expect(Buffer.concat([integer(1), str(text)]).equals(writer.end())).toBe(true);
});

describe('frames that may leave', () => {
  function limitsOf(backlogBytesMax?: number): FrameLimits {
    const limits = new FrameLimits(readOptions());
    limits.adopt({ backlogBytesMax });
    return limits;
  }

  it('are any one alone, and those that fit the backlog together', () => {
    const limits = limitsOf(16 * MIB);
    expect(limits.allows(0, 64 * MIB)).toBe(true);
    expect(limits.allows(1, 64 * MIB)).toBe(false);
    expect(limits.allows(3 * MIB, 13 * MIB)).toBe(true);
    expect(limits.allows(3 * MIB, 13 * MIB + 1)).toBe(false);
    expect(limits.allows(4 * MIB, 1)).toBe(false);
    expect(limitsOf().allows(4 * MIB - 1, 64 * MIB)).toBe(true);
  });

  it('hold fewer commands, the longer the replies are', () => {
    const limits = limitsOf();
    limits.learn(1, 100, 100 * KIB);
    expect(limits.frameCommandsMax).toBe(16);
    limits.learn(1, 100, 8 * MIB);
    expect(limits.frameCommandsMax).toBe(4);
    limits.learn(1, 100, 64 * MIB);
    expect(limits.frameCommandsMax).toBe(1);
    for (let i = 0; i < 100; i++) limits.learn(100, 1000, 1000);
    expect(limits.frameCommandsMax).toBe(1000);
  });
});
