/**
 * One connection: takes its messages, has their frames executed, and keeps a client that does not
 * read its replies from filling our memory. Knows no WebSocket library; a front end gives it a
 * `Connection` and tells it what happens.
 *
 *   open  --(unsent replies pass PAUSE_BYTES)-->  paused  --(they fall to RESUME_BYTES)-->  open
 *   paused: frames wait; more than maxBacklogBytes of them close the connection with 1013
 *   (a single one may be longer)
 *   draining (the node stops): what waits is still executed, then the connection closes with 1001
 *
 * In a cluster, frames may be with other nodes while later ones are executed. Their replies are
 * sent when they come; those frames pause the connection, too, when they pass FORWARDED_BYTES_MAX.
 */
import { Elsewhere, type FrameFault, isFault } from '../engine/frame.js';
import { Access } from '../engine/slot-table.js';
import type { ClusterService } from './cluster/routing/service.js';
import { Counter } from './counters.js';
import { executeBeforeHello } from './guard.js';
import { NO_TOKEN_TEXT } from './hello.js';
import {
  CLOSE_REASON_BYTES_MAX,
  CloseCode,
  FORWARDED_BYTES_MAX,
  FORWARDED_FRAME_OVERHEAD_BYTES,
  HELLO_DEADLINE_MS,
  MESSAGE_BYTES_BEFORE_HELLO_MAX,
  PAUSE_BYTES,
  RESUME_BYTES,
  WAITING_FRAME_OVERHEAD_BYTES,
} from './limits.js';
import type { ServingThread } from './serving-thread.js';

/** What a session needs of a WebSocket. */
export interface Connection {
  /**
   * Sends a binary message; `bytes` may change after the call. Returns whether any bytes wait to be
   * sent.
   */
  send(bytes: Uint8Array): boolean;
  /** Bytes that were sent but not yet taken by the operating system. */
  bufferedBytes(): number;
  /** Sends what is buffered, then a close frame. The front end calls `session.closed()` in turn. */
  close(code: number, reason: string): void;
}

export class Session {
  /** Whether commands other than HELLO may run. */
  authenticated: boolean;
  /** Whether the client finds the nodes of keys by itself. */
  routes = false;
  /** Which nodes of a key may answer what only reads. */
  access: number = Access.OWNER;

