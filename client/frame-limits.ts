/**
 * How much goes into one frame, and how many frames go out before a reply comes back. The server
 * names some of this in its reply to HELLO; the rest is learned from the replies.
 */
import type { ClientSettings } from './options.js';

/**
 * How many bytes of frames may be on their way without a reply; further frames wait here. A thread
 * that sends for a second without reading a reply would fill the server's memory, and a server then
 * closes the connection (at 16 MiB unless told otherwise). Far more than the fastest link needs to
 * stay busy.
 */
const WINDOW_BYTES = 4 * 1024 * 1024;

/**
 * Frames hold this many commands until it is known how long replies are: were each of them a value
 * of 1 MiB, a node would still build the reply frame (up to 64 MiB).
 */
const FIRST_FRAME_COMMANDS = 50;

/** However long the replies are: fewer commands a frame would cost more than they are worth. */
const FRAME_COMMANDS_MIN = 16;

/**
 * But this many bytes of replies are enough for a frame: a node builds up to 64 MiB, and answers
 * the commands behind them with TOOLARGE.
 */
const REPLY_BYTES_MAX = 32 * 1024 * 1024;

/** What the server at the other end takes. */
export interface PeerLimits {
  /** The longest message, in bytes. */
  messageBytesMax?: number | undefined;
  /** How many bytes of frames it lets wait while it cannot send replies. */
  backlogBytesMax?: number | undefined;
}

export class FrameLimits {
  /** The longest message that the server takes. */
  messageBytesMax = Number.POSITIVE_INFINITY;
  windowBytesMax = WINDOW_BYTES;
  /** The server keeps so many bytes of frames, or one frame, while it cannot send replies. */
  #backlogBytesMax = Number.POSITIVE_INFINITY;
  frameBytesMax: number;
  frameCommandsMax = 0;
  readonly #settings: ClientSettings;
  /**
   * What a command takes, in the longer of the two directions: a mean that rises at once and falls
   * slowly.
   */
  #commandBytes = 0;

  constructor(settings: ClientSettings) {
    this.#settings = settings;
    this.frameBytesMax = settings.frameBytes;
    this.forget();
  }

  /** Begins to learn anew. The connection is lost, and replies that were too long may be why. */
  forget(): void {
    this.frameCommandsMax = Math.min(this.#settings.frameCommands, FIRST_FRAME_COMMANDS);
    this.#commandBytes = this.#settings.frameBytes / FIRST_FRAME_COMMANDS;
  }

  /** Keeps to what a server takes. Where it says nothing there is no limit. */
  adopt(peer: PeerLimits): void {
    const { messageBytesMax = Number.POSITIVE_INFINITY, backlogBytesMax } = peer;
    this.messageBytesMax = messageBytesMax;
    this.frameBytesMax = Math.min(this.#settings.frameBytes, messageBytesMax);
    this.#backlogBytesMax = backlogBytesMax ?? Number.POSITIVE_INFINITY;
    // Half: the last frame may pass the window, by as much as it is long.
    this.windowBytesMax = Math.min(WINDOW_BYTES, this.#backlogBytesMax / 2);
  }

  /**
   * Whether a frame may leave while others on their way cost the server `windowBytes`. A long one
   * waits until it fits the server's backlog beside them, or is alone.
   */
  allows(windowBytes: number, frameBytes: number): boolean {
    if (windowBytes === 0) return true;
    return windowBytes < this.windowBytesMax && windowBytes + frameBytes <= this.#backlogBytesMax;
  }

  /**
   * A frame of `commands` and `requestBytes` had a reply of `replyBytes`. Reply frames shall be no
   * longer than request frames: a thousand long values in one frame would hold up everything behind
   * them, and a server does not build a frame of any length. What is stored by long commands will
   * be read by long replies, so requests count too.
   */
  learn(commands: number, requestBytes: number, replyBytes: number): void {
    const { frameBytes, frameCommands } = this.#settings;
    const latest = Math.max(requestBytes, replyBytes) / commands;
    this.#commandBytes = Math.max(latest, this.#commandBytes + (latest - this.#commandBytes) / 4);
    const fitting = Math.max(FRAME_COMMANDS_MIN, Math.floor(frameBytes / this.#commandBytes));
    const most = Math.max(1, Math.floor(REPLY_BYTES_MAX / this.#commandBytes));
    this.frameCommandsMax = Math.min(frameCommands, fitting, most);
  }
}
