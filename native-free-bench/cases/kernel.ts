/**
 * The kernel with nothing of JavaScript around it but one call a frame, beside the same work in C.
 */
import { Buffer } from 'node:buffer';
import { Arena } from '../../engine/arena.js';
import { DEFAULT_POLICY } from '../../engine/config.js';
import { FrameExecutor, isFault } from '../../engine/frame.js';
import type { BenchCase } from '../case.js';
import { type Scale, SIZES, type Size, scaleOf, uniformSequence } from '../fixture.js';
import { type FrameKind, Frames, fillFrames } from '../frames.js';
import { TimedWork, type Work } from '../work.js';
import { openYardstick } from '../yardstick.js';

const MIB = 1024 ** 2;
/** More than an entry needs, index included: nothing is to be evicted. */
const BYTES_PER_ENTRY = 200;

function kernelCase(kind: FrameKind, size: Size, perFrame: number): BenchCase {
  return {
    name: `kernel/${kind}/${size}/frame-${perFrame}`,
    what: `frames of ${perFrame} ${kind.toUpperCase()}, keys of 16 bytes, values of 32`,
    contestants: ['slabring', 'C'],
    async open(contestant, setting) {
      const scale = scaleOf(size, setting);
      const frames = new Frames(kind, uniformSequence(scale.operations, scale.keys), perFrame);
      return contestant === 'C'
        ? openYardstick(frames, scale, setting.clock)
        : new TimedWork(kernelWork(frames, scale), setting.clock);
    },
  };
}

function kernelWork(frames: Frames, scale: Scale): Work {
  const arena = Arena.create({
    memoryBytes: 64 * MIB + scale.keys * BYTES_PER_ENTRY,
    policy: DEFAULT_POLICY,
    maxValueBytes: 4096,
    maxThreads: 1,
  });
  const executor = new FrameExecutor<undefined>(arena, (name) => {
    throw new Error(`${name} is no command of a benchmark`);
  });
  const fill = fillFrames(frames.kind, scale.keys);
  const wrongFill = firstWrongReply(executor, fill);
  const reads = frames.kind === 'get' ? frames : new Frames('get', frames.indices, frames.perFrame);
  const framesPerBatch = scale.batch / frames.perFrame;
  const marks = frames.replyMarks();
  const batch: Uint8Array[] = [];
  return {
    batches: frames.count / framesPerBatch,
    operationsPerBatch: scale.batch,
    prepare(number) {
      for (let i = 0; i < framesPerBatch; i++) batch[i] = frames.at(number * framesPerBatch + i);
    },
    run() {
      let sum = 0;
      for (let i = 0; i < batch.length; i++) {
        // A fault has no length, and the sum becomes NaN.
        const reply = executor.execute(batch[i]!, undefined) as Uint8Array;
        sum += reply.length + reply[reply.length - 1]!;
      }
      return sum;
    },
    expected(number) {
      let sum = 0;
      for (let i = 0; i < framesPerBatch; i++) sum += marks[number * framesPerBatch + i]!;
      return sum;
    },
    verify() {
      const { entries, evictions } = arena.stats();
      if (entries !== scale.keys || evictions > 0) {
        return `it holds ${entries} entries and evicted ${evictions}`;
      }
      return wrongFill ?? firstWrongReply(executor, reads) ?? arena.checkIntegrity();
    },
    close: () => arena.close(),
  };
}

/** Executes all frames; compares every byte of their replies. */
function firstWrongReply(executor: FrameExecutor<undefined>, frames: Frames): string | undefined {
  for (let i = 0; i < frames.count; i++) {
    const reply = executor.execute(frames.at(i), undefined);
    if (isFault(reply)) return `${frames.kind} frame ${i} was refused: ${reply.reason}`;
    if (Buffer.compare(reply, frames.reply(i)) !== 0) {
      return `${frames.kind} frame ${i} got ${Buffer.from(reply).toString('hex', 0, 48)}`;
    }
  }
  return undefined;
}

export const kernelCases: readonly BenchCase[] = SIZES.flatMap((size) =>
  [128, 16, 1].flatMap((perFrame) => [
    kernelCase('get', size, perFrame),
    kernelCase('set', size, perFrame),
  ]),
);
