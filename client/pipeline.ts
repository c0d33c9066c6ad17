/**
 * From commands to frames and back. Commands of one turn of the event loop gather in one frame; any
 * number of frames may be on their way; replies find their frame by its id. Where there is no
 * connection, complete frames wait here.
 *
 *     open() -> write -> commit*()      the frame of this turn
 *                  | flush, or the frame is full
 *                  v
 *     queue (no connection) ----------> in flight ----------> settled
 *                  \                        |    \--> connection lost: rejected, never sent again
 *                   \-----------------------+--> deadline passed: rejected
 */
import { COMMANDS } from '../engine/commands.js';
import { SlabringError } from '../engine/errors.js';
import type { Reading } from '../engine/handles/runner.js';
import { capture, rejectLast, resolveLast } from './deferred.js';
import { Frame, type LostCommand, type Rescue } from './frame.js';
import { FrameLimits, type PeerLimits } from './frame-limits.js';
import { FrameQueue } from './frame-queue.js';
import { waitBytesOf } from './frame-waits.js';
import { FramesOut } from './frames-out.js';
import { type Gatherer, type Gathering, PendingPart } from './gathering.js';
import type { ClientSettings } from './options.js';
import { type Pending, PendingCommand, PendingReading, Result } from './pending.js';
import { ReplyReader } from './reader.js';
import { Silence } from './silence.js';
import type { ClientSocket } from './socket.js';
import { atEndOfTurn } from './turn.js';
import {
  lostInFlightError,
  noConnectionError,
  noReplyError,
  notSentError,
  tooLongError,
  tooManyBytesError,
  tooManyCommandsError,
} from './waiting-errors.js';
import { FrameWriter } from './writer.js';

/** The command PING. */
const PING = Uint8Array.of(0x91, COMMANDS.PING.code);

function ignore(): void {}

/** Node's timers count from the turn's beginning, so they may fire so much early. */
const TIMER_EARLY_MS = 1;

/** What the pipeline asks of the connection that carries it. */
export interface PipelineEvents {
  /** The connection must be dropped. */
  broken(error: SlabringError): void;
  /** A push frame came: its messages are in `reader`. */
  push(reader: ReplyReader): void;
  /** The last command on its way was settled. Called only after `drain`. */
  drained(): void;
}

