/** WAIT: how sure a client wants to be of its writes. */
import { Buffer } from 'node:buffer';
import { CONCERNS, type Concern } from '../../../engine/cluster-view.js';
import type { CommandWalk } from '../../../engine/command-walk.js';
import { MAX_KEY_BYTES } from '../../../engine/commands.js';
import { errorFromWire, SlabringError } from '../../../engine/errors.js';
import { KERNEL_ERROR_TEXTS } from '../../../engine/kernel-exports.js';
import { integerAt, payloadOf } from '../../../engine/large-command.js';
import { Tag } from '../../../engine/msgpack.js';

/** A write is with other nodes within milliseconds; whose network is slow asks for more. */
export const WAIT_DEADLINE_MS = 1_000;
/** A minute, so that a frame does not stay in a node's memory for long. */
export const WAIT_DEADLINE_MS_MAX = 60_000;

export interface Wait {
  readonly concern: Concern;
  readonly deadlineMs: number;
}

/** Reads the arguments behind the key of a WAIT that was walked over. @throws as {@link readWait} */
export function readWaitAt(bytes: Buffer, walk: CommandWalk): Wait {
  const [, keyEnd, concernEnd] = walk.ends as [number, number, number];
  const concern = payloadOf(bytes, keyEnd, concernEnd);
  if (walk.items < 4) return readWait(concern, undefined);
  const isNil = bytes[concernEnd] === Tag.NIL;
  return readWait(concern, isNil ? undefined : (integerAt(bytes, concernEnd) ?? Number.NaN));
}

/** @throws SlabringError `SYNTAX` */
export function readWait(concern: unknown, deadlineMs: unknown): Wait {
  const text = concern instanceof Uint8Array ? String(concern) : concern;
  const known = CONCERNS.find((one) => one === text);
  if (known === undefined) {
    throw new SlabringError('SYNTAX', `a concern is one of ${CONCERNS.join(', ')}`);
  }
  const limitMs = Number(deadlineMs ?? WAIT_DEADLINE_MS);
  if (!Number.isInteger(limitMs) || limitMs < 1 || limitMs > WAIT_DEADLINE_MS_MAX) {
    const range = `1 to ${WAIT_DEADLINE_MS_MAX} milliseconds`;
    throw new SlabringError('SYNTAX', `a deadline is nil or an integer of ${range}`);
  }
  return { concern: known, deadlineMs: limitMs };
}

/**
 * The reply to a WAIT on a node that is in no cluster.
 * @throws SlabringError `UNAVAILABLE` unless this node is enough; `SYNTAX`
 */
export function waitAlone([key, concern, deadlineMs]: readonly unknown[]): number {
  const keyBytes = typeof key === 'string' ? Buffer.byteLength(key) : bytesIn(key);
  if (keyBytes < 1 || keyBytes > MAX_KEY_BYTES) throw errorFromWire(KERNEL_ERROR_TEXTS.ERROR_KEY!);
  const wait = readWait(concern, deadlineMs);
  if (wait.concern === 'none') return 1;
  throw new SlabringError(
    'UNAVAILABLE',
    `this node is in no cluster: nobody else has the writes that '${wait.concern}' asks for`,
  );
}

function bytesIn(key: unknown): number {
  return key instanceof Uint8Array ? key.length : 0;
}
