/** Writes every key of a server once, or reads them all back, through a loader. */
import type { Loader, LoadResult } from './loader.js';
import { LoadError, type LoadProtocol } from './protocol.js';
import { fillReel, readReel } from './reel.js';

/** A server and what is to be stored in it. */
export interface Filling {
  /** The server's, for messages. */
  readonly name: string;
  readonly loader: Loader;
  readonly protocol: LoadProtocol;
  /** Keys 0 to `keys - 1`. */
  readonly keys: number;
  readonly valueBytes: number;
  /** Called now and then with the keys that are done. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Frames have this many commands, or fewer large ones. */
const PIPELINE = 512;
const FRAME_BYTES = 2 ** 20;
/** ... and reels about this many bytes: little memory is needed whatever the number of keys. */
const REEL_BYTES = 32 * 2 ** 20;

/**
 * Writes every key once, so that GETs find something to copy, and SADDs a large set.
 * @throws LoadError when the server refuses one
 */
export async function fill(filling: Filling): Promise<void> {
  await sendAll(filling, fillReel, ({ replies }) => {
    if (replies.errors === 0) return;
    const { name } = filling.protocol.shape.write;
    throw new LoadError(
      `${filling.name} refused ${replies.errors} ${name}s: ${replies.firstError}`,
    );
  });
}

/**
 * Reads every key once, and compares every byte of its value.
 * @throws LoadError when a key is missing or has another value
 */
export async function readBack(filling: Filling): Promise<void> {
  await sendAll(filling, readReel, ({ replies }) => {
    if (replies.misses === 0 && replies.errors === 0) return;
    throw new LoadError(`${filling.name} has lost ${replies.misses + replies.errors} keys`);
  });
}

async function sendAll(
  { loader, protocol, keys, valueBytes, onProgress }: Filling,
  reelOf: typeof fillReel,
  check: (result: LoadResult) => void,
): Promise<void> {
  const commandBytes = protocol.frameBytesMax(1, valueBytes);
  const pipeline = clamp(Math.floor(FRAME_BYTES / commandBytes), 1, PIPELINE);
  const step = clamp(Math.floor(REEL_BYTES / commandBytes), 1, keys);
  for (let first = 0; first < keys; first += step) {
    onProgress?.(first);
    const reel = reelOf(first, Math.min(first + step, keys), { valueBytes }, pipeline, protocol);
    check(await loader.sendOnce(reel));
  }
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
