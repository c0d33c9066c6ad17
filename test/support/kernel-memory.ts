/**
 * Reads and writes an arena's memory from outside, by offsets of its own: a slow twin of the
 * kernel's accessors, which pins where everything stands (test/golden/layout.test.ts) and lets
 * tests break things (test/unit/kernel-integrity.test.ts).
 */
import { Arena, type ArenaOptions } from '#engine/arena.js';
import { FrameExecutor, isFault } from '#engine/frame.js';
import { frame, valuesOf, type Wire } from './kernel-wire.js';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const PAGE_BYTES = 64 * KIB;

/** The least `memory` that works for one partition. */
export const LEAST_MEMORY = 458_752;

/** Offsets of the header's fields, at the start of the memory. */
export const Header = {
  magic: 0,
  layoutVersion: 4,
  endAddress: 8,
  hashSeed: 12,
  partitionCount: 16,
  partitionShift: 20,
  maxDepth: 24,
  pageInfoBias: 28,
  firstPage: 32,
  endPage: 36,
  threads: 40,
  threadStride: 44,
  maxThreads: 48,
  areaBytes: 52,
  policy: 56,
  maxEntries: 60,
  maxValueBytes: 64,
  classCount: 68,
  budgetBytes: 72,
  reclaimFrom: 76,
  adaptive: 80,
  manner: 84,
  sampleMask: 88,
  sampleValue: 92,
  poolStack: 96,
  poolBump: 104,
  poolStacked: 108,
  pagesAstray: 112,
  logSleepers: 116,
  logGrew: 120,
  stamps: 124,
  stampShift: 128,
  structures: 132,
  namespaces: 136,
  maxNamespaces: 140,
  namespaceCount: 144,
  namespaceClears: 148,
  lastNumber: 160,
  packedItems: 152,
  packedBytes: 156,
  stampFlags: 168,
  node: 172,
  clock: 176,
  tombstoneMs: 184,
  keySlots: 192,
} as const;

export const CLASS_OF_SIZE = 0x400;
export const CLASS_SIZES = 0xc00;
export const CLASS_CAPACITIES = 0xd00;
export const PARTITIONS = 0x10000;
export const PARTITION_BYTES = 3200;

/** Offsets in a partition. */
export const Partition = {
  word: 0,
  waiters: 8,
  entries: 12,
  logHead: 16,
  logPages: 20,
  overwriting: 24,
  generation: 28,
  sets: 32,
  payloadBytes: 40,
  chunkBytes: 48,
  deletes: 56,
  directoryShift: 64,
  directoryMask: 68,
  directory: 72,
  epoch: 76,
  maxEntries: 80,
  segments: 84,
  splits: 88,
  recovery: 92,
  spareSegment: 96,
  spareSegments: 100,
  takeovers: 104,
  emptied: 108,
  lost: 112,
  classesUsed: 120,
  slabPages: 124,
  evictions: 128,
  expired: 136,
  pinnedOld: 144,
  pinnedNew: 148,
  chainEnd: 152,
  spareBlock: 156,
  spareBlocks: 160,
  trimQueue: 164,
  trimBlock: 168,
  tableRoot: 172,
  tableBlocks: 176,
  tableUnits: 180,
  tableWanted: 184,
  generations: 188,
  epochAdded: 192,
  sketchAdded: 196,
  ageingBlock: 200,
  version: 208,
  slackClasses: 216,
  spaced: 224,
  cleared: 228,
  spacedBytes: 232,
  clearsSeen: 240,
  sweepAt: 244,
  pinnedSource: 248,
  pending: 252,
  garbage: 256,
  spareNode: 260,
  tombstones: 264,
  queues: 320,
  classInfos: 448,
  wheel: 2496,
  log: 3136,
} as const;

/** Offsets in what a partition knows of its change log. */
export const Log = { next: 0, oldest: 8, oldestAt: 16 } as const;

export const QUEUE_BYTES = 16;
export const MAX_QUEUES = 8;
/** Offsets in a queue of records. */
export const Queue = { head: 0, headIndex: 4, tail: 8, records: 12 } as const;
export const RECORD_BLOCK_BYTES = 512;
export const RECORDS_PER_BLOCK = 126;
/** Offsets in a block of records. */
export const Block = { next: 0, kind: 4, count: 6, records: 8 } as const;

/** Offsets in the wheel of a partition: its first fields. */
export const Wheel = { tick: 0, records: 8, entries: 12, due: 16, spare: 24, heads: 64 } as const;