  readonly #thread: ServingThread;
  readonly #connection: Connection;
  #paused = false;
  #draining = false;
  #closed = false;
  /** Frames that came while paused, oldest first; those before `#waitingStart` are done. */
  #waiting: Uint8Array[] = [];
  #waitingStart = 0;
  #waitingBytes = 0;
  /** What the frames cost that are with other nodes. */
  #forwardedBytes = 0;
  /** The client does not read, and has not got the cluster's latest view. */
  #owesView = false;
  /** Runs out on a client that does not show the token. */
  readonly #helloTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(thread: ServingThread, connection: Connection) {
    this.#thread = thread;
    this.#connection = connection;
    this.authenticated = thread.config.tokenDigest === undefined;
    thread.sessions.add(this);
    thread.counters[Counter.connections]!++;
    thread.counters[Counter.accepted]!++;
    if (!this.authenticated) {
      this.#helloTimer = setTimeout(() => this.#closeStranger(), HELLO_DEADLINE_MS).unref();
    }
  }

  /** The connection is gone. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** A message has come. `message` is valid during the call only. */
  receive(message: Uint8Array, isBinary: boolean): void {
    if (this.#closed) return;
    const limit = this.#messageBytesMax;
    if (!isBinary) {
      this.#fault(CloseCode.TEXT_MESSAGE, 'text messages are not supported: send binary messages');
    } else if (message.length > limit) {
      const size = `the message of ${message.length} bytes`;
      const when = this.authenticated ? '' : ' before HELLO';
      this.#fault(CloseCode.TOO_LARGE, `${size} is above the limit of ${limit}${when}`);
    } else if (this.#paused) {
      this.#wait(message);
    } else {
      this.#execute(message);
    }
  }

  get #messageBytesMax(): number {
    const { maxMessageBytes } = this.#thread.config;
    if (this.authenticated) return maxMessageBytes;
    return Math.min(maxMessageBytes, MESSAGE_BYTES_BEFORE_HELLO_MAX);
  }

  /** Some of the buffered replies have been sent. */
  sent(): void {
    if (this.#closed) return;
    if (this.#paused && this.#mayResume()) this.#resume();
    if (this.#draining) this.#closeWhenDone();
  }

  /** A push frame with the cluster's view is there to be sent. */
  push(): void {
    this.#owesView = this.#paused;
    if (!this.#owesView) this.#send(this.#thread.cluster!.pushes.frame);
  }

  #mayResume(): boolean {
    const isRoom = this.#forwardedBytes <= FORWARDED_BYTES_MAX;
    return isRoom && this.#connection.bufferedBytes() <= RESUME_BYTES;
  }

  #resume(): void {
    this.#paused = false;
    if (this.#owesView) this.push();
    while (!this.#paused && !this.#closed && this.#waitingStart < this.#waiting.length) {
      const frame = this.#waiting[this.#waitingStart++]!;
      this.#waitingBytes -= frame.length + WAITING_FRAME_OVERHEAD_BYTES;
      this.#execute(frame);
    }
    if (this.#waitingStart === this.#waiting.length) {
      this.#waiting = [];
      this.#waitingStart = 0;
    }
  }

  /**
   * The node stops: closes the connection once the frames that have come are answered and the
   * answers sent.
   */
  drain(): void {
    if (this.#closed) return;
    this.#draining = true;
    this.#closeWhenDone();
  }

  /** The connection is gone, whoever closed it. */
  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#helloTimer);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#thread.counters[Counter.connections]!--;
    this.#thread.sessionClosed(this);
  }

  #execute(frame: Uint8Array): void {
    const { executor, cluster } = this.#thread;
    if (cluster !== undefined) {
      this.#executeInCluster(frame, cluster);
    } else if (this.authenticated) {
      this.#answer(executor.execute(frame, this), frame.length);
    } else {
      // In no cluster nothing is elsewhere.
      const result = executeBeforeHello(executor, frame, this, false) as Uint8Array | FrameFault;
      this.#answer(result, frame.length);
    }
  }

  #executeInCluster(frame: Uint8Array, { router }: ClusterService<Session>): void {
    const { executor } = this.#thread;
    const result = this.authenticated
      ? executor.executeWhereServed(frame, this, this.access)
      : executeBeforeHello(executor, frame, this, true);
    if (!(result instanceof Elsewhere)) {
      this.#answer(result, frame.length);
      return;
    }
    const reply = router.complete(result, frame.length, this);
    if (reply instanceof Promise) void this.#answerLater(reply, frame.length, result.rest.length);
    else this.#fault(reply.closeCode, reply.reason);
  }

  /** Answers a frame of which so many bytes are with other nodes, when they have answered. */
  async #answerLater(
    reply: Promise<Uint8Array>,
    frameBytes: number,
    forwardedBytes: number,
  ): Promise<void> {
    const cost = forwardedBytes + FORWARDED_FRAME_OVERHEAD_BYTES;
    this.#forwardedBytes += cost;
    if (this.#forwardedBytes > FORWARDED_BYTES_MAX) this.#pause();
    const bytes = await reply;
    this.#forwardedBytes -= cost;
    if (this.#closed) return;
    this.#answer(bytes, frameBytes);
    this.sent();
  }

  #answer(result: Uint8Array | FrameFault, frameBytes: number): void {
    if (isFault(result)) {
      this.#fault(result.closeCode, result.reason);
      return;
    }
    const { counters } = this.#thread;
    counters[Counter.frames]!++;
    counters[Counter.bytesIn]! += frameBytes;
    counters[Counter.bytesOut]! += result.length;
    this.#send(result);
  }

  #send(bytes: Uint8Array): void {
    if (this.#connection.send(bytes) && this.#connection.bufferedBytes() > PAUSE_BYTES) {
      this.#pause();
    }
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#thread.counters[Counter.pauses]!++;
  }

  #wait(frame: Uint8Array): void {
    if (this.#draining) return;
    const cost = frame.length + WAITING_FRAME_OVERHEAD_BYTES;
    const isAlone = this.#waitingBytes === 0;
    if (!isAlone && this.#waitingBytes + cost > this.#thread.config.maxBacklogBytes) {
      this.#thread.counters[Counter.backlogCloses]!++;
      this.#close(CloseCode.BACKLOG, `${this.#pauseReason}, and too many frames wait`);
      return;
    }
    this.#waiting.push(new Uint8Array(frame));
    this.#waitingBytes += cost;
  }

  get #pauseReason(): string {
    const isForwarding = this.#forwardedBytes > FORWARDED_BYTES_MAX;
    return isForwarding ? 'other nodes are slow to answer' : 'replies are not read';
  }

  #closeStranger(): void {
    if (!this.authenticated && !this.#closed) this.#close(CloseCode.NO_TOKEN, NO_TOKEN_TEXT);
  }

  #fault(code: number, reason: string): void {
    this.#thread.counters[Counter.faults]!++;
    this.#close(code, reason);
  }

  /** Bytes in our hands are lost when the process ends, bytes in the operating system's are not. */
  #closeWhenDone(): void {
    if (this.#closed || this.#paused || this.#forwardedBytes > 0) return;
    if (this.#connection.bufferedBytes() > 0) return;
    this.#close(CloseCode.GOING_AWAY, 'the node is shutting down');
  }

  #close(code: number, reason: string): void {
    // A front end may or may not report the close it was asked for before `close` returns; nothing
    // runs after it anyway.
    this.#connection.close(code, shorten(reason));
    this.closed();
  }
}

/** A reason cut to what a close frame holds, at a character's boundary. */
function shorten(reason: string): string {
  if (Buffer.byteLength(reason) <= CLOSE_REASON_BYTES_MAX) return reason;
  const bytes = new Uint8Array(CLOSE_REASON_BYTES_MAX);
  const { read } = new TextEncoder().encodeInto(reason, bytes);
  return reason.slice(0, read);
}
