/**
 * The kernel with nothing of JavaScript around it but one call a frame, beside the same work in C.
 */
import { Buffer } from 'node:buffer';
import { Arena } from '../../engine/arena.js';
import { DEFAULT_POLICY } from '../../engine/config.js';
import { FrameExecutor, isFault } from '../../engine/frame.js';
import type { BenchCase } from '../case.js';
import { KEY_BYTES, type Scale, SIZES, type Size, scaleOf, uniformSequence } from '../fixture.js';
import { type FrameKind, Frames, fillFrames } from '../frames.js';
import { VALUE_BYTES } from '../kinds.js';
import { readHere, readInThread } from '../log-reading.js';
import { TimedWork, type Work } from '../work.js';
import { openYardstick } from '../yardstick.js';

const MIB = 1024 ** 2;
/** More than an entry needs, index included: nothing is to be evicted. */
const BYTES_PER_ENTRY = 200;

/** A day: nothing expires meanwhile, but all of it is in the wheel. */
const TTL_MS = 86_400_000;

/**
 * A reader that keeps finding changes looks once a millisecond, which at full speed is every ten
 * thousand of them. More often, because the log of the small size holds no more.
 */
const BATCHES_PER_READ = 4;

/** What can be on in a cache that a loop in C has not, beside what always is. */
interface Switches {
  /** For decoded values: every write raises a stamp. */
  readonly stamps?: boolean;
  /** A change log, read between the timed batches, or by another thread meanwhile. */
  readonly log?: 'here' | 'thread';
  /** Every entry has a time to live; a SET gives it anew. */
  readonly expiry?: true;
}

const SETTINGS: Readonly<Record<string, Switches>> = {
  stamps: { stamps: true },
  log: { log: 'here' },
  'log-thread': { log: 'thread' },
  'stamps-log': { stamps: true, log: 'here' },
  expiry: { expiry: true },
  all: { stamps: true, log: 'here', expiry: true },
};

const IN_WORDS: Readonly<Record<string, string>> = {
  stamps: 'stamps of decoded values on',
  log: 'a reader of the change log attached, which reads between the batches',
  'log-thread': 'the change log read by another thread',
  'stamps-log': 'stamps on, change log on',
  expiry: 'every entry with a time to live',
  all: 'stamps on, change log on, every entry with a time to live',
};

/** One kind of frames; with a setting also beside the cache without it. */
function kernelCase(kind: FrameKind, size: Size, perFrame: number, setting?: string): BenchCase {
  const what = `frames of ${perFrame} ${kind.toUpperCase()}, keys of 16 bytes, values of 32`;
  const name = `kernel/${kind}/${size}/frame-${perFrame}`;
  return {
    name: setting === undefined ? name : `${name}/${setting}`,
    what: setting === undefined ? what : `${what}; ${IN_WORDS[setting]}`,
    contestants: setting === undefined ? ['slabring', 'C'] : ['slabring', 'slabring/plain', 'C'],
    async open(contestant, { scale: wanted, clock: asked }) {
      // The CPU time of the process would have the reading thread's in it.
      const clock = setting === 'log-thread' ? 'wall' : asked;
      const scale = scaleOf(size, { scale: wanted, clock });
      const switches = contestant === 'slabring' && setting !== undefined ? SETTINGS[setting]! : {};
      const ttlMs = switches.expiry && TTL_MS;
      const indices = uniformSequence(scale.operations, scale.keys);
      const frames = new Frames(kind, indices, perFrame, undefined, ttlMs);
      return contestant === 'C'
        ? openYardstick(frames, scale, clock)
        : new TimedWork(await kernelWork(frames, scale, switches), clock);
    },
  };
}

async function kernelWork(
  frames: Frames,
  scale: Scale,
  { stamps = false, log, expiry }: Switches,
): Promise<Work> {
  const arena = Arena.create({
    memoryBytes: 64 * MIB + scale.keys * BYTES_PER_ENTRY,
    policy: DEFAULT_POLICY,
    maxValueBytes: 4096,
    maxThreads: 2,
    stamps,
  });
  const executor = new FrameExecutor<undefined>(arena, (name) => {
    throw new Error(`${name} is no command of a benchmark`);
  });
  const fill = fillFrames(frames.kind, scale.keys, expiry && TTL_MS);
  const wrongFill = firstWrongReply(executor, fill);
  const reads = frames.kind === 'get' ? frames : new Frames('get', frames.indices, frames.perFrame);
  const framesPerBatch = scale.batch / frames.perFrame;
  const marks = frames.replyMarks();
  const batch: Uint8Array[] = [];
  const reading = log && (log === 'here' ? readHere(arena) : await readInThread(arena));
  /** Every SET since the log was attached has a record there, unless it was lost. */
  const wrongLog = (): string | undefined => {
    if (reading === undefined || frames.kind === 'get') return undefined;
    reading.catchUp();
    const least = scale.operations * (KEY_BYTES + VALUE_BYTES);
    if (log === 'here' && (reading.bytes < least || reading.lost > 0)) {
      return `of the log ${reading.bytes} bytes were read, ${reading.lost} records lost`;
    }
    return undefined;
  };
  return {
    batches: frames.count / framesPerBatch,
    operationsPerBatch: scale.batch,
    prepare(number) {
      if (number % BATCHES_PER_READ === 0) reading?.catchUp();
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
      return wrongFill ?? firstWrongReply(executor, reads) ?? wrongLog() ?? arena.checkIntegrity();
    },
    ...(log === 'thread' && { facts: () => ({ 'lost records': reading!.lost }) }),
    async close() {
      await reading?.close();
      arena.close();
    },
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

const KINDS = ['get', 'set'] as const;

/** With nothing switched on that a cache does not always have. */
const plainCases = SIZES.flatMap((size) =>
  [128, 16, 1].flatMap((perFrame) => KINDS.map((kind) => kernelCase(kind, size, perFrame))),
);

const settingCases = Object.keys(SETTINGS).flatMap((setting) =>
  SIZES.flatMap((size) =>
    KINDS
      // A GET writes no log: one row that says so is enough.
      .filter((kind) => !(kind === 'get' && setting === 'log-thread'))
      .map((kind) => kernelCase(kind, size, 128, setting)),
  ),
);

export const kernelCases: readonly BenchCase[] = [...plainCases, ...settingCases];