/** Offsets in a row, which counts what is in a namespace, and the bytes of one. */
export const Row = {
  prefix: 0,
  entries: 4,
  bytes: 8,
  sets: 16,
  deletes: 24,
  evictions: 32,
  expired: 40,
  sizes: 48,
} as const;
export const ROW_BYTES = 160;
export const NAME_BYTES = 256;
/** Of a namespace's prefix: bits of the epoch, below the number. */
export const EPOCH_BITS = 20;

export const CLASS_INFO_BYTES = 32;
/** Offsets in the facts about a class in a partition. */
export const ClassInfo = {
  anyPage: 0,
  roomy: 4,
  pages: 8,
  chunksUsed: 12,
} as const;

export const PAGE_INFO_BYTES = 32;
/** Offsets in the facts about a page. */
export const PageInfo = {
  kind: 0,
  sizeClass: 1,
  partition: 2,
  freeChunk: 4,
  bump: 8,
  used: 10,
  next: 12,
  previous: 16,
  nextRoomy: 20,
  previousRoomy: 24,
  count: 28,
} as const;

export const BUCKET_BYTES = 64;
export const SLOTS = 12;
/** Offsets in a bucket. Its tags stand at its start; what `entries` has in its low bits is apart. */
export const Bucket = { marks: 12, overflow: 15, entries: 16 } as const;
/** The bits of a slot's address that are its entry's generation. */
export const GENERATION_MASK = 7;

/** Offsets in an entry; the optional fields and the key follow. */
export const Entry = { valueBytes: 0, keyBytes: 2, kind: 4, flags: 5, fields: 6 } as const;
export const Flag = { EXPIRY: 1, VERSION: 2, CHAINED: 4, LONG_KEY: 8, NAMESPACED: 16 } as const;
/** Offsets in what a chained entry has in place of its value. */
export const Link = { first: 0, hash: 4, valueBytes: 8 } as const;

/** Offsets in the root of a large collection, which is the value of its entry. */
export const Root = { count: 0, bytes: 4, table: 8, buckets: 12, tree: 16, expires: 20 } as const;
/** Offsets in a node of a collection; its payload follows. */
export const Node = {
  parent: 0,
  kind: 4,
  shape: 5,
  count: 6,
  next: 8,
  bytes: 12,
  payload: 16,
} as const;

/** Offsets in a piece of a chained entry; its payload follows. */
export const Piece = { next: 0, kind: 4, previous: 8, bytes: 12, payload: 16 } as const;

/** Bytes of a value in a piece that is a whole page. */
export const PAGE_PAYLOAD = PAGE_BYTES - Piece.payload;

/** Offsets in a thread's block of what it says about the value that the thread is writing. */
export const ThreadBlock = {
  identity: 0,
  knownOld: 88,
  isDrafting: 96,
  draftPages: 100,
  draftFirst: 104,
  draftLast: 108,
  draftBytes: 112,
  draftDone: 116,
} as const;

/** Midday of some day: tests set their own clocks. */
export const NOON = 1_718_100_000_000;

/** An arena whose hashes do not change from run to run, so that a failure can be repeated. */
export function createArena(options: Partial<ArenaOptions> = {}, hashSeed = 7): Arena {
  const arena = Arena.create({
    memoryBytes: 4 * MIB,
    partitions: 1,
    policy: 'clock',
    maxValueBytes: MIB,
    maxThreads: 2,
    ...options,
  });
  // Nothing was hashed yet.
  new DataView(arena.bytes.buffer).setUint32(Header.hashSeed, hashSeed, true);
  return arena;
}

/** An arena with a clock that stands still until it is set, and frames that run on it. */
export class Bench {
  readonly arena: Arena;
  readonly memory: ArenaMemory;
  readonly executor: FrameExecutor<undefined>;
  nowMs = NOON;

  constructor(options: Partial<ArenaOptions> = {}, hashSeed = 7) {
    this.arena = createArena(options, hashSeed);
    this.memory = new ArenaMemory(this.arena);
    this.executor = new FrameExecutor(this.arena, () => 'host', { now: () => this.nowMs });
  }

  /** The replies to the commands of one frame. */
  run(...commands: readonly Wire[]): Wire[] {
    const reply = this.executor.execute(frame(1, ...commands), undefined);
    if (isFault(reply)) throw new Error(`${reply.closeCode} ${reply.reason}`);
    const [id, ...replies] = valuesOf(reply);
    if (id!.length !== 1 || id![0] !== 1) throw new Error(`the reply to frame 1 has id ${id}`);
    return replies;
  }

