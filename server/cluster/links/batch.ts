/**
 * The frame that goes over a link, one WebSocket binary message: messages one after another, each
 * with its length before it.
 *
 *     u32 length | bytes | u32 length | bytes | ...      big-endian; at least one message
 *
 * A WebSocket message costs more than a short message's bytes (a header, a write, an event), so
 * those that wait together go together: of 64 bytes each, some ten times as many a second as one by
 * one (two processes on one machine of two cores, in turns).
 */

export const PREFIX_BYTES = 4;

/** Puts `messages[start]` up to `messages[end]` in one frame of `bytes` bytes. */
export function encodeBatch(
  messages: readonly Uint8Array[],
  start: number,
  end: number,
  bytes: number,
): Buffer {
  const frame = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let i = start; i < end; i++) {
    const message = messages[i]!;
    frame.writeUInt32BE(message.length, at);
    frame.set(message, at + PREFIX_BYTES);
    at += PREFIX_BYTES + message.length;
  }
  return frame;
}

/** The frame of one message alone, in the memory that it is in. Only where there is room in front. */
export function frameInPlace({ buffer, byteOffset, length }: Uint8Array): Buffer {
  const frame = Buffer.from(buffer, byteOffset - PREFIX_BYTES, PREFIX_BYTES + length);
  frame.writeUInt32BE(length, 0);
  return frame;
}

/**
 * Hands out the messages of a frame, as views on it. Nothing is handed out of a frame that is not
 * whole.
 * @returns the number of messages; 0: the frame is broken
 */
export function decodeBatch(frame: Buffer, take: (message: Uint8Array) => void): number {
  const count = countBatch(frame);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const start = at + PREFIX_BYTES;
    at = start + frame.readUInt32BE(at);
    take(frame.subarray(start, at));
  }
  return count;
}

/** How many messages a frame holds; 0 where it is broken. */
function countBatch(frame: Buffer): number {
  let count = 0;
  let at = 0;
  while (at < frame.length) {
    if (frame.length - at < PREFIX_BYTES) return 0;
    at += PREFIX_BYTES + frame.readUInt32BE(at);
    count++;
  }
  return at === frame.length ? count : 0;
}
