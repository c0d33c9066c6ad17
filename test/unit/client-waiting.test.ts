/** Frames that wait to be sent, and those that wait for their replies. */
import { describe, expect, it } from 'vitest';
import { Frame } from '#client/frame.js';
import { FrameQueue } from '#client/frame-queue.js';
import { FramesOut } from '#client/frames-out.js';
import { PendingCommand, Result } from '#client/pending.js';
import { SlabringError } from '#engine/errors.js';

/** Of one command and 10 bytes; its errors are collected. */
function frame(id: number, startedAtMs = 0, errors: unknown[] = []): Frame {
  const made = new Frame(id, startedAtMs);
  const failed = (error: SlabringError) => errors.push(error);
  made.pending.push(new PendingCommand(Result.RAW, () => {}, failed));
  made.commands = 1;
  made.complete(new Uint8Array(10));
  return made;
}

const ids = (frames: Iterable<Frame>) => [...frames].map(({ id }) => id);

describe('the queue', () => {
  it('has what comes from elsewhere before what was begun after it', () => {
    const queue = new FrameQueue();
    for (const [id, startedAtMs] of [1, 4, 4, 2, 3, 4, 0].entries()) {
      queue.push(frame(id, startedAtMs));
    }
    expect([queue.commands, queue.bytes]).toEqual([7, 70]);
    expect(queue.shift()!.id).toBe(6);
    queue.push(frame(7, 0.5));
    expect(queue.oldest!.id).toBe(7);
    expect(ids(queue.clear())).toEqual([7, 0, 3, 4, 1, 2, 5]);
    expect([queue.isEmpty, queue.commands, queue.bytes]).toEqual([true, 0, 0]);
  });
});

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

describe('a frame that may have run before', () => {
  const doubt = new SlabringError('CONNECTION', 'it may have run');
  const error = new SlabringError('TIMEOUT', 'not sent');

  it('fails with that as long as it is not sent again', () => {
    const errors: unknown[] = [];
    const again = frame(1, 0, errors);
    again.doubt = doubt;
    again.fail(error);
    const sent = frame(2, 0, errors);
    sent.doubt = doubt;
    sent.takeBytes(undefined);
    sent.fail(error);
    frame(3, 0, errors).fail(error);
    expect(errors).toEqual([doubt, error, error]);
  });
});
