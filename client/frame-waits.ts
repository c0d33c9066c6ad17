/**
 * The WAITs of a frame. They stand behind all its other commands, in a row, so that they wait
 * together: what is behind a WAIT runs when that has ended.
 *
 *     SET a, GET b, SET c, SET a | WAIT a, WAIT c
 */
import type { SlabringError } from '../engine/errors.js';
import type { Pending } from './pending.js';
import type { ReplyReader } from './reader.js';

/** A WAIT for all that was written to a slot before it. */
export interface WaitCommand {
  /** Those of the same name wait for the same: one of them in a frame is enough. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Bytes of the WAITs that belong to a write. */
export function waitBytesOf({ waits }: Pending): number {
  return waits === undefined ? 0 : waits.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

export class FrameWaits {
  /** By name. */
  readonly #indexes = new Map<string, number>();
  readonly #commands: Uint8Array[] = [];
  /** Why they were not met; undefined: the replies are not read yet. */
  #failures: (SlabringError | undefined)[] | undefined;
  readonly #actions: (() => void)[] = [];
  /** Bytes of all. */
  size = 0;

  /** Whether it was not there yet. */
  add({ name, bytes }: WaitCommand): boolean {
    if (this.#indexes.has(name)) return false;
    this.#indexes.set(name, this.#commands.push(bytes) - 1);
    this.size += bytes.length;
    return true;
  }

  /** A frame, and these behind it. */
  append(frame: Uint8Array): Uint8Array {
    const whole = new Uint8Array(frame.length + this.size);
    whole.set(frame);
    let at = frame.length;
    for (const bytes of this.#commands) {
      whole.set(bytes, at);
      at += bytes.length;
    }
    return whole;
  }

  /** @throws RangeError when the message is broken */
  read(reader: ReplyReader): void {
    this.#failures = this.#commands.map(() => {
      reader.value();
      return reader.failure === undefined ? undefined : reader.takeFailure();
    });
  }

  /** To be called after `read`: carries out what was put off. */
  conclude(): void {
    for (const action of this.#actions.splice(0)) action();
  }

  /**
   * Puts off what depends on the replies, and all that might overtake it: commands that are asked
   * for again keep their order.
   */
  afterwards(action: () => void): void {
    if (this.#failures === undefined) this.#actions.push(action);
    else action();
  }

  /** Why one of these was not met. To be called after `read`. */
  failureOf(waits: readonly WaitCommand[]): SlabringError | undefined {
    const failures = waits.map(({ name }) => this.#failures![this.#indexes.get(name)!]);
    return failures.find((failure) => failure !== undefined);
  }
}
