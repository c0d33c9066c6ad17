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
import { SlabringError } from '../engine/errors.js';
import type { Reading } from '../engine/handles/runner.js';
import { capture, rejectLast, resolveLast } from './deferred.js';
import { Frame, type LostCommand, type Rescue } from './frame.js';
import { FrameLimits, type PeerLimits } from './frame-limits.js';
import { FrameQueue } from './frame-queue.js';
import { type Gatherer, type Gathering, PendingPart } from './gathering.js';
import type { ClientSettings } from './options.js';
import { type Pending, PendingCommand, PendingReading, type Result } from './pending.js';
import { ReplyReader } from './reader.js';
import { Silence } from './silence.js';
import type { ClientSocket } from './socket.js';
import { atEndOfTurn } from './turn.js';
import { FrameWriter } from './writer.js';

const FRAME_ID_MAX = 2 ** 32 - 1;

/** What a frame costs besides its bytes: the server counts about this much for one that waits. */
const FRAME_OVERHEAD_BYTES = 256;

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
  #writerOfLost: FrameWriter | undefined;
  readonly #inFlight = new Map<number, Frame>();
  /**
   * Frames whose commands were rejected by their deadline, and which the server still owes a reply.
   */
  readonly #expired = new Map<number, Frame>();
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
  /** What the frames in flight and the expired ones cost the server. */
  #windowBytes = 0;
  #socket: ClientSocket | undefined;
  /** The frame of this turn. */
  #frame: Frame | undefined;
  #frameId = 0;
  #flushing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #silence: Silence;
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
    for (const frame of this.#inFlight.values()) commands += frame.commands;
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

  /** Completes the commands just written, for which `pending` waits. */
  enter(pending: Pending): void {
    const frame = this.#place(pending.commands);
    frame.pending.push(pending);
    this.#flushIfFull(frame);
  }

  /** Sends commands that had no result elsewhere, under the deadline that they have. */
  resend({ bytes, pending, startedAtMs }: LostCommand): void {
    try {
      this.#admit();
    } catch (error) {
      pending.fail(error as SlabringError);
      return;
    }
    const frame = this.#newFrame(startedAtMs);
    frame.pending.push(pending);
    frame.commands = pending.commands;
    this.#writerOfLost ??= new FrameWriter();
    this.#writerOfLost.begin(frame.id);
    this.#writerOfLost.packed(bytes);
    this.#writerOfLost.commit();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#startTimer(startedAtMs + this.#settings.timeoutMs - performance.now());
    this.#complete(frame, this.#writerOfLost.end());
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

  /** There is a connection: sends what waited. Without limits the server has none. */
  attach(socket: ClientSocket, limits: PeerLimits): void {
    this.#limits.adopt(limits);
    this.#socket = socket;
    this.#outage = undefined;
    this.#pump();
  }

  /** The connection is lost: the commands in flight are rejected, because they may have run. */
  detach(outage: SlabringError): void {
    this.#socket = undefined;
    this.#outage = outage;
    this.#silence.heard();
    this.#expired.clear();
    this.#windowBytes = 0;
    this.#limits.forget();
    const lost = [...this.#inFlight.values()];
    this.#inFlight.clear();
    if (lost.length > 0) {
      const error = new SlabringError(
        'CONNECTION',
        `the connection was lost with the command in flight, it may have run: ${outage.message}`,
        { cause: outage },
      );
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
    const frames: Frame[] = [];
    for (let frame = this.#queue.shift(); frame !== undefined; frame = this.#queue.shift()) {
      frames.push(frame);
    }
    for (const frame of frames) frame.scatter(rescue, outage);
  }

  /** Rejects every command that waits for a connection. */
  failQueued(error: SlabringError): void {
    this.flush();
    this.#failQueue(error);
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
    const inFlight = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const frame of inFlight) frame.fail(error);
    this.#failQueue(error);
  }

  /** One message of the server. */
  receive(message: Uint8Array): void {
    const reader = this.#reader;
    this.#silence.heard();
    this.received++;
    try {
      reader.load(message);
      const id = reader.frameId();
      if (id === 0) {
        this.#events.push(reader);
        return;
      }
      this.#answered(id, reader, message.length);
    } catch (cause) {
      const message = `the server broke the protocol: ${(cause as Error).message}`;
      this.#events.broken(new SlabringError('CONNECTION', message, { cause }));
    } finally {
      reader.unload();
    }
  }

  #answered(id: number, reader: ReplyReader, replyBytes: number): void {
    const frame = this.#inFlight.get(id);
    const owed = frame ?? this.#expired.get(id);
    if (owed === undefined) throw new RangeError(`a reply to frame ${id}, which is not in flight`);
    this.#windowBytes -= owed.size + FRAME_OVERHEAD_BYTES;
    this.#limits.learn(owed.commands, owed.size, replyBytes);
    if (frame === undefined) {
      this.#expired.delete(id);
    } else {
      this.#inFlight.delete(id);
      frame.settle(reader);
    }
    if (!this.#queue.isEmpty) this.#pump();
    if (this.#draining) this.#settled();
  }

  /** Whether one more command may be taken where it cannot leave at once. */
  #admit(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
    const { queueLimit, bufferLimitBytes } = this.#settings;
    const { bytes } = this.#queue;
    if (bytes > bufferLimitBytes) {
      throw new SlabringError('QUEUEFULL', `${bytes} bytes of commands wait to leave already`);
    }
    if (this.#socket !== undefined) return;
    const commands = this.#queue.commands + (this.#frame?.commands ?? 0);
    if (commands >= queueLimit) {
      throw new SlabringError(
        'QUEUEFULL',
        `no connection, and ${commands} commands wait for one already${this.#reason()}`,
        { cause: this.#outage },
      );
    }
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
    do {
      this.#frameId = this.#frameId === FRAME_ID_MAX ? 1 : this.#frameId + 1;
    } while (this.#inFlight.has(this.#frameId) || this.#expired.has(this.#frameId));
    return new Frame(this.#frameId, startedAtMs);
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
   */
  #place(commands: number): Frame {
    let frame = this.#frame!;
    if (frame.commands > 0 && this.#writer.size > this.#limits.frameBytesMax) {
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
    if (frame.commands >= frameCommandsMax || this.#writer.size > frameBytesMax) {
      this.flush();
    }
  }

  /** The frame has all its commands: sends it, or lets it wait for its turn. */
  #complete(frame: Frame, bytes: Uint8Array): void {
    frame.complete(bytes);
    this.#queue.push(frame);
    this.#pump();
    this.#startTimer(this.#settings.timeoutMs);
  }

  /** Sends what waits, as far as the window allows. */
  #pump(): void {
    for (;;) {
      const next = this.#queue.oldest;
      if (this.#socket === undefined || next === undefined) return;
      const cost = next.size + FRAME_OVERHEAD_BYTES;
      if (!this.#limits.allows(this.#windowBytes, cost)) return;
      this.#queue.shift();
      this.#transmit(next, this.#socket);
    }
  }

  #transmit(frame: Frame, socket: ClientSocket): void {
    const { messageBytesMax } = this.#limits;
    if (frame.size > messageBytesMax) {
      const text = `the message has ${frame.size} bytes and the server takes at most ${messageBytesMax}`;
      frame.fail(new SlabringError('TOOLARGE', text));
      return;
    }
    this.#windowBytes += frame.size + FRAME_OVERHEAD_BYTES;
    this.#inFlight.set(frame.id, frame);
    socket.send(frame.takeBytes(this.rescue));
  }

  #failQueue(error: SlabringError): void {
    for (let frame = this.#queue.shift(); frame !== undefined; frame = this.#queue.shift()) {
      frame.fail(error);
    }
  }

  /**
   * One timer serves all commands: it waits for the oldest frame, and they all have the same
   * deadline.
   */
  #startTimer(delayMs: number): void {
    if (this.#timer === undefined && this.#settings.timeoutMs > 0) {
      this.#timer = setTimeout(this.#onTimer, Math.max(1, Math.ceil(delayMs)));
    }
  }

  #expire(): void {
    this.#timer = undefined;
    const { timeoutMs } = this.#settings;
    const nowMs = performance.now();
    const isDue = (frame: Frame | undefined): boolean =>
      frame !== undefined && frame.startedAtMs + timeoutMs <= nowMs + TIMER_EARLY_MS;
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const frame of this.#inFlight.values()) {
      // Frames that came from elsewhere are older than those before them.
      if (!isDue(frame)) {
        oldestMs = Math.min(oldestMs, frame.startedAtMs);
        continue;
      }
      this.#inFlight.delete(frame.id);
      this.#expired.set(frame.id, frame);
      this.#silence.missed(frame.startedAtMs);
      frame.fail(
        new SlabringError('TIMEOUT', `no reply within ${timeoutMs} ms; the command may have run`),
      );
    }
    while (isDue(this.#queue.oldest)) this.#queue.shift()!.fail(this.#queueTimeout());
    oldestMs = Math.min(oldestMs, this.#queue.oldest?.startedAtMs ?? oldestMs);
    const outage = this.#silence.outage(nowMs);
    if (outage !== undefined) this.#events.broken(outage);
    if (oldestMs < Number.POSITIVE_INFINITY) this.#startTimer(oldestMs + timeoutMs - nowMs);
    if (this.#draining) this.#settled();
  }

  #queueTimeout(): SlabringError {
    const { timeoutMs } = this.#settings;
    return this.#socket === undefined
      ? new SlabringError('TIMEOUT', `no connection within ${timeoutMs} ms${this.#reason()}`, {
          cause: this.#outage,
        })
      : new SlabringError('TIMEOUT', `not sent within ${timeoutMs} ms, too much is on its way`);
  }

  #settled(): void {
    const idle = this.#inFlight.size === 0 && this.#queue.isEmpty && this.#frame === undefined;
    if (this.#draining && idle) this.#events.drained();
  }

  #reason(): string {
    return this.#outage === undefined ? '' : ` (${this.#outage.message})`;
  }
}
