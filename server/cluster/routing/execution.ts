/** Has the commands of a frame executed, segment by segment, wherever they belong. */
import { Buffer } from 'node:buffer';
import { copyOf } from '../../../engine/copy.js';
import { encodeError } from '../../../engine/error-reply.js';
import { SlabringError } from '../../../engine/errors.js';
import { DEFAULT_MAX_REPLY_BYTES, type FrameFault, isFault } from '../../../engine/frame.js';
import { kernelError } from '../../../engine/large-command.js';
import { MAX_SCALAR_BYTES, writeInteger } from '../../../engine/msgpack.js';
import type { ClusterDesk } from '../desk.js';
import type { Bytes } from './bytes.js';
import { FrameSurvey } from './frame-survey.js';
import type { Lane } from './lane.js';
import { HERE } from './placement.js';
import type { OwnWait, Segment, Segments } from './segment.js';

export interface ExecutionWorld {
  /** Executes a frame here. The reply may be overwritten by the next call. */
  run(frame: Uint8Array): Uint8Array | FrameFault;
  readonly desk: Pick<ClusterDesk, 'forward' | 'wait'>;
  /**
   * Executes commands once more after a while, wherever they belong by then. Absent: what fails,
   * fails.
   * @returns the reply frame
   */
  readonly again?: ((commands: Buffer, delayMs: number) => Promise<Buffer>) | undefined;
  /** How long to wait where nothing was done. */
  readonly delayMs?: number;
}

/**
 * Executes all segments, and adds the replies to those that there are. Up to the first command that
 * another node runs, or a WAIT, all is done when the call returns.
 */
export async function executeSegments(
  segments: Segments,
  out: Bytes,
  world: ExecutionWorld,
): Promise<void> {
  while (!segments.isDone) {
    const isTooLong = out.length > DEFAULT_MAX_REPLY_BYTES;
    const segment = isTooLong
      ? segments.refuse(kernelError('ERROR_REPLY_TOO_LARGE'))
      : segments.next();
    const pending = begin(segment, world);
    if (pending.length > 0) await Promise.all(pending);
    for (const step of segment.steps) step.addTo(out);
  }
}

/** What has to end before the replies can be put together. None of them rejects. */
function begin({ lanes, waits }: Segment, world: ExecutionWorld): Promise<void>[] {
  const pending: Promise<void>[] = [];
  // The other nodes work while this one does.
  for (const lane of lanes.values()) {
    if (lane.node !== HERE) pending.push(forward(lane, world));
  }
  const own = lanes.get(HERE);
  if (own) runHere(own, world);
  for (const wait of waits) {
    if (wait.concern === 'none') wait.step.reply = packCount(1);
    else pending.push(answerWait(wait, world.desk));
  }
  return pending;
}

function runHere(lane: Lane, world: ExecutionWorld): void {
  const result = world.run(lane.frame);
  // Such as too many commands in a long frame.
  if (isFault(result)) lane.fail(new SlabringError('TOOLARGE', result.reason));
  else lane.answer(copyOf(result));
}

async function forward(lane: Lane, world: ExecutionWorld): Promise<void> {
  const { desk, again, delayMs = 0 } = world;
  try {
    lane.answer(await desk.forward(lane.node, lane.frame, lane.waitMs));
  } catch (error) {
    const { bytes, start, isRepeatable } = new FrameSurvey(lane.frame);
    const isUndone = error instanceof SlabringError && error.code === 'TRYAGAIN';
    // Otherwise the node has failed, or has not answered, and nobody knows what it has done.
    if (again && (isUndone || isRepeatable)) {
      lane.answer(await again(bytes.subarray(start), isUndone ? delayMs : 0));
    } else {
      lane.fail(error);
    }
  }
}

async function answerWait(wait: OwnWait, desk: ExecutionWorld['desk']): Promise<void> {
  const { key, concern, deadlineMs, step } = wait;
  try {
    step.reply = packCount(await desk.wait(key, concern, deadlineMs));
  } catch (error) {
    step.reply = encodeError(error);
  }
}

function packCount(owners: number): Buffer {
  const bytes = Buffer.alloc(MAX_SCALAR_BYTES);
  return bytes.subarray(0, writeInteger(owners, bytes, 0));
}
