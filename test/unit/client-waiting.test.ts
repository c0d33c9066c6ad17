/** Frames that wait for their replies. */
import { describe, expect, it } from 'vitest';
import { Frame } from '#client/frame.js';
import { FramesOut } from '#client/frames-out.js';
import { PendingCommand, Result } from '#client/pending.js';
import { SlabringError } from '#engine/errors.js';

/** Of one command and 10 bytes. */
function frame(id: number, startedAtMs = 0, errors: unknown[] = []): Frame {
  const made = new Frame(id, startedAtMs);
  const failed = (error: SlabringError) => errors.push(error);
  made.pending.push(new PendingCommand(Result.RAW, () => {}, failed));
  made.commands = 1;
  made.complete(new Uint8Array(10));
  return made;
}

const ids = (frames: Iterable<Frame>) => [...frames].map(({ id }) => id);

describe('frames in flight', () => {
  it('cost the server something until it has answered, waited for or not', () => {
    const out = new FramesOut();
    const [first, second] = [frame(out.nextId()), frame(out.nextId())];
    out.add(first);
    out.add(second);
    out.giveUp(first);
    first.fail(new SlabringError('TIMEOUT', 'no reply'));
    expect(ids(out)).toEqual([2]);
    expect(out.windowBytes).toBe(2 * FramesOut.costOf(first));
    expect(out.take(1)).toBe(first);
    expect(out.isEmpty).toBe(false);
    out.take(2);
    expect([out.isEmpty, out.windowBytes]).toEqual([true, 0]);
    expect(() => out.take(2)).toThrow(RangeError);
  });

  it('lose only those that somebody waits for', () => {
    const out = new FramesOut();
    const frames = [1, 2, 3].map(() => frame(out.nextId()));
    for (const one of frames) out.add(one);
    out.giveUp(frames[1]!);
    frames[1]!.fail(new SlabringError('TIMEOUT', 'no reply'));
    expect(ids(out.clear())).toEqual([1, 3]);
    expect([out.isEmpty, out.windowBytes]).toEqual([true, 0]);
  });
});
