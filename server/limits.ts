/**
 * The limits of a node. Each has its reason beside it; the ones a user may change are defaults of
 * an option.
 */

import { MAX_THREADS } from '../engine/arena.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Serving threads: an arena takes 64, and one of them is the main thread. */
export const THREADS_MAX = MAX_THREADS - 1;

/** Default threads at most: a cache shares its machine with the applications it serves. */
export const DEFAULT_THREADS_MAX = 16;

/**
 * Default memory: this part of the memory the process may use. The rest belongs to the
 * applications.
 */
export const DEFAULT_MEMORY_SHARE = 1 / 4;

/**
 * Default memory at least, where the share above would be less: below it a cache holds next to
 * nothing.
 */
export const DEFAULT_MEMORY_MIN_BYTES = 64 * MIB;

/** What one arena holds: several are slower, so who wants them says so. */
export const DEFAULT_MEMORY_MAX_BYTES = 3 * GIB;

/**
 * What a frame may hold besides one largest value: frame id, command, key and numbers. A message,
 * which is one frame, is limited to a value and this.
 */
export const FRAME_OVERHEAD_BYTES = 128 * KIB;

/** Smaller messages than this and a key does not fit. */
export const MAX_MESSAGE_BYTES_MIN = FRAME_OVERHEAD_BYTES;

/**
 * uWebSockets.js drops a connection without a close code when a message passes its own limit. That
 * limit is set above ours, so that a client which is moderately over it learns why (1009): this
 * many times, but by no more than so many bytes, because messages are held in memory up to it.
 */
const OVERSIZE_FACTOR = 4;
const OVERSIZE_BYTES = 4 * MIB;

/** Messages up to this length are received whole, and refused with 1009 above the limit. */
export function receivedBytesMax(maxMessageBytes: number): number {
  return Math.min(OVERSIZE_FACTOR * maxMessageBytes, maxMessageBytes + OVERSIZE_BYTES);
}

/**
 * The longest message of a client that has not shown the node's token. HELLO and the first commands
 * of a client that does not wait for its reply fit.
 */
export const MESSAGE_BYTES_BEFORE_HELLO_MAX = 128 * KIB;

/**
 * On a node with a token, a connection is closed that has not shown it for this long: so strangers
 * make a node hold no more than they can send in the meantime.
 */
export const HELLO_DEADLINE_MS = 10_000;

/**
 * Frames a paused connection may have waiting, in bytes. A client that reads its replies never has
 * one waiting long. One may always wait, however long it is.
 */
export const DEFAULT_MAX_BACKLOG_BYTES = 16 * MIB;
export const MAX_BACKLOG_BYTES_MIN = 64 * KIB;
export const MAX_BACKLOG_BYTES_MAX = GIB;

/**
 * A waiting frame costs its bytes and about this much for the objects that hold it; both count as
 * backlog.
 */
export const WAITING_FRAME_OVERHEAD_BYTES = 160;

/**
 * With more unsent replies than this a connection is paused: about what a fast link carries in 10
 * ms.
 */
export const PAUSE_BYTES = MIB;

/**
 * A paused connection goes on once its unsent replies fall to this: low enough not to pause again
 * at once.
 */
export const RESUME_BYTES = 256 * KIB;

/**
 * A connection is paused, too, when the frames that other nodes are at work on are more than this:
 * what a fast link carries in 10 ms, many times what others take to answer.
 */
export const FORWARDED_BYTES_MAX = MIB;

/**
 * What such a frame costs besides its bytes: their replies come whether the client reads or not, so
 * that they must be few, 64.
 */
export const FORWARDED_FRAME_OVERHEAD_BYTES = 16 * KIB;

/**
 * A connection silent for this long, pings unanswered, is gone. uWebSockets.js takes 8 to 960
 * seconds.
 */
export const IDLE_TIMEOUT_SECONDS = 120;

/**
 * Frames in flight when a node is told to stop get this long; process managers kill after 10 s as a
 * rule.
 */
export const DRAIN_DEADLINE_MS = 5_000;

/**
 * After the last connection was closed, the closing handshakes get this long before the sockets are
 * dropped.
 */
export const LINGER_MS = 500;

/**
 * Threads that were told to drop their sockets get this long to end. They need milliseconds; on a
 * machine that is short of processors, seconds. Together with the two before, less than the 10 s
 * after which process managers kill.
 */
export const STOP_DEADLINE_MS = 4_000;

/**
 * A WebSocket close reason is at most this long (RFC 6455: a control frame holds 125 bytes, 2 are
 * the code).
 */
export const CLOSE_REASON_BYTES_MAX = 123;

/**
 * Commands that a frame may hold before the right token: a one-byte command is answered by 60 bytes
 * of NOAUTH, a wrong HELLO takes microseconds, and strangers shall not keep us busy.
 */
export const COMMANDS_BEFORE_HELLO_MAX = 1024;

/** Why a connection is closed: RFC 6455 section 7.4 and docs/PROTOCOL.md. */
export const CloseCode = {
  GOING_AWAY: 1001,
  TEXT_MESSAGE: 1003,
  BAD_FRAME: 1007,
  NO_TOKEN: 1008,
  TOO_LARGE: 1009,
  BACKLOG: 1013,
} as const;
