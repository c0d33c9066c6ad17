/**
 * `npm run bench:scale`: one cache filled with 1 M, 4 M, 16 M and 64 M small entries: what an entry
 * costs, and what a read costs as the count grows. Times are CPU time, which does not count what
 * other programs take. Takes minutes and, at 64 M, about 4 GB.
 */
import { Command } from 'commander';
import { ArenaSet } from '../engine/arena-set.js';
import { Cache } from '../engine/cache.js';
import { isFault } from '../engine/frame.js';
import { createExecutor } from '../engine/routed-frame.js';
import { parseByteSize } from '../engine/units.js';
import { readEnvironment } from './environment.js';
import { KEY_BYTES, makeKey, uniformSequence, writeKey } from './fixture.js';
import { environmentAsText } from './report.js';
import { spreadOf } from './statistics.js';

const VALUE_BYTES = 8;
/** As msgpack: bin 8, length, bytes. */
const PACKED_VALUE_BYTES = 2 + VALUE_BYTES;
const COMMAND_BYTES = 3 + KEY_BYTES;
const PER_FRAME = 128;
const MAX_VALUE_BYTES = 64 * 1024;
/** Reads per count and way of reading; slices of them are timed. */
const READS = 2 ** 20;
const SLICES = 32;

interface Options {
  memory: string;
  counts: string;
  arenas?: string;
  policy: 'clock' | 'none';
}

interface Row {
  entries: number;
  loadNs: number;
  usedBytes: number;
  rssBytes: number;
  frameNs: number;
  singleNs: number;
}

function writeValue(bytes: Buffer, at: number, index: number): void {
  bytes[at] = 0xc4;
  bytes[at + 1] = VALUE_BYTES;
  bytes.writeDoubleLE(index, at + 2);
}

/** CPU time of this process in ms. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A frame of as many commands as PER_FRAME; `write` writes one and returns its end. */
function frameOf(bytes: Buffer, write: (at: number, i: number) => number): Buffer {
  bytes[0] = 1;
  let at = 1;
  for (let i = 0; i < PER_FRAME; i++) at = write(at, i);
  return bytes.subarray(0, at);
}

class Scale {
  readonly #set: ArenaSet;
  readonly #executor;
  readonly #rssAtStart: number;
  readonly #bytes = Buffer.alloc(1 + PER_FRAME * (COMMAND_BYTES + PACKED_VALUE_BYTES));
  #entries = 0;

