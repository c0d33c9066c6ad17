/** How the reply frame is put together from what the nodes have replied: a step for each command. */
import type { Buffer } from 'node:buffer';
import { endOfMany } from '../../../engine/command-walk.js';
import { ERROR_EXT_TYPE } from '../../../engine/commands.js';
import { integerAt } from '../../../engine/large-command.js';
import {
  containerHeaderBytes,
  MAX_SCALAR_BYTES,
  Tag,
  writeArrayHeader,
} from '../../../engine/msgpack.js';
import type { Bytes } from './bytes.js';
import type { Lane } from './lane.js';

export interface Step {
  /** Adds the replies to its commands. To be called once, in the order of the commands. */
  addTo(out: Bytes): void;
}

/** Commands one behind the other that one node runs. */
export class Run implements Step {
  readonly lane: Lane;
  count = 1;

  constructor(lane: Lane) {
    this.lane = lane;
  }

  addTo(out: Bytes): void {
    this.lane.take(this.count, out);
  }
}

/** A command that no node runs. */
export class Own implements Step {
  /** Set before it is asked for. */
  reply: Buffer | undefined;

  constructor(reply?: Buffer) {
    this.reply = reply;
  }

  addTo(out: Bytes): void {
    out.add(this.reply!);
  }
}

/** A command of which each node counts its keys'. The first error is that of the whole. */
export class Sum implements Step {
  readonly #lanes: readonly Lane[];

  constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes;
  }

  addTo(out: Bytes): void {
    const replies = this.#lanes.map((lane) => lane.takeOne());
    const error = replies.find(isError);
    if (error !== undefined) out.add(error);
    else out.addInteger(replies.reduce((sum, reply) => sum + integerAt(reply, 0)!, 0));
  }
}

/** A command of which each node replies an array of its keys' values. Errors as of a sum. */
export class Gathering implements Step {
  readonly #lanes: readonly Lane[];
  /** For each key the index of its lane. */
  readonly #order: readonly number[];

  constructor(lanes: readonly Lane[], order: readonly number[]) {
    this.#lanes = lanes;
    this.#order = order;
  }

  addTo(out: Bytes): void {
    const replies = this.#lanes.map((lane) => lane.takeOne());
    const error = replies.find(isError);
    if (error !== undefined) {
      out.add(error);
      return;
    }
    const starts = replies.map((reply) => containerHeaderBytes(reply[0]!));
    const { length } = this.#order;
    out.addWritten(MAX_SCALAR_BYTES, (bytes, at) => writeArrayHeader(length, bytes, at));
    for (const lane of this.#order) {
      const reply = replies[lane]!;
      const start = starts[lane]!;
      starts[lane] = endOfMany(reply, start, 1);
      out.add(reply, start, starts[lane]);
    }
  }
}

/** The kernel and the host write errors in this form; no longer ones. */
function isError(reply: Buffer): boolean {
  return reply[0] === Tag.EXT8 && reply[2] === ERROR_EXT_TYPE;
}
