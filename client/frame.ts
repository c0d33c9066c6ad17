/** One request frame: its bytes until they are sent, and the commands that wait for its reply. */
import { SlabringError } from '../engine/errors.js';
import { FrameWaits } from './frame-waits.js';
import type { Pending } from './pending.js';
import type { ReplyReader } from './reader.js';
import { valueEnd } from './value-end.js';

/** One or more commands that belong together and have no result yet, for another node perhaps. */
export interface LostCommand {
  readonly bytes: Uint8Array;
  readonly pending: Pending;
  /** When it was called, on the clock of `performance.now()`. */
  readonly startedAtMs: number;
  /** Whether it may have run. */
  readonly sent: boolean;
  /** It was run, and this is what the caller gets for it all the same, if nobody takes it over. */
  readonly failure: SlabringError | undefined;
}

/** Takes a command over, of which this error came; false: the error is the caller's. */
export type Rescue = (lost: LostCommand, error: SlabringError) => boolean;

/** Errors of a node that another one might not give. */
const ELSEWHERE: readonly string[] = ['MOVED', 'UNAVAILABLE', 'TRYAGAIN'];

export class Frame {
  readonly id: number;
  /** When its first command was called, on the clock of `performance.now()`. */
  readonly startedAtMs: number;
  readonly pending: Pending[] = [];
  /** The WAITs at its end included. */
  commands = 0;
  /** Of its writes that are to be with several nodes; undefined: there are none. */
  waits: FrameWaits | undefined;
  /** Length of the message, once it is complete. */
  size = 0;
  /** Why its commands may have run before: then no error says that they have not. */
  doubt: SlabringError | undefined;
  #bytes: Uint8Array | undefined;
  #rescue: Rescue | undefined;
  #sent = false;
  /** The pending whose commands begin at this byte: whoever looks for one goes on from here. */
  #foundIndex = 0;
  #foundAt = 0;

  constructor(id: number, startedAtMs: number) {
    this.id = id;
    this.startedAtMs = startedAtMs;
  }

  /** Whether nobody waits for its reply any more. */
  get isGivenUp(): boolean {
    return this.pending.length === 0;
  }

  get waitBytes(): number {
    return this.waits === undefined ? 0 : this.waits.size;
  }

  /** Adds what waits for commands that are counted already; its WAITs are counted here. */
  enter(pending: Pending): void {
    this.pending.push(pending);
    if (pending.waits === undefined) return;
    this.waits ??= new FrameWaits();
    for (const wait of pending.waits) if (this.waits.add(wait)) this.commands++;
  }

  /** All commands are in, and these are their bytes, without the WAITs. */
  complete(bytes: Uint8Array): void {
    this.#bytes = this.waits === undefined ? bytes : this.waits.append(bytes);
    this.size = this.#bytes.length;
  }

  /**
   * The bytes to send, once: the buffer they lie in is large, and must not be held until the reply
   * comes. In a cluster it is, because another node may have to run the commands.
   */
  takeBytes(rescue: Rescue | undefined): Uint8Array {
    const bytes = this.#bytes!;
    this.#sent = true;
    this.#rescue = rescue;
    if (rescue === undefined) this.#bytes = undefined;
    return bytes;
  }

  /**
   * Gives each command its reply.
   * @throws RangeError when the message is broken; the commands from there on have been rejected
   */
  settle(reader: ReplyReader): void {
    let next = 0;
    try {
      while (next < this.pending.length) this.pending[next++]!.settle(reader, this);
      this.waits?.read(reader);
      if (!reader.atEnd) throw new RangeError('the message holds more replies than commands');
    } catch (cause) {
      // The one whose reply could not be read is among them: rejecting a settled promise does
      // nothing. Where there are WAITs, those before it may not be settled yet either.
      if (this.waits === undefined) this.pending.splice(0, next - 1);
      this.fail(
        new SlabringError('CONNECTION', `broken reply: ${(cause as Error).message}`, { cause }),
      );
      throw cause;
    }
    this.waits?.conclude();
  }

  /**
   * The reply to a command of `pending` is an error: another node's to run, or the caller's.
   * @param failure what the caller gets; absent: the error. Given: the command was run, and the
   *   error is of what belongs to it
   */
  refuse(pending: Pending, offset: number, error: SlabringError, failure?: SlabringError): void {
    if (this.waits === undefined) this.#refuse(pending, offset, error, failure);
    else this.waits.afterwards(() => this.#refuse(pending, offset, error, failure));
  }

  #refuse(pending: Pending, offset: number, error: SlabringError, failure?: SlabringError): void {
    const rescue = this.#rescue;
    if (rescue === undefined || !ELSEWHERE.includes(error.code)) {
      pending.fail(failure ?? error);
      return;
    }
    const part = pending.part(offset);
    const lost = this.#lost(pending, offset, part, failure);
    if (!rescue(lost, error)) part.fail(failure ?? error);
  }

  /** Its commands will have no reply: others take them over, or they fail. */
  scatter(rescue: Rescue, error: SlabringError): void {
    if (this.#bytes === undefined) {
      this.fail(error);
      return;
    }
    for (const pending of this.pending) {
      for (let offset = 0; offset < pending.commands; ) {
        const part = pending.part(offset);
        if (!rescue(this.#lost(pending, offset, part), error)) part.fail(error);
        offset += part.commands;
      }
    }
    this.#forget();
  }

  fail(error: SlabringError): void {
    // What was sent fails with errors that say that it may have run.
    const reason = this.#sent ? error : (this.doubt ?? error);
    // The frame itself may be kept until the server answers; those who waited need not be.
    for (const pending of this.pending.splice(0)) pending.fail(reason);
    this.#forget();
  }

  #forget(): void {
    this.pending.length = 0;
    this.#bytes = undefined;
  }

  #lost(pending: Pending, offset: number, part: Pending, failure?: SlabringError): LostCommand {
    const bytes = this.#bytes!;
    if (this.#foundAt === 0) this.#foundAt = valueEnd(bytes, 0);
    for (; this.pending[this.#foundIndex] !== pending; this.#foundIndex++) {
      this.#foundAt = skip(bytes, this.#foundAt, this.pending[this.#foundIndex]!.commands);
    }
    const start = skip(bytes, this.#foundAt, offset);
    const end = skip(bytes, start, part.commands);
    const { startedAtMs } = this;
    const sent = this.#sent;
    return { bytes: bytes.slice(start, end), pending: part, startedAtMs, sent, failure };
  }
}

/** Where the bytes end of so many values from `at` on. */
function skip(bytes: Uint8Array, at: number, values: number): number {
  for (let left = values; left > 0; left--) at = valueEnd(bytes, at);
  return at;
}
