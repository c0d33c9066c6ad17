/**
 * The load generator: many connections, each with a fixed number of prebuilt frames in flight; a
 * reply is answered with the next frame. It must cost less than the servers it measures, so per
 * frame it does one slice of the reel, one write, one read into a buffer that all connections
 * share, and a few comparisons; only samples of the replies are checked in full.
 */
import { connect, type Socket } from 'node:net';
import { Histogram } from '../histogram.js';
import {
  CONTROL,
  LoadError,
  type LoadProtocol,
  OLDEST,
  type ReplyHead,
  type Tally,
} from './protocol.js';
import type { Reel } from './reel.js';

/** Where a server listens. */
export type LoadTarget = { host: string; port: number } | { path: string };

export interface LoaderOptions {
  readonly target: LoadTarget;
  readonly protocol: LoadProtocol;
  readonly connections: number;
  /** Frames in flight on each connection. */
  readonly inFlight: number;
  /** Every reply of this many frames of a run is checked in full, then samples. Default: 2,000. */
  readonly checkFirst?: number;
}

/** What a run did. */
export interface LoadResult {
  frames: number;
  operations: number;
  /** From the first frame sent to the last reply. */
  seconds: number;
  /** Round trips of frames: from its write to the read that brought the end of its reply. */
  roundTrips: Histogram;
  replies: Tally;
}

/** One read takes at most this much; it stays in the processor's cache. */
const READ_BYTES = 256 * 1024;
/** Every reply of the first frames is checked in full, then that of every so many frames. */
const CHECK_FIRST = 2_000;
const CHECK_EVERY = 64;
/** A server that answers nothing for this long with frames in flight has stalled. */
const STALL_MS = 5_000;

interface Connection {
  readonly socket: Socket;
  /**
   * The frames in flight, a ring from `head` to `tail` (counted without end, taken modulo the
   * size).
   */
  readonly frames: Int32Array;
  readonly sentMs: Float64Array;
  head: number;
  tail: number;
  /** Bytes of an unchecked reply that are still to come. */
  skip: number;
  /** The beginning of a reply whose rest is still to come. */
  pending: Buffer;
  pendingBytes: number;
  /** Set while the greeting has not been answered. */
  greeted: (() => void) | undefined;
}

interface Run {
  readonly reel: Reel;
  /** Every frame once; otherwise over and over until `endMs`. */
  readonly once: boolean;
  readonly endMs: number;
  readonly startMs: number;
  readonly result: LoadResult;
  readonly resolve: (result: LoadResult) => void;
  readonly reject: (error: Error) => void;
  /** The next frame of the reel to send. */
  cursor: number;
  /** Frames sent and not answered. */
  outstanding: number;
  stopping: boolean;
  /** Frames answered since a reply was checked, that one included. */
  unchecked: number;
  lastReplyMs: number;
  stallTimer: NodeJS.Timeout;
}

export class Loader {
  readonly #options: LoaderOptions;
  readonly #protocol: LoadProtocol;
  readonly #checkFirst: number;
  readonly #connections: Connection[] = [];
  /** Shared by all connections: what a read brought is used up, or copied, before the next read. */
  readonly #readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #head: ReplyHead = { bytes: 0, frame: 0, answer: undefined };
  #run: Run | undefined;
  #closing = false;
  #failure: Error | undefined;

  private constructor(options: LoaderOptions) {
    this.#options = options;
    this.#protocol = options.protocol;
    this.#checkFirst = options.checkFirst ?? CHECK_FIRST;
  }

  /**
   * Opens all connections.
   * @throws LoadError when one is refused
   */
  static async open(options: LoaderOptions): Promise<Loader> {
    const loader = new Loader(options);
    try {
      for (let index = 0; index < options.connections; index += 1) await loader.#connect();
    } catch (error) {
      loader.close();
      throw error;
    }
    return loader;
  }

  /** Sends every frame of the reel once and waits for all replies, each checked in full. */
  sendOnce(reel: Reel): Promise<LoadResult> {
    return this.#start(reel, true, Number.POSITIVE_INFINITY);
  }

  /** Sends the frames of the reel over and over for this long, then waits for the last replies. */
  sendFor(reel: Reel, seconds: number): Promise<LoadResult> {
    return this.#start(reel, false, performance.now() + seconds * 1000);
  }

