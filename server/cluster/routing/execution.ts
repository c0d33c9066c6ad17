/** Has the commands of a frame executed, segment by segment, wherever they belong. */
import { Buffer } from 'node:buffer';
import { CommandWalk, endOfMany } from '../../../engine/command-walk.js';
import { COMMANDS } from '../../../engine/commands.js';
import { copyOf } from '../../../engine/copy.js';
import { encodeError } from '../../../engine/error-reply.js';
import { SlabringError } from '../../../engine/errors.js';
import { DEFAULT_MAX_REPLY_BYTES, type FrameFault, isFault } from '../../../engine/frame.js';
import { kernelError, readCommand } from '../../../engine/large-command.js';
import { MAX_SCALAR_BYTES, writeInteger } from '../../../engine/msgpack.js';
import type { ClusterDesk } from '../desk.js';
import type { Bytes } from './bytes.js';
import type { Lane } from './lane.js';
import { HERE } from './placement.js';
import type { OwnWait, Segment, Segments } from './segment.js';

export interface ExecutionWorld {
  /** Executes a frame here. The reply may be overwritten by the next call. */
  run(frame: Uint8Array): Uint8Array | FrameFault;
  readonly desk: Pick<ClusterDesk, 'forward' | 'wait'>;
  /**
   * Executes commands that only read once more, wherever they belong by now. Absent: what fails,
   * fails.
   * @returns the reply frame
   */
  readonly again?: ((commands: Buffer) => Promise<Buffer>) | undefined;
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

async function forward(lane: Lane, { desk, again }: ExecutionWorld): Promise<void> {
  try {
    lane.answer(await desk.forward(lane.node, lane.frame, lane.waitMs));
  } catch (error) {
    // The node has failed, or has not answered. Nobody knows what it has done, but reading twice
    // does no harm.
    const commands = again && onlyReads(lane.frame);
    if (commands) lane.answer(await again(commands));
    else lane.fail(error);
  }
}

/** The commands of a frame when all of them only read. */
function onlyReads(frame: Buffer): Buffer | undefined {
  const start = endOfMany(frame, 0, 1);
  const walk = new CommandWalk();
  for (let at = start; at < frame.length; ) {
    const end = walk.walk(frame, at);
    const command = readCommand(frame, walk);
    if (typeof command === 'string' || command.name === 'WAIT') return undefined;
    if (COMMANDS[command.name].write) return undefined;
    at = end;
  }
  return frame.subarray(start);
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