  /** The reply to one command. */
  one(command: Wire): Wire {
    const replies = this.run(command);
    if (replies.length !== 1) throw new Error(`${replies.length} replies to one command`);
    return replies[0]!;
  }
}

export class ArenaMemory {
  readonly arena: Arena;
  readonly view: DataView;
  readonly bytes: Buffer;

  constructor(arena: Arena) {
    this.arena = arena;
    this.view = new DataView(arena.bytes.buffer);
    this.bytes = Buffer.from(arena.bytes.buffer);
  }

  u8(address: number): number {
    return this.view.getUint8(address);
  }

  u16(address: number): number {
    return this.view.getUint16(address, true);
  }

  u32(address: number): number {
    return this.view.getUint32(address, true);
  }

  u64(address: number): bigint {
    return this.view.getBigUint64(address, true);
  }

  setU8(address: number, value: number): void {
    this.view.setUint8(address, value);
  }

  setU16(address: number, value: number): void {
    this.view.setUint16(address, value, true);
  }

  setU32(address: number, value: number): void {
    this.view.setUint32(address, value, true);
  }

  setU64(address: number, value: bigint): void {
    this.view.setBigUint64(address, value, true);
  }

  header(field: keyof typeof Header): number {
    return this.u32(Header[field]);
  }

  /** Chunk sizes by class. */
  classSizes(): number[] {
    return Array.from({ length: this.header('classCount') }, (_, i) =>
      this.u32(CLASS_SIZES + 4 * i),
    );
  }

  /** The class that the kernel gives so many bytes. */
  classOf(bytes: number): number {
    return this.u8(CLASS_OF_SIZE + Math.ceil(bytes / 8));
  }

  partition(index: number, field: keyof typeof Partition = 'word'): number {
    return PARTITIONS + index * PARTITION_BYTES + Partition[field];
  }

  classInfo(partition: number, sizeClass: number, field: keyof typeof ClassInfo): number {
    return (
      this.partition(partition, 'classInfos') + sizeClass * CLASS_INFO_BYTES + ClassInfo[field]
    );
  }

  /** What a partition counts of a namespace. */
  row(partition: number, number: number, field: keyof typeof Row = 'prefix'): number {
    const max = this.header('maxNamespaces');
    const rows = this.nameAt(max + 1);
    return rows + (partition * max + number - 1) * ROW_BYTES + Row[field];
  }

  /** Where the length and then the bytes of a namespace's name stand. */
  nameAt(number: number): number {
    const epochBytes = Math.ceil((4 * this.header('maxNamespaces')) / 64) * 64;
    return this.header('namespaces') + epochBytes + (number - 1) * NAME_BYTES;
  }

  /** Where it stands how often a namespace was cleared. */
  epochAt(number: number): number {
    return this.header('namespaces') + 4 * (number - 1);
  }

  pageInfo(page: number, field: keyof typeof PageInfo = 'kind'): number {
    return (this.header('pageInfoBias') + page * PAGE_INFO_BYTES + PageInfo[field]) >>> 0;
  }

  pageOf(address: number): number {
    return Math.floor(address / PAGE_BYTES);
  }

  /** The kernel's hash of a key; XXH32 itself is held against another implementation elsewhere. */
  hash(key: Uint8Array): number {
    const { request, kernel } = this.arena;
    request.set(key);
    return kernel.xxh32(request.byteOffset, key.length, this.header('hashSeed')) >>> 0;
  }

  partitionIndexOf(key: Uint8Array): number {
    const count = this.header('partitionCount');
    return count === 1 ? 0 : this.hash(key) >>> this.header('partitionShift');
  }

  /** The segments of a partition, each once. */
  segments(partition: number): number[] {
    const directory = this.u32(this.partition(partition, 'directory'));
    const end = this.u32(this.partition(partition, 'directoryMask')) + 1;
    return [...new Set(Array.from({ length: end }, (_, i) => this.u32(directory + 4 * i)))];
  }

  /** All slots in use of a partition, by the address of their tags. */
  *slots(partition: number): Generator<number> {
    for (const segment of this.segments(partition)) {
      for (let bucket = segment; bucket < segment + PAGE_BYTES; bucket += BUCKET_BYTES) {
        for (let slot = bucket; slot < bucket + SLOTS; slot++) if (this.u8(slot)) yield slot;
      }
    }
  }

  bucketOf(slot: number): number {
    return slot - (slot % BUCKET_BYTES);
  }

  /** Where a slot keeps the address of its entry, and in the low bits the entry's generation. */
  entryField(slot: number): number {
    return this.bucketOf(slot) + Bucket.entries + 4 * (slot % BUCKET_BYTES);
  }