export class Pipeline implements Gatherer {
  /** In a cluster: what becomes of commands that this node did not run. */
  rescue: Rescue | undefined;
  /** Messages that have come. */
  received = 0;
  readonly #settings: ClientSettings;
  readonly #limits: FrameLimits;
  readonly #events: PipelineEvents;
  readonly #writer = new FrameWriter();
  readonly #reader = new ReplyReader();
  #otherWriter: FrameWriter | undefined;
  readonly #inFlight = new FramesOut();
  readonly #onEndOfTurn = () => {
    this.#flushing = false;
    this.flush();
  };
  /**
   * Replies that arrived while this thread was busy count: they are read before the deadline is
   * judged.
   */
  readonly #onTimer = () => atEndOfTurn(() => this.#expire());

  /** Frames that wait for a connection, or for room in the window. */
  readonly #queue = new FrameQueue();
  #socket: ClientSocket | undefined;
  /** The frame of this turn. */
  #frame: Frame | undefined;
  #flushing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When it fires, on the clock of `performance.now()`. */
  #timerAtMs = 0;
  readonly #silence: Silence;
  /** Frames stay here until the server says something. */
  #isHeld = false;
  #draining = false;
  /** Why commands are refused, once they are. */
  #refusal: SlabringError | undefined;
  /**
   * Why there is no connection, as far as known: it goes into the errors of commands that waited in
   * vain.
   */
  #outage: SlabringError | undefined;

  constructor(settings: ClientSettings, events: PipelineEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#limits = new FrameLimits(settings);
    this.#silence = new Silence(settings.timeoutMs);
  }

  /** Commands called and not yet answered. */
  get outstanding(): number {
    let commands = this.#queue.commands + (this.#frame?.commands ?? 0);
    for (const frame of this.#inFlight) commands += frame.commands;
    return commands;
  }

  /**
   * The writer for one more command. Follow it by `commit` or, when writing fails, `abandon`; no
   * code of the caller may run in between, because it might call a command.
   * @throws SlabringError `CLOSED`, `QUEUEFULL`
   */
  open(): FrameWriter {
    if (this.#socket === undefined || this.#refusal !== undefined || !this.#queue.isEmpty) {
      this.#admit();
    }
    if (this.#frame === undefined) this.#begin();
    return this.#writer;
  }

  /** Completes the command just written; a function makes the result of its reply. */
  commit(result: Result | Reading<unknown>): Promise<unknown> {
    const promise = new Promise<unknown>(capture);
    const frame = this.#place(1);
    const Kind = typeof result === 'function' ? PendingReading : PendingCommand;
    frame.pending.push(new Kind(result as never, resolveLast, rejectLast));
    this.#flushIfFull(frame);
    return promise;
  }

  /** Completes the commands just written, for which `pending` waits, its WAITs to come later. */
  enter(pending: Pending): void {
    const frame = this.#place(pending.commands, waitBytesOf(pending));
    frame.enter(pending);
    this.#flushIfFull(frame);
  }

  /**
   * Sends commands that had no result elsewhere, under the deadline that they have.
   * @param doubt why they may have run there
   */
  resend({ bytes, pending, startedAtMs }: LostCommand, doubt?: SlabringError): void {
    try {
      this.#admit();
    } catch (error) {
      pending.fail(doubt ?? (error as SlabringError));
      return;
    }
    const frame = this.#frameOf(bytes, pending, startedAtMs);
    frame.doubt = doubt;
    this.#enqueue(frame);
  }

  /** Takes the present command back and makes its error a rejection. */
  abandon(error: unknown): Promise<never> {
    this.rollback();
    return Promise.reject(error);
  }

  rollback(): void {
    this.#writer.rollback();
  }

  /** Sends what has gathered without waiting for the end of the turn. */
  flush(): void {
    const frame = this.#frame;
    if (frame === undefined) return;
    this.#frame = undefined;
    if (frame.commands > 0) this.#complete(frame, this.#writer.end());
  }

  /**
   * There is a connection: sends what waited. Without limits the server has none.
   * @param roundTripMs how long it took to answer HELLO
   */
  attach(socket: ClientSocket, limits: PeerLimits, roundTripMs: number): void {
    this.#limits.adopt(limits);
    this.#silence.begin(roundTripMs);
    this.#socket = socket;
    this.#outage = undefined;
    this.#pump();
  }

  /** The connection is lost: the commands in flight are rejected, because they may have run. */
  detach(outage: SlabringError): void {
    this.#socket = undefined;
    this.#outage = outage;
    this.#silence.heard();
    this.#isHeld = false;
    this.#limits.forget();
    const lost = this.#inFlight.clear();
    if (lost.length > 0) {
      const error = lostInFlightError(outage);
      for (const frame of lost) {
        if (this.rescue === undefined) frame.fail(error);
        else frame.scatter(this.rescue, error);
      }
    }
    this.scatter(outage);
    this.#settled();
  }

  /** Has all that waits for a connection go elsewhere, where there is another node for it. */
  scatter(outage: SlabringError): void {
    const { rescue } = this;
    if (rescue === undefined || this.#socket !== undefined) return;
    this.flush();
    for (const frame of this.#queue.clear()) frame.scatter(rescue, outage);
  }

  /** Rejects every command that waits for a connection. */
  failQueued(error: SlabringError): void {
    this.flush();
    for (const frame of this.#queue.clear()) frame.fail(error);
    this.#settled();
  }

  /** Refuses new commands; `drained` is called once those on their way are settled. */
  drain(refusal: SlabringError): void {
    this.flush();
    this.#refusal = refusal;
    this.#draining = true;
    this.#settled();
  }

  /** Rejects everything, and every command from now on. */
  shut(error: SlabringError): void {
    this.#refusal = error;
    this.#socket = undefined;
    this.flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const frame of [...this.#inFlight.clear(), ...this.#queue.clear()]) frame.fail(error);
  }

  /** One message of the server. */
  receive(message: Uint8Array): void {
    const reader = this.#reader;
    this.#silence.heard();
    this.received++;
    try {
      if (this.#isHeld) this.#release();
      reader.load(message);
      const id = reader.frameId();
      if (id === 0) this.#events.push(reader);
      else this.#answered(id, reader, message.length);
    } catch (cause) {
      const message = `the server broke the protocol: ${(cause as Error).message}`;
      this.#events.broken(new SlabringError('CONNECTION', message, { cause }));
    } finally {
      reader.unload();
    }
  }

  #answered(id: number, reader: ReplyReader, replyBytes: number): void {
    const frame = this.#inFlight.take(id);
    this.#limits.learn(frame.commands, frame.size, replyBytes);
    if (!frame.isGivenUp) frame.settle(reader);
    if (!this.#queue.isEmpty) this.#pump();
    if (this.#draining) this.#settled();
  }

  /** Whether one more command may be taken where it cannot leave at once. */
  #admit(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
    const { queueLimit, bufferLimitBytes } = this.#settings;
    const { bytes } = this.#queue;
    if (bytes > bufferLimitBytes) throw tooManyBytesError(bytes);
    // Until an attempt to connect has failed, they are about to leave.
    if (this.#socket !== undefined || this.#outage === undefined) return;
    const commands = this.#queue.commands + (this.#frame?.commands ?? 0);
    if (commands >= queueLimit) throw tooManyCommandsError(commands, this.#outage);
  }

  #begin(): void {
    this.#frame = this.#newFrame(performance.now());
    this.#writer.begin(this.#frame.id);
    if (!this.#flushing) {
      this.#flushing = true;
      atEndOfTurn(this.#onEndOfTurn);
    }
  }

  #newFrame(startedAtMs: number): Frame {
    return new Frame(this.#inFlight.nextId(), startedAtMs);
  }

  /** A complete frame, beside the one of this turn. */
  #frameOf(bytes: Uint8Array, pending: Pending, startedAtMs: number): Frame {
    const frame = this.#newFrame(startedAtMs);
    frame.commands = pending.commands;
    frame.enter(pending);
    this.#otherWriter ??= new FrameWriter();
    this.#otherWriter.begin(frame.id);
    this.#otherWriter.packed(bytes);
    this.#otherWriter.commit();
    frame.complete(this.#otherWriter.end());
    return frame;
  }

  commitPart(gathering: Gathering, index: number): void {
    const frame = this.#place(1);
    const last = frame.pending.at(-1);
    if (last instanceof PendingPart && last.reaches(gathering, index)) {
      last.commands++;
    } else {
      frame.pending.push(new PendingPart(gathering, index));
    }
    this.#flushIfFull(frame);
  }

  /**
   * Counts the command just written into its frame: a new one, when it made this turn's frame too
   * long.
   * @param waitBytes of the WAITs that come with it
   */
  #place(commands: number, waitBytes = 0): Frame {
    let frame = this.#frame!;
    const size = this.#writer.size + frame.waitBytes + waitBytes;
    if (frame.commands > 0 && size > this.#limits.frameBytesMax) {
      const full = frame;
      frame = this.#newFrame(full.startedAtMs);
      const bytes = this.#writer.split(frame.id);
      this.#frame = frame;
      this.#complete(full, bytes);
    }
    this.#writer.commit();
    frame.commands += commands;
    return frame;
  }

  #flushIfFull(frame: Frame): void {
    const { frameCommandsMax, frameBytesMax } = this.#limits;
    const size = this.#writer.size + frame.waitBytes;
    if (frame.commands >= frameCommandsMax || size > frameBytesMax) this.flush();
  }

  /** The frame has all its commands: sends it, or lets it wait for its turn. */
  #complete(frame: Frame, bytes: Uint8Array): void {
    frame.complete(bytes);
    this.#enqueue(frame);
  }

  #enqueue(frame: Frame): void {
    this.#queue.push(frame);
    this.#pump();
    this.#startTimer(frame.startedAtMs);
  }

  /** Sends what waits, as far as the window allows. */
  #pump(): void {
    for (;;) {
      const next = this.#queue.oldest;
      if (this.#socket === undefined || next === undefined) return;
      if (!this.#limits.allows(this.#inFlight.windowBytes, FramesOut.costOf(next))) return;
      if (this.#hold(this.#socket)) return;
      this.#queue.shift();
      this.#transmit(next, this.#socket);
    }
  }

  /**
   * Whether frames stay here for now. A node that is silent gets one more, and nothing else until
   * it answers: what it has not had another node can be asked without fear of doing it twice.
   */
  #hold(socket: ClientSocket): boolean {
    // Elsewhere there is nobody else to ask.
    if (this.rescue === undefined || !this.#settings.retry) return false;
    const nowMs = performance.now();
    if (!this.#isHeld && this.#silence.isSuspect(nowMs)) {
      this.#isHeld = true;
      const ignored = new PendingCommand(Result.RAW, ignore, ignore);
      this.#transmit(this.#frameOf(PING, ignored, nowMs), socket);
    }
    if (!this.#isHeld) this.#silence.sent(nowMs);
    return this.#isHeld;
  }

  #release(): void {
    this.#isHeld = false;
    this.#pump();
  }

  #transmit(frame: Frame, socket: ClientSocket): void {
    const { messageBytesMax } = this.#limits;
    if (frame.size > messageBytesMax) {
      frame.fail(tooLongError(frame.size, messageBytesMax));
      return;
    }
    this.#inFlight.add(frame);
    socket.send(frame.takeBytes(this.rescue));
  }

  /** One timer serves all commands: it waits for the one with the earliest deadline. */
  #startTimer(startedAtMs: number): void {
    const { timeoutMs } = this.#settings;
    const atMs = startedAtMs + timeoutMs;
    if (timeoutMs === 0 || (this.#timer !== undefined && this.#timerAtMs <= atMs)) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(this.#onTimer, Math.max(1, Math.ceil(atMs - performance.now())));
  }

  #expire(): void {
    // It has fired, but may have been started anew since.
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { timeoutMs } = this.#settings;
    const nowMs = performance.now();
    const isDue = (frame: Frame | undefined): boolean =>
      frame !== undefined && frame.startedAtMs + timeoutMs <= nowMs + TIMER_EARLY_MS;
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const frame of this.#inFlight) {
      // Frames that came from elsewhere are older than those before them.
      if (!isDue(frame)) {
        oldestMs = Math.min(oldestMs, frame.startedAtMs);
        continue;
      }
      this.#inFlight.giveUp(frame);
      this.#silence.missed(frame.startedAtMs);
      frame.fail(noReplyError(timeoutMs));
    }
    while (isDue(this.#queue.oldest)) this.#queue.shift()!.fail(this.#queueTimeout());
    oldestMs = Math.min(oldestMs, this.#queue.oldest?.startedAtMs ?? oldestMs);
    const outage = this.#silence.outage(nowMs);
    if (outage !== undefined) this.#events.broken(outage);
    if (oldestMs < Number.POSITIVE_INFINITY) this.#startTimer(oldestMs);
    if (this.#draining) this.#settled();
  }

  #queueTimeout(): SlabringError {
    const { timeoutMs } = this.#settings;
    if (this.#socket === undefined) return noConnectionError(timeoutMs, this.#outage);
    return notSentError(timeoutMs, this.#isHeld);
  }

  #settled(): void {
    const idle = this.#inFlight.isEmpty && this.#queue.isEmpty && this.#frame === undefined;
    if (this.#draining && idle) this.#events.drained();
  }
}
