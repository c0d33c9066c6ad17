/**
 * The commands of a shape in the bytes of a protocol: what is the same in all of them is encoded
 * once, and between these pieces goes what is drawn for each.
 */
import type { Reel } from './reel.js';
import type { Drawn, Operation, Shape } from './shape.js';

/** A command: fixed bytes, and the words that are drawn. */
export type Template = readonly (Buffer | Drawn)[];

/** How a protocol writes commands. */
export interface Encoding {
  template(operation: Operation): Template;
  /** Bytes of a drawn word, at most. */
  bytesMax(word: Drawn, valueBytes: number): number;
  /** Writes the word of the reel's command at `at` in `reel.bytes`; returns where it ends. */
  write(word: Drawn, reel: Reel, command: number, at: number): number;
}

export class Templates {
  readonly #encoding: Encoding;
  readonly #read: Template;
  readonly #write: Template;
  readonly #behind: Template;

  constructor(shape: Shape, encoding: Encoding) {
    const template = (operation: Operation | undefined): Template =>
      operation === undefined ? [] : encoding.template(operation);
    this.#encoding = encoding;
    this.#read = template(shape.read);
    this.#write = template(shape.write);
    this.#behind = template(shape.behind);
  }

  /** Bytes of a frame of so many commands, at most. */
  bytesMax(commands: number, valueBytes: number): number {
    const bytes = (template: Template): number =>
      template.reduce(
        (sum, piece) =>
          sum +
          (typeof piece === 'symbol' ? this.#encoding.bytesMax(piece, valueBytes) : piece.length),
        0,
      );
    return commands * Math.max(bytes(this.#read), bytes(this.#write)) + bytes(this.#behind);
  }

  /** Writes the commands of a frame at `start` in `reel.bytes`; returns where they end. */
  write(reel: Reel, frame: number, start: number): number {
    let at = start;
    const last = reel.endCommand(frame);
    for (let command = reel.firstCommand(frame); command < last; command += 1) {
      const template = reel.sets[command] === 1 ? this.#write : this.#read;
      at = this.#writeOne(template, reel, command, at);
    }
    return this.#writeOne(this.#behind, reel, last - 1, at);
  }

  #writeOne(template: Template, reel: Reel, command: number, start: number): number {
    let at = start;
    for (const piece of template) {
      at =
        typeof piece === 'symbol'
          ? this.#encoding.write(piece, reel, command, at)
          : at + piece.copy(reel.bytes, at);
    }
    return at;
  }
}
