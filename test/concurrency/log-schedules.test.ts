/**
 * A reader of the change log and a writer, one of them interrupted by the other between any two
 * steps: what is read is whole, and what was written over is not read. One thread plays both, so
 * that each schedule can be repeated.
 */
import { expect, test } from 'vitest';
import { Arena } from '#engine/arena.js';
import { compileKernel, type Edit } from '../support/hammer-kernel.js';
import { KIB } from '../support/kernel-memory.js';

const NOW_MS = 1_800_000_000_000;
/** A record takes 1,016 bytes then, and a granule holds 16. */
const VALUE_BYTES = 1000;
const POSITION_BYTES = 16;
/** Records that are there before: the ring has come round once. */
const BEFORE = 7 * 16;
/** Behind them, to be read. */
const UNREAD = 6;
/** What the writer does in between: a granule, three of them, more than all. */
const WRITES = [1, 8, 10, 12, 25];
/** Three fill a granule, to where sixteen of the others end. */
const LARGE_BYTES = 5447;
const LOG_FILES = /(?:changelog|logreaders|blob|direct)\.ts$/;

class Schedule {
  readonly #reader: Arena;
  readonly #writer: Arena;
  readonly #bytes: Buffer;
  readonly #snapshot: Buffer;
  readonly #number: number;
  readonly #address: number;
  #written = 0;
  lost = 0;
  read = 0;

  constructor(reader: WebAssembly.Module, writer: WebAssembly.Module) {
    const arena = Arena.create({
      memoryBytes: 1024 * KIB,
      partitions: 1,
      policy: 'none',
      maxValueBytes: 8 * KIB,
      maxThreads: 3,
    });
    this.#reader = Arena.attach({ ...arena.handle, module: reader });
    this.#writer = Arena.attach({ ...arena.handle, module: writer });
    const { kernel, slot } = this.#reader;
    kernel.attachLog(slot, 1, NOW_MS);
    this.#bytes = Buffer.from(arena.handle.memory.buffer);
    this.write(BEFORE);
    let [number, address] = [1, 0];
    for (;;) {
      const length = kernel.readLog(slot, 0, address, number);
      ({ number, address } = this.#position());
      if (length === 0 || number > BEFORE) break;
    }
    [this.#number, this.#address] = [number, address];
    this.write(UNREAD);
    this.#snapshot = Buffer.from(this.#bytes);
  }

  #position(): { number: number; address: number } {
    const view = new DataView(this.#reader.reply.buffer, this.#reader.reply.byteOffset);
    return { number: view.getFloat64(0, true), address: view.getUint32(8, true) };
  }

  /** Each value tells its number, all over. */
  write(count: number, bytes = VALUE_BYTES): void {
    for (let i = 0; i < count; i++) {
      const { kernel, slot, request } = this.#writer;
      request[0] = 0x6b;
      request.fill(++this.#written & 0xff, 1, 1 + bytes);
      kernel.setDirect(slot, 1, bytes, 0, 0, 0, NOW_MS);
    }
  }

  /** Reads on from the position and looks at what comes. */
  look(): void {
    const { kernel, slot, reply } = this.#reader;
    const length = kernel.readLog(slot, 0, this.#address, this.#number);
    if (length < 0) this.lost++;
    let number = this.#number;
    for (let at = POSITION_BYTES; at < POSITION_BYTES + length; number++) {
      const bytes = reply[at + 6]! + reply[at + 7]! * 256;
      const value = reply.subarray(at + 9, at + 9 + bytes);
      if (
        bytes < VALUE_BYTES ||
        reply[at + 8] !== 0x6b ||
        value.some((byte) => byte !== (number & 0xff))
      ) {
        throw new Error(`record ${number} is torn`);
      }
      at += (reply[at]! + reply[at + 1]! * 256) * 8;
      this.read++;
    }
  }

  /** Runs `interrupted` with `between` at its step `step`; how many steps there were. */
  run(interrupted: () => void, step: number, between: () => void): number {
    const realNow = Date.now;
    this.#bytes.set(this.#snapshot);
    this.#written = BEFORE + UNREAD;
    let steps = 0;
    let isBetween = false;
    Date.now = () => {
      if (!isBetween && ++steps === step) {
        isBetween = true;
        between();
        isBetween = false;
      }
      return NOW_MS;
    };
    try {
      interrupted();
    } finally {
      Date.now = realNow;
    }
    return steps;
  }
}

function readInterrupted(schedule: Schedule): void {
  for (const count of WRITES) {
    for (let step = 1; ; step++) {
      const read = () => schedule.look();
      if (schedule.run(read, step, () => schedule.write(count, LARGE_BYTES)) < step) break;
    }
  }
}

function writeInterrupted(schedule: Schedule): void {
  for (let step = 1; ; step++) {
    const write = () => schedule.write(20);
    if (schedule.run(write, step, () => schedule.look()) < step) break;
  }
}

async function modules(edits: Edit[]): Promise<[WebAssembly.Module, WebAssembly.Module]> {
  return [await compileKernel(LOG_FILES, edits), await compileKernel(/^$/, edits)];
}

test('whole records or none', { timeout: 600_000 }, async () => {
  const [interrupted, other] = await modules([]);
  const reading = new Schedule(interrupted, other);
  readInterrupted(reading);
  expect(Math.min(reading.lost, reading.read)).toBeGreaterThan(10);
  const writing = new Schedule(other, interrupted);
  writeInterrupted(writing);
  expect(writing.read).toBeGreaterThan(500);
});

const CANARIES: Record<string, Edit & { run: 'read' | 'write' }> = {
  'a copy is taken for whole': {
    run: 'read',
    file: 'logreaders.ts',
    from: 'if (oldestThen > number) break;',
    to: '',
  },
  'a position stands where it stood while the copy was made': {
    run: 'read',
    file: 'logreaders.ts',
    from: 'if (oldestThen == number && oldest != number) continue;',
    to: '',
  },
  'a record is published at once': {
    run: 'write',
    file: 'changelog.ts',
    from: '  partition.logHead = at + bytes;',
    to: '  partition.logHead = at + bytes;\n  log.next += 1;\n  log.oldest += 0;',
  },
};

test.each(Object.entries(CANARIES))(
  'canary: %s',
  { timeout: 600_000 },
  async (_, { run, ...edit }) => {
    const [interrupted, other] = await modules([edit]);
    expect(() => {
      if (run === 'read') readInterrupted(new Schedule(interrupted, other));
      else writeInterrupted(new Schedule(other, interrupted));
    }).toThrow(/is torn/);
  },
);
