/** Has the commands of a frame executed, segment by segment, wherever they belong. */
import { Buffer } from 'node:buffer';
import { performance } from 'node:perf_hooks';
// Sleeps: where no node takes a command, nodes learn meanwhile.
import { setTimeout as delay } from 'node:timers/promises';
import { copyOf } from '../../../engine/copy.js';
import { encodeError } from '../../../engine/error-reply.js';
import { SlabringError } from '../../../engine/errors.js';
import { DEFAULT_MAX_REPLY_BYTES, type FrameFault, isFault } from '../../../engine/frame.js';
import { kernelError } from '../../../engine/large-command.js';
import { MAX_SCALAR_BYTES, writeInteger } from '../../../engine/msgpack.js';
import type { ClusterDesk } from '../desk.js';
import { longestForwardMs } from '../forwarder.js';
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
   * Executes commands once more, wherever they belong by now. Absent: what fails, fails.
   * @returns the reply frame
   */
  readonly again?: ((commands: Buffer) => Promise<Buffer>) | undefined;
  /** How long to wait where nothing was done. */
  readonly delayMs?: number;
  /**
   * Whether somebody waits for the replies: who has gone may have had another node do what is left.
   * Absent: so it is.
   */
  readonly isWanted?: () => boolean;
}

/** What takes so much longer than it may has not waited: this process was paused. */
const PAUSE_MS = 250;

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
    const refusal = isTooLong ? kernelError('ERROR_REPLY_TOO_LARGE') : leftBy(world);
    const segment = refusal ? segments.refuse(refusal) : segments.next();
    const pending = begin(segment, world);
    if (pending.length > 0) await Promise.all(pending);
    for (const step of segment.steps) step.addTo(out);
  }
}

/** Nobody reads it. */
function leftBy({ isWanted }: ExecutionWorld): Buffer | undefined {
  if (isWanted?.() ?? true) return undefined;
  return encodeError(new SlabringError('UNAVAILABLE', 'the client has gone'));
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
  const sentAtMs = performance.now();
  try {
    lane.answer(await desk.forward(lane.node, lane.frame, lane.waitMs));
  } catch (error) {
    const { bytes, start, isRepeatable } = new FrameSurvey(lane.frame);
    const isUndone = error instanceof SlabringError && error.code === 'TRYAGAIN';
    let isInTime = wasWithin(longestForwardMs(lane.waitMs), sentAtMs);
    if (isUndone && again && delayMs > 0) {
      const failedAtMs = performance.now();
      await delay(delayMs);
      isInTime &&= wasWithin(delayMs, failedAtMs);
    }
    // Otherwise the node has failed, or has not answered, and nobody knows what it has done.
    const mayRepeat = (isUndone || isRepeatable) && isInTime && !leftBy(world);
    if (again && mayRepeat) lane.answer(await again(bytes.subarray(start)));
    else lane.fail(error);
  }
}

function wasWithin(mostMs: number, sinceMs: number): boolean {
  return performance.now() - sinceMs <= mostMs + PAUSE_MS;
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
