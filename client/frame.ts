/** One request frame: its bytes until they are sent, and the commands that wait for its reply. */
import { SlabringError } from '../engine/errors.js';
import type { Pending } from './pending.js';
import type { ReplyReader } from './reader.js';

export class Frame {
  readonly id: number;
  /** When its first command was called, on the clock of `performance.now()`. */
  readonly startedAtMs: number;
  readonly pending: Pending[] = [];
  commands = 0;
  /** Length of the message, once it is complete. */
  size = 0;
  #bytes: Uint8Array | undefined;

  constructor(id: number, startedAtMs: number) {
    this.id = id;
    this.startedAtMs = startedAtMs;
  }

  /** All commands are in, and these are their bytes. */
  complete(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  /**
   * The bytes to send, once: the buffer they lie in is large, and must not be held until the reply
   * comes.
   */
  takeBytes(): Uint8Array {
    const bytes = this.#bytes!;
    this.#bytes = undefined;
    return bytes;
  }

  /**
   * Gives each command its reply.
   * @throws RangeError when the message is broken; the commands from there on have been rejected
   */
  settle(reader: ReplyReader): void {
    let next = 0;
    try {
      while (next < this.pending.length) this.pending[next++]!.settle(reader);
      if (!reader.atEnd) throw new RangeError('the message holds more replies than commands');
    } catch (cause) {
      // The one whose reply could not be read is among them: rejecting a settled promise does
      // nothing.
      this.pending.splice(0, next - 1);
      this.fail(
        new SlabringError('CONNECTION', `broken reply: ${(cause as Error).message}`, { cause }),
      );
      throw cause;
    }
  }

  fail(error: SlabringError): void {
    // The frame itself may be kept until the server answers; those who waited need not be.
    for (const pending of this.pending.splice(0)) pending.fail(error);
  }
}