  entryOf(slot: number): number {
    return (this.u32(this.entryField(slot)) & ~GENERATION_MASK) >>> 0;
  }

  generationOf(slot: number): number {
    return this.u32(this.entryField(slot)) & GENERATION_MASK;
  }

  /** The record of the entry in a slot: its hash, but for three bits that are its generation. */
  recordOf(slot: number): number {
    const hash = this.hash(this.keyOf(this.entryOf(slot)));
    return ((hash & 0xffff_1fff) | (this.generationOf(slot) << 13)) >>> 0;
  }

  /** The class of blocks of records. */
  get recordClass(): number {
    return this.header('classCount') - 2;
  }

  /** The class of pieces that are a whole page: the last one. */
  get pageClass(): number {
    return this.header('classCount') - 1;
  }

  /** Where a field of this thread's block stands. */
  threadBlock(field: keyof typeof ThreadBlock): number {
    return this.arena.block.byteOffset + ThreadBlock[field];
  }

  queue(partition: number, field: keyof typeof Queue = 'head', index = 0): number {
    return this.partition(partition, 'queues') + index * QUEUE_BYTES + Queue[field];
  }

  /** The blocks of a queue, from its head on. */
  blocks(partition: number, index = 0): number[] {
    const blocks: number[] = [];
    let block = this.u32(this.queue(partition, 'head', index));
    for (; block; block = this.u32(block + Block.next)) blocks.push(block);
    return blocks;
  }

  /** What a queue holds, from its head on. */
  records(partition: number, index = 0): number[] {
    const skip = this.u32(this.queue(partition, 'headIndex', index));
    const records = this.blocks(partition, index).flatMap((block) =>
      Array.from({ length: this.u16(block + Block.count) }, (_, i) =>
        this.u32(block + Block.records + 4 * i),
      ),
    );
    return records.slice(skip);
  }

  /** The slot of a key, by looking into all of them. */
  slotOf(key: Uint8Array): number {
    for (const slot of this.slots(this.partitionIndexOf(key))) {
      if (this.keyOf(this.entryOf(slot)).equals(key)) return slot;
    }
    throw new Error(`no slot holds the key ${Buffer.from(key).toString('latin1', 0, 40)}`);
  }

  /** The address of a key's entry. */
  entry(key: Uint8Array): number {
    return this.entryOf(this.slotOf(key));
  }

  flags(entry: number): number {
    return this.u8(entry + Entry.flags);
  }

  fieldsBytes(entry: number): number {
    const flags = this.flags(entry);
    return Entry.fields + (flags & Flag.EXPIRY ? 8 : 0) + (flags & Flag.VERSION ? 8 : 0);
  }

  /** Where a chained entry keeps the address of its first piece, and any other one its value. */
  valueAddress(entry: number): number {
    const inline = this.flags(entry) & Flag.LONG_KEY ? 0 : this.u16(entry + Entry.keyBytes);
    return entry + this.fieldsBytes(entry) + inline;
  }

  /** The addresses of the pieces of a chained entry. */
  pieces(entry: number): number[] {
    const pieces: number[] = [];
    let piece = this.flags(entry) & Flag.CHAINED ? this.u32(this.valueAddress(entry)) : 0;
    for (; piece; piece = this.u32(piece + Piece.next)) pieces.push(piece);
    return pieces;
  }

  keyOf(entry: number): Buffer {
    const length = this.u16(entry + Entry.keyBytes);
    if (this.flags(entry) & Flag.LONG_KEY) return this.chain(entry).subarray(0, length);
    const at = entry + this.fieldsBytes(entry);
    return this.bytes.subarray(at, at + length);
  }

  valueLength(entry: number): number {
    if (!(this.flags(entry) & Flag.CHAINED)) return this.u16(entry + Entry.valueBytes);
    return this.u32(this.valueAddress(entry) + Link.valueBytes);
  }

  valueOf(entry: number): Buffer {
    const length = this.valueLength(entry);
    if (this.flags(entry) & Flag.CHAINED) {
      const skip = this.flags(entry) & Flag.LONG_KEY ? this.u16(entry + Entry.keyBytes) : 0;
      return this.chain(entry).subarray(skip, skip + length);
    }
    const at = this.valueAddress(entry);
    return this.bytes.subarray(at, at + length);
  }

  /** The payload of all pieces of an entry. */
  chain(entry: number): Buffer {
    return Buffer.concat(
      this.pieces(entry).map((piece) => {
        const at = piece + Piece.payload;
        return this.bytes.subarray(at, at + this.u32(piece + Piece.bytes));
      }),
    );
  }
}
