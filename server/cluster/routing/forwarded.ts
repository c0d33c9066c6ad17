/** Executes frames that other nodes of the cluster have forwarded to this one. */
import { Buffer } from 'node:buffer';
import { BROKEN, CommandWalk, endOfMany } from '../../../engine/command-walk.js';
import { copyOf } from '../../../engine/copy.js';
import { type FrameFault, isFault } from '../../../engine/frame.js';
import { readCommand } from '../../../engine/large-command.js';
import type { ClusterDesk } from '../desk.js';
import { Bytes } from './bytes.js';
import { executeSegments } from './execution.js';
import { slotsOf } from './keys.js';
import { ALL_HERE } from './placement.js';
import { Segments } from './segment.js';

/** What executes frames, with whatever context it needs. */
export interface ForwardedExecutor {
  execute(frame: Uint8Array, context: undefined): Uint8Array | FrameFault;
}

/**
 * Executes a frame that another node has forwarded.
 * @param accepts whether commands on keys of the slot are run here
 * @param desk that of this node: it answers the WAITs
 * @returns the reply frame; undefined: nothing was done, because a key's slot is not accepted, or
 *   the bytes are no frame
 */
export async function executeForwarded(
  executor: ForwardedExecutor,
  accepts: (slot: number) => boolean,
  frame: Uint8Array,
  desk: Pick<ClusterDesk, 'forward' | 'wait'>,
): Promise<Uint8Array | undefined> {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const start = endOfMany(bytes, 0, 1);
  if (start === BROKEN) return undefined;
  const check = checkCommands(bytes, start, accepts);
  if (check === 'refused') return undefined;
  const run = (part: Uint8Array) => executor.execute(part, undefined);
  if (check === 'plain') {
    const result = run(frame);
    return isFault(result) ? undefined : copyOf(result);
  }
  const out = new Bytes();
  out.add(bytes, 0, start);
  const rules = { placement: ALL_HERE, areaBytes: Infinity, answerMoved: undefined };
  await executeSegments(new Segments(bytes.subarray(start), rules), out, { run, desk });
  return out.whole;
}

/** Whether all keys are accepted, and whether there is a WAIT among the commands. */
function checkCommands(
  bytes: Buffer,
  start: number,
  accepts: (slot: number) => boolean,
): 'refused' | 'plain' | 'waits' {
  const walk = new CommandWalk();
  let result: 'plain' | 'waits' = 'plain';
  for (let at = start; at < bytes.length; ) {
    const end = walk.walk(bytes, at);
    if (end === BROKEN) return 'refused';
    const command = readCommand(bytes, walk);
    if (typeof command !== 'string') {
      if (command.name === 'WAIT') result = 'waits';
      if (!slotsOf(bytes, walk, command).every(accepts)) return 'refused';
    }
    at = end;
  }
  return result;
}