  constructor({ memory, arenas, policy }: Options) {
    this.#rssAtStart = process.memoryUsage.rss();
    this.#set = ArenaSet.create({
      memoryBytes: parseByteSize(memory, 'memory'),
      policy,
      maxValueBytes: MAX_VALUE_BYTES,
      maxThreads: 2,
      ...(arenas !== undefined && { arenas: Number(arenas) }),
    });
    this.#executor = createExecutor<undefined>(this.#set, () => null);
  }

  get facts(): ArenaSet['facts'] {
    return this.#set.facts;
  }

  /** Fills the cache up to so many entries, a multiple of PER_FRAME, and reads. */
  grow(entries: number): Row {
    const start = cpuMs();
    const added = entries - this.#entries;
    for (; this.#entries < entries; this.#entries += PER_FRAME) this.#addFrame(this.#entries);
    const loadNs = ((cpuMs() - start) * 1e6) / added;
    const { usedBytes, entries: stored, evictions } = this.#set.stats();
    if (stored !== entries) {
      throw new Error(`${stored} of ${entries} entries are there, ${evictions} were evicted`);
    }
    const rssBytes = process.memoryUsage.rss() - this.#rssAtStart;
    const indices = uniformSequence(READS, entries);
    const frameNs = this.#readFrames(indices);
    return { entries, loadNs, usedBytes, rssBytes, frameNs, singleNs: this.#readSingly(indices) };
  }

  #addFrame(first: number): void {
    const bytes = this.#bytes;
    const frame = frameOf(bytes, (at, i) => {
      bytes[at] = 0x93;
      bytes[at + 1] = 0x11;
      bytes[at + 2] = 0xa0 + KEY_BYTES;
      writeKey(bytes, at + 3, first + i);
      writeValue(bytes, at + COMMAND_BYTES, first + i);
      return at + COMMAND_BYTES + PACKED_VALUE_BYTES;
    });
    const reply = this.#executor.execute(frame, undefined);
    if (isFault(reply) || reply.length !== 1 + PER_FRAME || reply.at(-1) !== 0xc3) {
      throw new Error(`entries from ${first} on were not stored`);
    }
  }

  /** Nanoseconds of a GET in a frame: the median slice. */
  #readFrames(indices: Uint32Array): number {
    const count = indices.length / PER_FRAME;
    const frames = Array.from({ length: count }, (_, number) => {
      const bytes = Buffer.alloc(1 + PER_FRAME * COMMAND_BYTES);
      return frameOf(bytes, (at, i) => {
        bytes[at] = 0x92;
        bytes[at + 1] = 0x10;
        bytes[at + 2] = 0xa0 + KEY_BYTES;
        writeKey(bytes, at + 3, indices[number * PER_FRAME + i]!);
        return at + COMMAND_BYTES;
      });
    });
    return medianSlice(count, PER_FRAME, (number) => {
      const reply = this.#executor.execute(frames[number]!, undefined);
      const last = indices[(number + 1) * PER_FRAME - 1]!;
      if (isFault(reply) || reply.length !== 1 + PER_FRAME * PACKED_VALUE_BYTES) {
        throw new Error(`frame ${number} was not answered with all values`);
      }
      const bytes = reply as Buffer;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (view.getFloat64(bytes.length - VALUE_BYTES, true) !== last) {
        throw new Error(`key ${last} has another value`);
      }
    });
  }

  /** Nanoseconds of `cache.get(key)`: the median slice. */
  #readSingly(indices: Uint32Array): number {
    const cache = new Cache(ArenaSet.attach(this.#set.handle), 0);
    const keys = Array.from(indices, makeKey);
    const ns = medianSlice(keys.length, 1, (number) => {
      const value = cache.get<Buffer>(keys[number]!);
      if (value?.length !== VALUE_BYTES || value.readDoubleLE(0) !== indices[number]) {
        throw new Error(`${keys[number]} has another value`);
      }
    });
    cache.close();
    return ns;
  }
}

/** Nanoseconds per operation of the median of SLICES slices of the calls. */
function medianSlice(calls: number, perCall: number, call: (number: number) => void): number {
  const slices = Math.min(SLICES, calls);
  const perSlice = Math.floor(calls / slices);
  const times = Array.from({ length: slices }, (_, slice) => {
    const start = cpuMs();
    for (let i = 0; i < perSlice; i++) call(slice * perSlice + i);
    return ((cpuMs() - start) * 1e6) / (perSlice * perCall);
  });
  return spreadOf(times).median;
}

function rowAsText(row: Row): string {
  const { entries, loadNs, usedBytes, rssBytes, frameNs, singleNs } = row;
  const cells = [
    `${(entries / 1e6).toFixed(entries < 1e5 ? 3 : 0)} M`,
    loadNs.toFixed(0),
    (usedBytes / entries).toFixed(1),
    (usedBytes / entries - KEY_BYTES - VALUE_BYTES).toFixed(1),
    (rssBytes / entries).toFixed(1),
    frameNs.toFixed(0),
    singleNs.toFixed(0),
  ];
  return `| ${cells.join(' | ')} |`;
}

const HEAD = [
  '| entries | SET in frames, ns | budget, B an entry | beyond key and value | RSS, B an entry ' +
    '| GET in frames of 128, ns | `cache.get`, ns |',
  '|---|---|---|---|---|---|---|',
].join('\n');

const program = new Command('scale')
  .description('Fills one cache with more and more small entries, and reads them.')
  .option('--memory <size>', 'budget of the cache', '8gb')
  .option('--arenas <number>', 'how many (default: as few as can hold the memory)')
  .option('--policy <name>', 'clock or none', 'clock')
  .option('--counts <list>', 'entries, in millions', '1,4,16,64');

const options = program.parse().opts<Options>();
const scale = new Scale(options);
const { arenas, memoryBytes } = scale.facts;
console.log(environmentAsText(readEnvironment()));
console.log(
  `${arenas} arenas, ${memoryBytes / 2 ** 20} MiB; keys of 16 and values of 8 bytes; CPU time\n`,
);
console.log(HEAD);
for (const millions of options.counts.split(',')) {
  const entries = Math.round((Number(millions) * 1e6) / PER_FRAME) * PER_FRAME;
  console.log(rowAsText(scale.grow(entries)));
}
