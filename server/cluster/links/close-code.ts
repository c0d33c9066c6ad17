/** The codes that links close with (RFC 6455, section 7.4). Append only: versions mix. */
export const LinkCloseCode = {
  /** The node ends. */
  leaving: 1001,
  /** Bytes that are no frame of ours. */
  broken: 1002,
  /** There was no goodbye: never sent. */
  broke: 1006,
  /** The handshake failed; the reason says why. */
  refused: 4001,
  /** Two dials crossed; the other link stays. */
  crossed: 4002,
  /** Nothing to say. */
  idle: 4003,
  /** The peer dialed anew, so this link is one that it has lost. */
  replaced: 4004,
} as const;

/** RFC 6455 leaves so many bytes for the reason of a close frame. */
const REASON_BYTES_MAX = 123;

/** As much of a reason as a close frame holds. */
export function cutReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= REASON_BYTES_MAX) return reason;
  // A character that was cut in two decodes as U+FFFD, of three bytes: it goes.
  return bytes
    .subarray(0, REASON_BYTES_MAX)
    .toString()
    .replace(/\uFFFD+$/, '');
}
