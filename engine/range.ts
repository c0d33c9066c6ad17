/** Ranges of bytes as GETRANGE has them: engine/kernel/types/range.ts in JavaScript. */

/**
 * The bytes from `start` to `end`, that one included; negative numbers count from the end, -1 being
 * the last byte. A view.
 */
export function rangeOf<Bytes extends Uint8Array>(
  content: Bytes,
  start: number,
  end: number,
): Bytes {
  const { length } = content;
  // Of two that count from the end, the order is looked at before they are cut.
  if (start < 0 && end < 0 && start > end) return content.subarray(0, 0) as Bytes;
  const from = start < 0 ? Math.max(length + start, 0) : start;
  const last = end < 0 ? Math.max(length + end, 0) : end;
  return content.subarray(Math.min(from, length), Math.min(last + 1, length)) as Bytes;
}
