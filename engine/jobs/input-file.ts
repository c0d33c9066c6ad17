/** A file that a job reads, slice by slice. */
import { Buffer } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { refuseFile } from './files.js';

/** What an import job gets as its input. */
export interface ImportInput {
  readonly path: string;
  /** Tells whether another file has come in its place. */
  readonly inode: number;
  /** Of the file, as it was when the job began. */
  readonly bytes: number;
  readonly sliceBytes: number;
  /** For entries that say no other; 0: no expiry. */
  readonly ttlMs: number;
}

/** How much a window first shows beyond the slice, for what lies across its end. */
const FIRST_MARGIN_BYTES = 16 * 1024;
const MARGIN_GROWTH = 4;

/**
 * A window on a file, as wide as what is at hand needs. One is reused for all slices of a thread.
 */
export class InputWindow {
  /** The bytes from {@link start} to {@link end}. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  readonly #input: ImportInput;
  #memory = Buffer.alloc(0);
  #length = 0;
  #margin = 0;

  constructor(input: ImportInput) {
    this.#input = input;
  }

  get isAtEnd(): boolean {
    return this.end === this.#input.bytes;
  }

  /**
   * Opens at `start`, with `length` bytes and some more, as far as the file goes.
   * @throws SlabringError `OPTION`, as does `widen`, when the file cannot be read any more
   */
  open(start: number, length: number): void {
    this.start = start;
    this.end = start;
    this.#length = length;
    this.#margin = FIRST_MARGIN_BYTES;
    this.#read(length + this.#margin);
  }

  /** Shows more. */
  widen(): void {
    this.#margin *= MARGIN_GROWTH;
    this.#read(this.#length + this.#margin);
  }

  #read(length: number): void {
    const { path, bytes, inode } = this.#input;
    const end = Math.min(this.start + length, bytes);
    const wanted = end - this.start;
    if (this.#memory.length < wanted) {
      const larger = Buffer.allocUnsafeSlow(wanted);
      larger.set(this.#memory.subarray(0, this.end - this.start));
      this.#memory = larger;
    }
    // Opened for each read: a thread may end between any two, and then nothing stays open.
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      if (fstatSync(file).ino !== inode) throw new Error('it was replaced meanwhile');
      while (this.end < end) {
        const at = this.end - this.start;
        const read = readSync(file, this.#memory, at, wanted - at, this.end);
        if (read === 0) throw new Error('it became shorter meanwhile');
        this.end += read;
      }
    } catch (error) {
      refuseFile('importFile', 'read', path, error);
    } finally {
      if (file !== undefined) closeSync(file);
    }
    this.bytes = this.#memory.subarray(0, wanted);
  }
}
