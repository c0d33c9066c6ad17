/** What the commands of a frame are about, as far as it matters to who passes it on. */
import { Buffer } from 'node:buffer';
import { BROKEN, CommandWalk, endOfMany } from '../../../engine/command-walk.js';
import { COMMANDS } from '../../../engine/commands.js';
import { readCommand } from '../../../engine/large-command.js';
import { isRepeatable } from '../../../engine/repeatable.js';
import { slotsOf } from './keys.js';

export class FrameSurvey {
  readonly bytes: Buffer;
  /** Where the first command begins; `BROKEN`: the bytes are no frame. */
  readonly start: number;
  /** Of all keys. */
  readonly slots: readonly number[];
  /** Whether there is a WAIT among the commands. */
  readonly hasWaits: boolean;
  /** All commands only read. */
  readonly isRead: boolean;
  /**
   * All may run twice, and each WAIT is for what runs before it. Those who run it again wait again.
   */
  readonly isRepeatable: boolean;

  constructor(frame: Uint8Array) {
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    this.bytes = bytes;
    const slots: number[] = [];
    const written = new Set<number>();
    let waits = 0;
    let isAgain = true;
    let start = endOfMany(bytes, 0, 1);
    const walk = new CommandWalk();
    for (let at = start; at !== BROKEN && at < bytes.length; ) {
      const end = walk.walk(bytes, at);
      const command = end === BROKEN ? '' : readCommand(bytes, walk);
      if (end === BROKEN) start = BROKEN;
      else if (typeof command !== 'string') {
        const { name, argCount } = command;
        const ofCommand = slotsOf(bytes, walk, command);
        if (name === 'WAIT') {
          waits++;
          isAgain &&= ofCommand.every((slot) => written.has(slot));
        } else {
          const { code, write } = COMMANDS[name];
          isAgain &&= isRepeatable(code, argCount);
          if (write) for (const slot of ofCommand) written.add(slot);
        }
        slots.push(...ofCommand);
      }
      at = end;
    }
    this.start = start;
    this.slots = slots;
    this.hasWaits = waits > 0;
    this.isRepeatable = isAgain && start !== BROKEN;
    this.isRead = this.isRepeatable && waits === 0 && written.size === 0;
  }
}
