/** What bounds the links between nodes: each limit with its reason. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Limits that a caller may set; all are bytes or milliseconds. */
export interface LinkLimits {
  /** The longest message, sent or received. A longer one is not sent, or closes its link. */
  readonly messageBytesMax: number;
  /** What may wait for a peer that has a link but reads slowly; what is sent beyond is dropped. */
  readonly backlogBytesMax: number;
  /** What may wait for a peer that cannot be reached; beyond that the oldest is dropped. */
  readonly queueBytesMax: number;
  /** How long a message may wait for a link. */
  readonly queueAgeMs: number;
  /** From the connection (also while it is being made) to the end of the handshake. */
  readonly handshakeMs: number;
  /** A link that carried no message for so long is closed. */
  readonly idleMs: number;
  /** Time between two pings on a link. */
  readonly pingMs: number;
  /** A peer that neither says nor takes anything for so long is gone. */
  readonly silentMs: number;
  /** The wait before the first new dial; doubled for each further one. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  /** The wait after a handshake that was refused. */
  readonly refusedBackoffMs: number;
}

export const DEFAULT_LINK_LIMITS: LinkLimits = {
  // Values of up to 8 MiB with room for what a message adds; larger ones go in parts.
  messageBytesMax: 16 * MIB,
  // About a second of a fast link: more would be old when it arrives.
  backlogBytesMax: 64 * MIB,
  // A peer that is gone costs no more than this; the protocols above repeat what matters.
  queueBytesMax: 16 * MIB,
  // Failure detection has judged the peer by then, and asks anew.
  queueAgeMs: 10_000,
  // Many round trips of a slow network; short, as a stranger holds a socket for as long.
  handshakeMs: 5_000,
  // Long enough for peers that talk now and then; a new link costs a few round trips.
  idleMs: 300_000,
  // Often enough for a status page, too seldom to cost anything.
  pingMs: 5_000,
  // Several pings may get lost. Failure detection above is faster; this one frees the socket.
  silentMs: 20_000,
  backoffMs: 100,
  // Together with `CONNECT_MS` the time until a network that has healed is used again.
  backoffMsMax: 500,
  // A wrong secret is mended by a person, not by trying again.
  refusedBackoffMs: 30_000,
};

/** The largest limit: timers of JavaScript count in 31 bits. */
export const LIMIT_MAX = 2 ** 31 - 1;

/**
 * Messages that wait together go in one frame up to this size. Beyond it a frame costs less than
 * its bytes.
 */
export const BATCH_BYTES = 64 * KIB;

/** A message from here on is a frame of its own where that takes no copy. */
export const ALONE_BYTES = 16 * KIB;

/** Received before the handshake is through, framing included; it needs less than 4 KiB. */
export const HANDSHAKE_BYTES_MAX = 16 * KIB;

/** A greeting: its texts are at most {@link TEXT_LENGTH_MAX} long, and there are six. */
export const GREETING_BYTES_MAX = 8 * KIB;

/** Names, addresses, versions. A host name has at most 253 characters. */
export const TEXT_LENGTH_MAX = 262;

/** Connections in the handshake at one time. A cluster that starts has fewer. */
export const STRANGERS_MAX = 128;

/** Connections to the peer port. A cluster has one for each peer, two for a moment. */
export const CONNECTIONS_MAX = 2_048;

/** A link that stood for so long was a success: the next dial after it does not wait longer. */
export const STEADY_MS = 5_000;

/**
 * TCP's part of a dial: several of the longest round trips. What was sent while the network was cut
 * TCP would send again only after twice the time that has passed, and a new dial is sooner.
 */
export const CONNECT_MS = 1_000;

/** What a closing link may take to send what waits, and to hear that it came. */
export const CLOSE_MS = 2_000;

/** A second link to a peer asks whether the first one is alive: for so long. */
export const DOUBT_MS = 2_000;

/** Refusals and warnings told in one {@link EVENT_WINDOW_MS}; the others are counted. */
export const EVENTS_PER_WINDOW = 20;
export const EVENT_WINDOW_MS = 10_000;