  /** Closes all connections. */
  close(): void {
    this.#closing = true;
    for (const { socket } of this.#connections) socket.destroy();
  }

  #connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const onread = {
        buffer: this.#readBuffer,
        callback: (bytes: number): boolean => {
          this.#onRead(connection, bytes);
          return true;
        },
      };
      const socket = connect({ ...this.#options.target, noDelay: true, onread });
      const { inFlight } = this.#options;
      const connection: Connection = {
        socket,
        frames: new Int32Array(inFlight),
        sentMs: new Float64Array(inFlight),
        head: 0,
        tail: 0,
        skip: 0,
        pending: Buffer.alloc(0),
        pendingBytes: 0,
        greeted: resolve,
      };
      this.#connections.push(connection);
      const fail = (error: Error): void => {
        this.#fail(error);
        // A connection that we closed has failed for the reason why we closed it.
        reject(this.#failure ?? error);
      };
      socket.once('error', (error) => fail(new LoadError(`connection failed: ${error.message}`)));
      socket.once('close', () => fail(new LoadError('the server closed a connection')));
      socket.once('connect', () => {
        const { greeting } = this.#protocol;
        if (greeting !== undefined) {
          socket.write(greeting);
          return;
        }
        connection.greeted = undefined;
        resolve();
      });
    });
  }

  #start(reel: Reel, once: boolean, endMs: number): Promise<LoadResult> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const startMs = performance.now();
      const run: Run = {
        reel,
        once,
        endMs,
        startMs,
        result: {
          frames: 0,
          operations: 0,
          seconds: 0,
          roundTrips: new Histogram(),
          replies: { checked: 0, gets: 0, misses: 0, errors: 0, firstError: undefined },
        },
        resolve,
        reject,
        cursor: 0,
        outstanding: 0,
        stopping: false,
        unchecked: 0,
        lastReplyMs: startMs,
        stallTimer: setInterval(() => this.#checkStall(run), STALL_MS / 5),
      };
      this.#run = run;
      for (const connection of this.#connections)
        this.#send(run, connection, this.#options.inFlight);
      if (run.outstanding === 0) this.#finish(run);
    });
  }

  /**
   * Sends the next `count` frames on a connection; fewer at the end of a reel that is sent once.
   */
  #send(run: Run, connection: Connection, count: number): void {
    const { reel } = run;
    const ring = connection.frames.length;
    let left = count;
    while (left > 0 && run.cursor < reel.frames) {
      const first = run.cursor;
      const end = Math.min(first + left, reel.frames);
      connection.socket.write(reel.bytes.subarray(reel.offsets[first]!, reel.offsets[end]!));
      const nowMs = performance.now();
      for (let frame = first; frame < end; frame += 1) {
        const slot = connection.tail % ring;
        connection.frames[slot] = frame;
        connection.sentMs[slot] = nowMs;
        connection.tail += 1;
      }
      left -= end - first;
      run.outstanding += end - first;
      run.cursor = end === reel.frames && !run.once ? 0 : end;
    }
  }

  #onRead(connection: Connection, bytes: number): void {
    try {
      if (connection.greeted === undefined) this.#onReplies(connection, this.#readBuffer, bytes);
      else this.#onGreeting(connection, bytes);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #onGreeting(connection: Connection, bytes: number): void {
    append(connection, this.#readBuffer, 0, bytes);
    const answer = connection.pending.subarray(0, connection.pendingBytes);
    const taken = this.#protocol.readGreeting(answer);
    if (taken === 0) return;
    keepFrom(connection, taken);
    const greeted = connection.greeted!;
    connection.greeted = undefined;
    greeted();
  }

  #onReplies(connection: Connection, read: Buffer, readBytes: number): void {
    const nowMs = performance.now();
    const before = connection.head;
    if (connection.pendingBytes === 0) {
      const at = this.#readReplies(connection, read, readBytes, nowMs);
      if (at < readBytes) append(connection, read, at, readBytes);
    } else {
      append(connection, read, 0, readBytes);
      keepFrom(
        connection,
        this.#readReplies(connection, connection.pending, connection.pendingBytes, nowMs),
      );
    }
    const run = this.#run;
    if (run === undefined) return;
    const answered = connection.head - before;
    run.outstanding -= answered;
    if (answered > 0) run.lastReplyMs = nowMs;
    if (nowMs >= run.endMs) run.stopping = true;
    if (!run.stopping && answered > 0) this.#send(run, connection, answered);
    if (run.outstanding === 0) this.#finish(run);
  }

  /**
   * Takes the replies that lie in `bytes[0 .. end)`; returns where it stopped: all is taken, or
   * more must come.
   */
  #readReplies(connection: Connection, bytes: Buffer, end: number, nowMs: number): number {
    const head = this.#head;
    let at = 0;
    if (connection.skip > 0) {
      at = Math.min(connection.skip, end);
      connection.skip -= at;
      if (connection.skip > 0) return at;
      this.#answered(connection, nowMs);
    }
    while (at < end) {
      const run = this.#run;
      const asked = run !== undefined && connection.tail > connection.head;
      const oldest = asked ? connection.frames[connection.head % connection.frames.length]! : 0;
      if (!this.#protocol.readHead(bytes, at, end, asked ? run.reel : undefined, oldest, head)) {
        return at;
      }
      const replyEnd = at + head.bytes;
      if (head.frame === CONTROL) {
        if (head.answer !== undefined) connection.socket.write(head.answer);
        at = replyEnd;
        continue;
      }
      const { reel, result } = run!;
      const frame = head.frame === OLDEST ? oldest : head.frame;
      if (frame !== oldest) moveToHead(connection, frame);
      // A reply that comes in pieces stays due until it is whole, and so do those of other
      // connections meanwhile.
      const check = run!.once || result.frames < this.#checkFirst || run!.unchecked >= CHECK_EVERY;
      if (replyEnd > end) {
        if (check) return at;
        connection.skip = replyEnd - end;
        return end;
      }
      if (check) {
        this.#protocol.checkReply(bytes, at, replyEnd, reel, frame, result.replies);
        run!.unchecked = 0;
      }
      this.#answered(connection, nowMs);
      at = replyEnd;
    }
    return at;
  }

  /** The oldest frame of the connection has its whole reply. */
  #answered(connection: Connection, nowMs: number): void {
    const { reel, result } = this.#run!;
    const slot = connection.head % connection.frames.length;
    const frame = connection.frames[slot]!;
    connection.head += 1;
    this.#run!.unchecked += 1;
    result.frames += 1;
    result.operations += reel.endCommand(frame) - reel.firstCommand(frame);
    result.roundTrips.record(nowMs - connection.sentMs[slot]!);
  }

  #checkStall(run: Run): void {
    if (performance.now() - run.lastReplyMs < STALL_MS) return;
    const frames = `${run.outstanding} frames in flight`;
    this.#fail(new LoadError(`no reply for ${STALL_MS / 1000} s with ${frames}`));
  }

  #finish(run: Run): void {
    clearInterval(run.stallTimer);
    this.#run = undefined;
    run.result.seconds = (run.lastReplyMs - run.startMs) / 1000;
    run.resolve(run.result);
  }

  #fail(error: Error): void {
    if (this.#closing) return;
    this.#failure = error;
    const run = this.#run;
    this.#run = undefined;
    this.close();
    if (run === undefined) return;
    clearInterval(run.stallTimer);
    run.reject(error);
  }
}

