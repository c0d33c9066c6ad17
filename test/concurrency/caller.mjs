/** Commands by name on an arena, arguments and replies as plain values. */
import { addExtension, Packr, Unpackr } from 'msgpackr';
import { COMMANDS } from '#engine/commands.js';
import { FrameExecutor, isFault } from '#engine/frame.js';

export class Refusal extends Error {
  constructor(text) {
    super(text);
    this.code = text.split(' ')[0];
  }
}

/** An error reply, alone or in an array. */
addExtension({ type: 1, unpack: (bytes) => new Refusal(Buffer.from(bytes).toString()) });

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false });

export const coded = ([name, ...args]) => [COMMANDS[name].code, ...args];

/** A frame of one command, or with `isAtomic` of several as one step. */
export function frameOf(command, isAtomic = false) {
  const coding = isAtomic ? coded(['ATOMIC', command.map(coded)]) : coded(command);
  return Buffer.concat([Buffer.of(1), packr.pack(coding)]);
}

export class Caller {
  /** What memory was refused for. */
  refused = 0;
  #executor;

  constructor(arena) {
    this.#executor = new FrameExecutor(arena, () => undefined);
  }

  /**
   * @throws Refusal an error reply
   */
  call(name, ...args) {
    const reply = this.#executor.execute(frameOf([name, ...args]), undefined);
    if (isFault(reply)) throw new Error(`closed with ${reply.reason}`);
    const value = unpackr.unpack(Buffer.from(reply).subarray(1));
    if (value instanceof Refusal) throw value;
    return value;
  }

  /** `call`, or undefined where there is no memory. */
  tryCall(name, ...args) {
    try {
      return this.call(name, ...args);
    } catch (error) {
      if (error.code !== 'OOM') throw error;
      this.refused++;
      return undefined;
    }
  }

  /** Commands, each an array of its name and arguments, as one step; their replies. */
  atomic(commands, guards) {
    const more = guards === undefined ? [] : [guards];
    return this.call('ATOMIC', commands.map(coded), ...more);
  }
}
