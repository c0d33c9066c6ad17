/**
 * What a connection may do before its HELLO on a node with a token: HELLO runs, every other command
 * is answered NOAUTH. Only such connections pass here; all others' frames go to the executor as
 * they came.
 */
import { COMMANDS } from '../engine/commands.js';
import { SlabringError } from '../engine/errors.js';
import { Elsewhere, encodeError, type FrameFault, type Frames, isFault } from '../engine/frame.js';
import { Tag, valueEnd } from '../engine/msgpack.js';
import { NOAUTH_TEXT } from './hello.js';
import { CloseCode, COMMANDS_BEFORE_HELLO_MAX } from './limits.js';
import type { Session } from './session.js';

/** The error reply to each command before HELLO, as it goes over the wire. */
const NOAUTH_REPLY = encodeError(new SlabringError('NOAUTH', NOAUTH_TEXT));

/**
 * Executes a frame of a connection that has not shown its token. From a HELLO with the right token
 * on, the rest of the frame runs as usual: on a node of a cluster, as far as it is this node's.
 */
export function executeBeforeHello(
  executor: Frames<Session>,
  frame: Uint8Array,
  session: Session,
  isInCluster: boolean,
): Uint8Array | FrameFault | Elsewhere {
  try {
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    return executeGuarded(executor, bytes, session, isInCluster);
  } catch (error) {
    // What `valueEnd` throws at bytes that are no msgpack.
    if (!(error instanceof RangeError)) throw error;
    return { closeCode: CloseCode.BAD_FRAME, reason: error.message };
  }
}

function executeGuarded(
  executor: Frames<Session>,
  frame: Buffer,
  session: Session,
  isInCluster: boolean,
): Uint8Array | FrameFault | Elsewhere {
  const idEnd = skip(frame, 0);
  const id = frame.subarray(0, idEnd);
  // The id alone is a frame without commands: the executor says whether it is an id, and its reply
  // is the head of ours. A reply is valid until the next call only, so it is copied.
  const head = executor.execute(id, session);
  if (isFault(head)) return head;
  const replies: Uint8Array[] = [Buffer.from(head)];
  let unknown = 0;
  for (let start = idEnd; start < frame.length; ) {
    const end = session.authenticated ? frame.length : skip(frame, start);
    if (!session.authenticated && ++unknown > COMMANDS_BEFORE_HELLO_MAX) {
      return { closeCode: CloseCode.BAD_FRAME, reason: NOAUTH_TEXT };
    }
    if (session.authenticated || isHello(frame, start)) {
      const part = Buffer.concat([id, frame.subarray(start, end)]);
      const result = isInCluster
        ? executor.executeWhereServed(part, session, session.access)
        : executor.execute(part, session);
      if (isFault(result)) return result;
      // Each reply has the frame id in front.
      const reply = Buffer.from(result instanceof Elsewhere ? result.reply : result);
      replies.push(reply.subarray(skip(reply, 0)));
      // It was the last part: what is in front of the token has no keys.
      if (result instanceof Elsewhere) return new Elsewhere(Buffer.concat(replies), result.rest);
    } else {
      replies.push(NOAUTH_REPLY);
    }
    start = end;
  }
  return Buffer.concat(replies);
}

/** The end of the value at `at`, which must lie in the frame whole. */
function skip(frame: Buffer, at: number): number {
  const end = valueEnd(frame, at);
  // A length field cut off by the end of the frame makes the end NaN.
  if (!(end <= frame.length)) throw new RangeError('the bytes end inside a msgpack value');
  return end;
}

/**
 * Whether the whole value at `start` is a HELLO command: an array whose first element is its code
 * or name.
 */
function isHello(frame: Buffer, start: number): boolean {
  const tag = frame[start]!;
  let at = start + 1;
  if (tag === Tag.ARRAY16) at += 2;
  else if (tag === Tag.ARRAY32) at += 4;
  else if (tag <= Tag.FIXARRAY || tag >= Tag.FIXSTR) return false;
  const first = frame[at];
  if (first === undefined) return false;
  if (first === COMMANDS.HELLO.code) return true;
  if (first >= Tag.UINT8 && first <= Tag.UINT64) {
    const bytes = frame.subarray(at + 1, at + 1 + (1 << (first - Tag.UINT8)));
    return (
      bytes.at(-1) === COMMANDS.HELLO.code && bytes.subarray(0, -1).every((byte) => byte === 0)
    );
  }
  const nameStart = first === Tag.STR8 ? at + 2 : at + 1;
  const isText = first === Tag.STR8 || (first >= Tag.FIXSTR && first < Tag.NIL);
  const length = first === Tag.STR8 ? frame[at + 1]! : first - Tag.FIXSTR;
  return (
    isText && frame.toString('latin1', nameStart, nameStart + length).toUpperCase() === 'HELLO'
  );
}