/**
 * Replies may overtake each other: puts the frame that is answered now in the oldest one's place in
 * the ring.
 */
function moveToHead(connection: Connection, frame: number): void {
  const ring = connection.frames.length;
  const head = connection.head % ring;
  for (let place = connection.head + 1; place < connection.tail; place += 1) {
    const slot = place % ring;
    if (connection.frames[slot] !== frame) continue;
    const sentMs = connection.sentMs[slot]!;
    connection.frames[slot] = connection.frames[head]!;
    connection.sentMs[slot] = connection.sentMs[head]!;
    connection.frames[head] = frame;
    connection.sentMs[head] = sentMs;
    return;
  }
  throw new LoadError(`a reply has the id of frame ${frame + 1}, which is not in flight`);
}

/** Adds bytes to the connection's pending ones. */
function append(connection: Connection, bytes: Buffer, start: number, end: number): void {
  const needed = connection.pendingBytes + end - start;
  if (needed > connection.pending.length) {
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * connection.pending.length));
    connection.pending.copy(grown, 0, 0, connection.pendingBytes);
    connection.pending = grown;
  }
  bytes.copy(connection.pending, connection.pendingBytes, start, end);
  connection.pendingBytes = needed;
}

/** Drops the connection's pending bytes before `start`. */
function keepFrom(connection: Connection, start: number): void {
  connection.pending.copyWithin(0, start, connection.pendingBytes);
  connection.pendingBytes -= start;
}
