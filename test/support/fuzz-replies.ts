/** What a frame must be answered with, judged without the code that answers it. */
import { ERROR_CODES } from '#engine/errors.js';
import { endOfValue, integerOf, splitValues } from './fuzz-msgpack.js';

/** A frame as the protocol sees it. */
export interface Judged {
  /** Undefined: it begins with no frame id. */
  id?: bigint;
  /** The whole values behind the id. */
  commands: Buffer[];
  /** Whether anything but whole values stands in it. */
  isBroken: boolean;
}

/** Reads a request frame by the rules of docs/PROTOCOL.md. */
export function judgeFrame(frame: Buffer): Judged {
  const end = endOfValue(frame, 0);
  const id = end < 0 ? undefined : integerOf(frame.subarray(0, end));
  if (id === undefined || id < 1n || id > 0xffff_ffffn) return { commands: [], isBroken: true };
  const commands: Buffer[] = [];
  let at = end;
  while (at < frame.length) {
    const next = endOfValue(frame, at);
    if (next < 0) return { id, commands, isBroken: true };
    commands.push(frame.subarray(at, next));
    at = next;
  }
  return { id, commands, isBroken: false };
}

/** The `CODE` of an error reply, or undefined for any other reply. */
export function errorCode(reply: Buffer): string | undefined {
  const isError = reply[0] === 0xc7 && reply[2] === 1;
  return isError ? reply.toString('utf8', 3).split(' ', 1)[0] : undefined;
}

/**
 * The replies of a reply frame.
 * @throws Error when it is not one whole reply for each command of the request, or an error has a
 *   code that is in no list
 */
export function checkReplies(request: Judged, frame: Buffer): Buffer[] {
  const values = splitValues(frame);
  if (values === undefined) throw new Error(`the reply frame is broken: ${shorten(frame)}`);
  const [id, ...replies] = values;
  if (id === undefined || integerOf(id) !== request.id) {
    throw new Error(`frame ${request.id} was answered by frame ${id && integerOf(id)}`);
  }
  if (replies.length !== request.commands.length) {
    throw new Error(`${replies.length} replies to ${request.commands.length} commands`);
  }
  for (const reply of replies) {
    const code = errorCode(reply);
    if (code !== undefined && !(ERROR_CODES as readonly string[]).includes(code)) {
      throw new Error(`an error with the code ${code}`);
    }
  }
  return replies;
}

/** Bytes as a message shows them. */
export function shorten(bytes: Buffer): string {
  const hex = bytes.toString('hex', 0, 400);
  return bytes.length > 400 ? `${hex}... (${bytes.length} bytes)` : hex;
}
