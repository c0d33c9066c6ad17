/**
 * What the loader needs to know of a server's protocol. One small implementation per server; the
 * loader is the same for all.
 */
import type { FrameWriter, Reel } from './reel.js';
import type { Operation } from './shape.js';

/** The server did something that makes the measurement worthless; the message says what. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** What `readHead` found, in one object that is used over and over. */
export interface ReplyHead {
  /** Bytes of the whole reply, head included. */
  bytes: number;
  /** The frame that it answers, or one of the two below. */
  frame: number;
  /** What to send back, when `frame` is {@link CONTROL}. */
  answer: Buffer | undefined;
}

/** The reply answers the oldest frame in flight (protocols without frame ids). */
export const OLDEST = -1;
/** No reply but a message of the protocol itself (a ping). */
export const CONTROL = -2;

/** What checking replies found. */
export interface Tally {
  /** Operations whose replies were checked one by one. */
  checked: number;
  /** GETs among them, and those of these that found nothing. */
  gets: number;
  misses: number;
  /** Error replies among them, and to what follows the commands of a frame. */
  errors: number;
  /** The first of them, in words. */
  firstError: string | undefined;
}

export interface LoadProtocol extends FrameWriter {
  /** What to send when the connection is open; undefined when the protocol begins at once. */
  readonly greeting: Buffer | undefined;
  /**
   * Reads the answer to the greeting: the bytes that it took, or 0 when more must come.
   * @throws LoadError when the server refuses
   */
  readGreeting(bytes: Buffer): number;
  /**
   * Reads the head of the reply at `bytes[at .. end)`; `oldest` is the oldest frame in flight, and
   * `reel` is undefined when there is none (only messages of the protocol itself may come then).
   * False when more bytes must come.
   * @throws LoadError when it is no reply, or one that nothing asked for
   */
  readHead(
    bytes: Buffer,
    at: number,
    end: number,
    reel: Reel | undefined,
    oldest: number,
    head: ReplyHead,
  ): boolean;
  /**
   * Checks the whole reply at `bytes[at .. end)` against the frame's commands, value by value.
   * @throws LoadError when it is not what the frame asked for
   */
  checkReply(bytes: Buffer, at: number, end: number, reel: Reel, frame: number, tally: Tally): void;
}

/** More replies than commands: the protocol's reader is out of step, or the server is. */
export function unasked(): LoadError {
  return new LoadError('the server sent a reply that nothing asked for');
}

/** A reply to another question, or to none. */
export function unexpected(bytes: Buffer, at: number, end: number, { name }: Operation): LoadError {
  return new LoadError(`unexpected reply to ${name}: ${quote(bytes, at, end)}`);
}

/** Bytes of a reply for an error message: text as it is, the rest as escapes. */
export function quote(bytes: Buffer, at: number, end: number): string {
  return JSON.stringify(bytes.toString('latin1', at, Math.min(end, at + 60)));
}
