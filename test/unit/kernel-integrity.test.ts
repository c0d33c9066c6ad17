/**
 * Canaries of the integrity walk: every rule is broken once by writing into the arena's memory, and
 * must be named. A walk that finds nothing proves something only if it would find this.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { INTEGRITY_RULES } from '#engine/kernel-exports.js';
import { NAMESPACED_KEY } from '#engine/keys.js';
import {
  Bench,
  Block,
  BUCKET_BYTES,
  Bucket,
  Entry,
  Header,
  KIB,
  Link,
  Log,
  MIB,
  PAGE_BYTES,
  Piece,
  type Row,
  SLOTS,
  Wheel,
} from '../support/kernel-memory.js';
import { bin, command, integer, str } from '../support/kernel-wire.js';

/** The kind of entries that are tombstones. */
const TOMBSTONE = 6;

/** An arena with something of everything: entries in chunks and chains, free chunks, free pages, several segments. */
class Patient extends Bench {
  readonly plain = Buffer.from('plain');
  readonly chained = Buffer.from('chained');
  readonly long = Buffer.from('l'.repeat(3000));
  /** The one with an expiry. */
  readonly mortal: Buffer;
  /** Stand in one page with the plain one. */
  readonly others = Array.from({ length: 5 }, (_, i) => Buffer.from(`othe${i}`));

  readonly #healthy: Buffer;

  /** With fewer than 30,000 entries it evicts some. */
  constructor(policy: 'clock' | 's3fifo' = 'clock', maxEntries = 100_000) {
    super({
      memoryBytes: 4 * MIB,
      partitions: 2,
      policy,
      maxEntries,
      maxValueBytes: 64 * KIB,
      maxNamespaces: 2,
    });
    const { plain, chained, long, others } = this;
    // Keys that share a partition with the plain one.
    const home = this.memory.partitionIndexOf(plain);
    const names = Array.from({ length: 20 }, (_, i) => Buffer.from(`mortal ${i}`));
    this.mortal = names.find((name) => this.memory.partitionIndexOf(name) === home)!;
    for (let i = 0; i < 30_000; i++) this.one(command('SET', str(`filler ${i}`), integer(1)));
    for (const key of [plain, ...others])
      this.one(command('SET', str(key), bin(Buffer.alloc(300))));
    this.one(command('SET', str('gone'), bin(Buffer.alloc(5000))));
    this.one(command('SET', str('page'), bin(Buffer.alloc(7000))));
    this.run(
      command('SET', str(chained), bin(Buffer.alloc(30_000))),
      command('SET', str(long), bin(Buffer.alloc(9000))),
    );
    const { kernel, slot, request } = this.arena;
    request.set(plain);
    // Two pages.
    expect(kernel.draftBegin(slot, plain.length, 64 * KIB, 0, 0, this.nowMs)).toBe(1);
    expect(kernel.draftGrow(slot, 9, this.nowMs)).toBe(2);
    this.run(command('DEL', str('gone'), str('page'), str('filler 7'), str('filler 77')));
    this.arena.kernel.attachLog(this.arena.slot, 1, this.nowMs);
    // The log comes round: its oldest record is not its first.
    for (let n = 0; n < 70; n++) this.one(command('SET', str(plain), bin(Buffer.alloc(1000))));
    this.one(command('SET', str(plain), bin(Buffer.alloc(300))));
    expect(this.memory.u32(this.memory.partition(home, 'splits'))).toBeGreaterThan(0);
    this.one(command('SET', str(this.mortal), bin(Buffer.alloc(300)), integer(3_600_000)));
    request.set(Buffer.from('users'));
    kernel.openNamespace(slot, 5);
    request.set(Buffer.from([0, 0, 16, 0, ...Buffer.from('ada'), 1]));
    kernel.setDirect(slot, NAMESPACED_KEY | 7, 1, 0, 0, 0, this.nowMs);
    this.#healthy = Buffer.from(this.memory.bytes);
  }

  /** Makes everything as it was. */
  restore(): void {
    this.memory.bytes.set(this.#healthy);
  }

  get home(): number {
    return this.memory.partitionIndexOf(this.plain);
  }

  get draftPage(): number {
    return this.memory.pageOf(this.memory.u32(this.memory.threadBlock('draftFirst')));
  }

  get logPage(): number {
    return Math.floor(this.memory.u32(this.partitionField('logHead')) / PAGE_BYTES);
  }

  /** The page that the plain entry lies in. */
  get page(): number {
    return this.memory.pageOf(this.memory.entry(this.plain));
  }

  get sizeClass(): number {
    return this.memory.u8(this.memory.pageInfo(this.page, 'sizeClass'));
  }

  pageField(field: Parameters<typeof this.memory.pageInfo>[1]): number {
    return this.memory.pageInfo(this.page, field);
  }

  partitionField(field: Parameters<typeof this.memory.partition>[1]): number {
    return this.memory.partition(this.home, field);
  }

  get directory(): number {
    return this.memory.u32(this.partitionField('directory'));
  }

  /** Where the side table keeps the address of a block. */
  tableBlock(index: number): number {
    return this.memory.u32(this.partitionField('tableRoot')) + 8 + 4 * index;
  }

  wheelField(field: keyof typeof Wheel): number {
    return this.partitionField('wheel') + Wheel[field];
  }

  /** In the row of the partition that has an entry of the namespace. */
  rowField(field: keyof typeof Row): number {
    const { memory } = this;
    const at = [0, 1].find((index) => memory.u32(memory.row(index, 1, 'entries')) > 0)!;
    return memory.row(at, 1, field);
  }

  /** Where the wheel keeps the first block of a slot that has one. */
  get wheelHead(): number {
    for (let at = this.wheelField('heads'); ; at += 4) if (this.memory.u32(at)) return at;
  }

  /** The blocks of records of its partition. */
  get blocks(): number[] {
    return this.memory.blocks(this.home);
  }

  /** A free slot in the segment of the plain entry. */
  get freeSlot(): number {
    const { memory } = this;
    const slot = memory.slotOf(this.plain);
    for (let bucket = slot - (slot % PAGE_BYTES); ; bucket += BUCKET_BYTES) {
      for (let free = bucket; free < bucket + SLOTS; free++) if (memory.u8(free) === 0) return free;
    }
  }
}

type Harm = (patient: Patient) => void;

/** Where an entry with an expiry names the slot of its record. */
const WHEEL_SLOT = Entry.fields + 6;

const add = (patient: Patient, address: number, more: number): void =>
  patient.memory.setU32(address, patient.memory.u32(address) + more);

const TABLE_RULE = 'BROKEN_SIDE_TABLE';

/** A rule that only arenas with a policy that remembers have something to break of. */
const TABLE_HARMS: Record<string, Harm> = {
  'a root outside of the pages': (p) =>
    p.memory.setU32(p.partitionField('tableRoot'), p.memory.header('endAddress')),
  'a root in the header': (p) => p.memory.setU32(p.partitionField('tableRoot'), 64),
  'no root': (p) => p.memory.setU32(p.partitionField('tableRoot'), 0),
  'a root that is an entry': (p) =>
    p.memory.setU32(p.partitionField('tableRoot'), p.memory.entry(p.plain)),
  'more blocks than it has room for': (p) => p.memory.setU32(p.partitionField('tableBlocks'), 5000),
  'a block outside of the pages': (p) =>
    p.memory.setU32(p.tableBlock(0), p.memory.header('endAddress')),
  'a block of another number': (p) =>
    p.memory.setU32(p.tableBlock(1), p.memory.u32(p.tableBlock(0))),
  'a block that is an entry': (p) => p.memory.setU32(p.tableBlock(1), p.memory.entry(p.plain)),
};

/** Broken in kernel-collections.test.ts, which has collections. */
const COLLECTION_RULES = ['BROKEN_COLLECTION', 'BROKEN_GARBAGE'];

/** By rule: ways to break it. Each is applied to an arena of its own. */
const HARMS: Record<string, Record<string, Harm>> = {
  BROKEN_STAMP: {
    'entries without one': (p) => p.memory.setU32(Header.stampFlags, 2),
  },
  BROKEN_TOMBSTONES: {
    'one more': (p) => add(p, p.partitionField('tombstones'), 1),
    'in the place of an entry': (p) =>
      p.memory.setU8(p.memory.entry(p.plain) + Entry.kind, TOMBSTONE),
  },
  BROKEN_DIRECTORY: {
    'an address outside of the pages': (p) => p.memory.setU32(p.directory, 0),
    'an address behind the pages': (p) =>
      p.memory.setU32(p.directory, p.memory.header('endPage') * PAGE_BYTES),
    'a mask that does not fit the shift': (p) => add(p, p.partitionField('directoryMask'), 1),
    'a directory deeper than allowed': (p) => p.memory.setU32(Header.maxDepth, 1),
    'a count of segments': (p) => add(p, p.partitionField('segments'), 1),
  },
  BROKEN_SEGMENT_INFO: {
    'a slab page in the directory': (p) => p.memory.setU32(p.directory, p.page * PAGE_BYTES),
    'a segment of another partition': (p) => {
      const segment = p.memory.segments(1 - p.home)[0]!;
      p.memory.setU32(p.directory, segment);
    },
  },
  BROKEN_SEGMENT_COUNT: {
    'one more': (p) =>
      add(p, p.memory.pageInfo(p.memory.pageOf(p.memory.segments(p.home)[0]!), 'count'), 1),
  },
  BROKEN_SLOT_TAG: {
    'another tag': (p) => {
      const slot = p.memory.slotOf(p.plain);
      p.memory.setU8(slot, p.memory.u8(slot) === 200 ? 201 : 200);
    },
    'no tag, but an entry': (p) => p.memory.setU8(p.memory.slotOf(p.plain), 0),
    'no tag, but a generation': (p) => p.memory.setU32(p.memory.entryField(p.freeSlot), 1),
    'another key in the entry': (p) => p.memory.setU8(p.memory.entry(p.plain) + 8, 0x7e),
  },
  BROKEN_SLOT_ENTRY: {
    'an address in the header': (p) =>
      p.memory.setU32(p.memory.entryField(p.memory.slotOf(p.plain)), 64),
    'an address behind the pages': (p) =>
      p.memory.setU32(p.memory.entryField(p.memory.slotOf(p.plain)), p.memory.header('endAddress')),
    'an address in a segment': (p) =>
      p.memory.setU32(p.memory.entryField(p.memory.slotOf(p.plain)), p.memory.segments(p.home)[0]!),
    'a page of another partition': (p) => p.memory.setU16(p.pageField('partition'), 1 - p.home),
  },
  BROKEN_SLOT_UNREACHABLE: {
    'an entry in two slots': (p) => {
      const slot = p.memory.slotOf(p.plain);
      const other = p.freeSlot;
      p.memory.setU8(other, p.memory.u8(slot));
      p.memory.setU32(p.memory.entryField(other), p.memory.entryOf(slot));
      // Where the walk comes by first, it must not be the slot that lookups find.
      if (p.memory.bucketOf(other) === p.memory.bucketOf(slot))
        throw new Error('no free slot elsewhere');
    },
    'an overflow count of 0 on the way': (p) => {
      const moved = moveFromHome(p);
      p.memory.setU8(moved.home + Bucket.overflow, 0);
    },
  },
  BROKEN_OVERFLOW_COUNT: {
    'one too many': (p) => {
      const bucket = p.memory.bucketOf(p.memory.slotOf(p.plain));
      p.memory.setU8(bucket + Bucket.overflow, p.memory.u8(bucket + Bucket.overflow) + 1);
    },
  },
  BROKEN_ENTRY_CHUNK: {
    'no key': (p) => p.memory.setU16(p.memory.entry(p.plain) + Entry.keyBytes, 0),
    'a value longer than the chunk': (p) => add(p, p.memory.entry(p.plain) + Entry.valueBytes, 100),
    'an unknown kind': (p) => p.memory.setU8(p.memory.entry(p.plain) + Entry.kind, 77),
    'an entry that says it is free': (p) => p.memory.setU8(p.memory.entry(p.plain) + Entry.kind, 0),
    'a free chunk of an unknown kind': (p) => p.memory.setU8(freeChunk(p) + Entry.kind, 99),
  },
  BROKEN_CHAIN: {
    'a piece too few': (p) => p.memory.setU32(pieces(p)[1]! + Piece.next, 0),
    'a piece outside of the pages': (p) => p.memory.setU32(pieces(p)[0]! + Piece.next, 4096),
    'a first piece of another entry': (p) =>
      p.memory.setU32(pieces(p)[0]! + Piece.previous, p.memory.entry(p.plain)),
    'a piece that names another one before it': (p) =>
      p.memory.setU32(pieces(p)[2]! + Piece.previous, pieces(p)[0]!),
    'a piece that is an entry': (p) => p.memory.setU8(pieces(p)[1]! + Piece.kind, 1),
    'a piece without payload': (p) => p.memory.setU32(pieces(p)[1]! + Piece.bytes, 0),
    'a piece with too much payload': (p) => p.memory.setU32(pieces(p)[1]! + Piece.bytes, 1_000_000),
    'a piece of a length of another class': (p) => p.memory.setU32(pieces(p)[1]! + Piece.bytes, 50),
    'a ring': (p) => p.memory.setU32(pieces(p)[1]! + Piece.next, pieces(p)[0]!),
    'a value longer than the chain': (p) =>
      add(p, p.memory.valueAddress(p.memory.entry(p.chained)) + Link.valueBytes, 1),
    'a key longer than what is before the value': (p) =>
      p.memory.setU16(p.memory.entry(p.long) + Entry.keyBytes, 3001),
  },
  BROKEN_ENTRY_COUNT: {
    'one more': (p) => add(p, p.partitionField('entries'), 1),
    'one less': (p) => add(p, p.partitionField('entries'), -1),
  },
  BROKEN_ENTRY_LIMIT: {
    'a lower limit': (p) => p.memory.setU32(p.partitionField('maxEntries'), 10),
  },
  BROKEN_PAYLOAD_BYTES: {
    'one more': (p) => add(p, p.partitionField('payloadBytes'), 1),
    'a shorter value': (p) => add(p, p.memory.entry(p.plain) + Entry.valueBytes, -1),
  },
  BROKEN_CLASS_RING: {
    // Of the fillers: theirs is a ring of several pages, of one the walk would go around twice.
    'a count of pages': (p) =>
      add(p, p.memory.classInfo(p.home, p.memory.classOf(8 + 12 + 1), 'pages'), 1),
    'no page of the ring': (p) =>
      p.memory.setU32(p.memory.classInfo(p.home, p.sizeClass, 'anyPage'), 0),
    'another page before the first': (p) => p.memory.setU32(p.pageField('previous'), 1),
  },
  BROKEN_PAGE_INFO: {
    'another class': (p) => {
      // The next larger class, so that the entry still fits its chunk.
      p.memory.setU8(p.pageField('sizeClass'), p.sizeClass + 1);
    },
    'more chunks than the page holds': (p) => p.memory.setU16(p.pageField('bump'), 60_000),
    'a free page in the ring': (p) => {
      const field = p.memory.classInfo(p.home, p.memory.classOf(5014), 'anyPage');
      p.memory.setU32(field, p.memory.u32(Header.poolStack));
      p.memory.setU32(p.memory.classInfo(p.home, p.memory.classOf(5014), 'pages'), 1);
    },
  },
  BROKEN_PAGE_USED: {
    'one more in the page': (p) =>
      p.memory.setU16(p.pageField('used'), 1 + p.memory.u16(p.pageField('used'))),
    'one more in the class': (p) =>
      add(p, p.memory.classInfo(p.home, p.sizeClass, 'chunksUsed'), 1),
  },
  BROKEN_FREE_LIST: {
    'a list that is cut off': (p) =>
      p.memory.setU32(p.memory.pageInfo(freePage(p), 'freeChunk'), 0),
    'a ring': (p) => p.memory.setU32(freeChunk(p), freeChunk(p)),
    'a chunk of another page': (p) => p.memory.setU32(freeChunk(p), p.memory.entry(p.plain)),
    'an address between chunks': (p) =>
      p.memory.setU32(p.memory.pageInfo(freePage(p), 'freeChunk'), freeChunk(p) + 4),
  },
  BROKEN_ROOMY_LIST: {
    'a page with room that is not listed': (p) =>
      p.memory.setU32(p.memory.classInfo(p.home, p.sizeClass, 'roomy'), 0),
    'a page that says that it is not listed': (p) => p.memory.setU32(p.pageField('count'), 0),
    'a page before the first': (p) => p.memory.setU32(p.pageField('previousRoomy'), 3),
  },
  BROKEN_CHUNK_BYTES: {
    'one more page': (p) => add(p, p.partitionField('slabPages'), 1),
    'eight more bytes': (p) => add(p, p.partitionField('chunkBytes'), 8),
  },
  BROKEN_CHUNK_OWNER: {
    'an entry that is in no slot': (p) => {
      const { memory } = p;
      const slot = memory.slotOf(p.plain);
      const segment = memory.pageOf(slot);
      memory.setU8(slot, 0);
      memory.setU32(memory.entryField(slot), 0);
      add(p, memory.pageInfo(segment, 'count'), -1);
      add(p, p.partitionField('entries'), -1);
      add(p, p.partitionField('payloadBytes'), -(p.plain.length + 303));
    },
    'a block of records that is in no queue': (p) => {
      const { memory } = p;
      // The last spare block.
      const first = memory.u32(p.partitionField('spareBlock'));
      memory.setU32(p.partitionField('spareBlock'), memory.u32(first + Block.next));
      add(p, p.partitionField('spareBlocks'), -1);
    },
  },
  BROKEN_QUEUE: {
    'a count of records': (p) => add(p, p.memory.queue(p.home, 'records'), 1),
    'a block of another kind': (p) => p.memory.setU8(p.blocks[1]! + Block.kind, 1),
    'more records than a block holds': (p) => p.memory.setU16(p.blocks[1]! + Block.count, 127),
    'a head that was read to its end': (p) =>
      p.memory.setU32(p.memory.queue(p.home, 'headIndex'), 126),
    'a tail that is not the last block': (p) =>
      p.memory.setU32(p.memory.queue(p.home, 'tail'), p.blocks.at(-2)!),
    'blocks behind the tail': (p) => p.memory.setU32(p.blocks.at(-1)! + Block.next, p.blocks[0]!),
    'a block outside of the pages': (p) => p.memory.setU32(p.blocks.at(-1)! + Block.next, 4096),
    'a block in a page of entries': (p) =>
      p.memory.setU32(p.blocks[0]! + Block.next, p.page * PAGE_BYTES),
    'a spare block outside of the pages': (p) =>
      p.memory.setU32(p.partitionField('spareBlock'), p.memory.header('endAddress')),
    'a count of spare blocks': (p) => add(p, p.partitionField('spareBlocks'), 1),
    'a ring of spare blocks': (p) => {
      const spare = p.memory.u32(p.partitionField('spareBlock'));
      p.memory.setU32(spare + Block.next, spare);
    },
  },
  BROKEN_RECORDS: {
    'an entry whose record is one of another hash': (p) => changeRecord(p, 1 << 20),
    'an entry whose record is one of another generation': (p) => changeRecord(p, 1 << 13),
    'an entry of another generation than its record': (p) => {
      const field = p.memory.entryField(p.memory.slotOf(p.plain));
      p.memory.setU32(field, p.memory.u32(field) ^ 1);
    },
  },
  BROKEN_NAMESPACES: {
    'an entry too many': (p) => add(p, p.rowField('entries'), 1),
    'none of this epoch': (p) => add(p, p.rowField('prefix'), 1),
    'a byte too many': (p) => add(p, p.rowField('bytes'), 1),
    'a value of another size': (p) => {
      add(p, p.rowField('sizes') + 4, -1);
      add(p, p.rowField('sizes') + 8, 1);
    },
    'the entries of all namespaces': (p) => add(p, p.partitionField('spaced'), 1),
    'their bytes': (p) => add(p, p.partitionField('spacedBytes'), 1),
    'a number that no namespace has': (p) => p.memory.setU32(Header.namespaceCount, 0),
  },
  BROKEN_WHEEL: {
    'a count of records': (p) => add(p, p.wheelField('records'), 1),
    'a spare block that is none': (p) => p.memory.setU32(p.wheelField('spare'), p.page << 16),
    'a due bag that is a chunk of an entry': (p) =>
      p.memory.setU32(p.wheelField('due'), p.memory.entry(p.plain)),
    'more records than a block holds': (p) =>
      p.memory.setU16(p.memory.u32(p.wheelHead) + Block.count, 127),
    'a bag that leads back to itself': (p) =>
      p.memory.setU32(p.memory.u32(p.wheelHead) + Block.next, p.memory.u32(p.wheelHead)),
  },
  BROKEN_EXPIRY: {
    'a count of entries that expire': (p) => add(p, p.wheelField('entries'), 1),
    'an entry that names another slot than its record is in': (p) => {
      const at = p.memory.entry(p.mortal) + WHEEL_SLOT;
      p.memory.setU8(at, p.memory.u8(at) + 1);
    },
    'an entry without a record': (p) => {
      const block = p.memory.u32(p.wheelHead);
      p.memory.setU32(block + Block.records, p.memory.u32(block + Block.records) ^ (1 << 20));
    },
  },
  BROKEN_LOG: {
    'a head that is not behind the last record': (p) => add(p, p.partitionField('logHead'), 8),
    'a count of pages': (p) => add(p, p.partitionField('logPages'), 1),
    'pages without a head': (p) => p.memory.setU32(p.partitionField('logHead'), 0),
    'a page of another kind': (p) => p.memory.setU8(p.memory.pageInfo(p.logPage, 'kind'), 2),
    'a page of another partition': (p) => add(p, p.memory.pageInfo(p.logPage, 'partition'), 1),
    'no ring': (p) => add(p, p.memory.pageInfo(p.logPage, 'next'), 1),
    'a number left out': (p) => add(p, p.partitionField('log') + Log.next, 1),
    'an oldest number that is not that of the record': (p) =>
      add(p, p.partitionField('log') + Log.oldest, 1),
    'an oldest record outside of the pages': (p) =>
      p.memory.setU32(p.partitionField('log') + Log.oldestAt, 4096),
    'a record longer than the rest': (p) =>
      p.memory.setU16(p.memory.u32(p.partitionField('log') + Log.oldestAt), 3000),
  },
  BROKEN_DRAFT: {
    'a count of pages': (p) => add(p, p.memory.threadBlock('draftPages'), 1),
    'a page of another thread': (p) =>
      p.memory.setU16(p.memory.pageInfo(p.draftPage, 'partition'), 0x8000 + p.arena.slot + 1),
    'no first page': (p) => p.memory.setU32(p.memory.threadBlock('draftFirst'), 4096),
    'an address within a page': (p) => add(p, p.memory.threadBlock('draftFirst'), 16),
    'a chain that ends early': (p) => p.memory.setU32(p.draftPage * PAGE_BYTES + Piece.next, 0),
    'a page that has another one before it': (p) =>
      p.memory.setU32(p.draftPage * PAGE_BYTES + Piece.previous, 4096),
    'pages of a thread that says it has none': (p) => {
      p.memory.setU32(p.memory.threadBlock('draftFirst'), 0);
      p.memory.setU32(p.memory.threadBlock('draftPages'), 0);
    },
  },
  BROKEN_PIN: {
    'the one being replaced': (p) => p.memory.setU32(p.partitionField('pinnedOld'), 4096),
    'the one being built': (p) => p.memory.setU32(p.partitionField('pinnedNew'), 4096),
  },
  BROKEN_PAGE_TOTAL: {
    'a page that nobody has': (p) => add(p, Header.poolBump, 1),
  },
  BROKEN_POOL_STACK: {
    'one more': (p) => add(p, Header.poolStacked, 1),
    'one less': (p) => add(p, Header.poolStacked, -1),
    'a ring': (p) => {
      const page = p.memory.u32(Header.poolStack);
      p.memory.setU32(p.memory.pageInfo(page, 'next'), page);
    },
    'a page that was never handed out': (p) =>
      p.memory.setU32(Header.poolStack, p.memory.header('endPage') - 1),
  },
};

/** Changes bits in the record of the plain entry. */
function changeRecord(patient: Patient, bits: number): void {
  const { memory, blocks, home, plain } = patient;
  const index = memory.records(home).indexOf(memory.recordOf(memory.slotOf(plain)));
  const address = blocks[Math.floor(index / 126)]! + Block.records + 4 * (index % 126);
  memory.setU32(address, memory.u32(address) ^ bits);
}

function pieces(patient: Patient): number[] {
  return patient.memory.pieces(patient.memory.entry(patient.chained));
}

/** A page with free chunks among used ones: that of the fillers that were deleted. */
function freePage(patient: Patient): number {
  const { memory } = patient;
  for (let page = memory.header('firstPage'); page < memory.header('poolBump'); page++) {
    const isSlab = memory.u8(memory.pageInfo(page, 'kind')) === 2;
    if (isSlab && memory.u32(memory.pageInfo(page, 'freeChunk'))) return page;
  }
  throw new Error('no page has a free chunk');
}

function freeChunk(patient: Patient): number {
  return patient.memory.u32(patient.memory.pageInfo(freePage(patient), 'freeChunk'));
}

/** An entry that does not stand in its home bucket. */
function moveFromHome(patient: Patient): { slot: number; home: number } {
  const { memory } = patient;
  for (const slot of memory.slots(patient.home)) {
    const hash = memory.hash(memory.keyOf(memory.entryOf(slot)));
    const home = slot - (slot % PAGE_BYTES) + (hash & 1023) * BUCKET_BYTES;
    if (home !== memory.bucketOf(slot)) return { slot, home };
  }
  throw new Error('all entries stand at home');
}

describe('the integrity walk', () => {
  const patient = new Patient();
  beforeEach(() => patient.restore());

  it('finds nothing wrong with the patient', () => {
    expect(patient.arena.checkIntegrity()).toBeUndefined();
  });

  it('has a canary for every rule', () => {
    const rules = [...Object.keys(HARMS), TABLE_RULE, ...COLLECTION_RULES];
    expect(rules.sort()).toEqual(Object.keys(INTEGRITY_RULES).sort());
  });

  const cases = Object.entries(HARMS).flatMap(([rule, harms]) =>
    Object.entries(harms).map(([what, harm]) => [rule, what, harm] as const),
  );

  it.each(cases)('%s: %s', (rule, _, harm) => {
    harm(patient);
    expect(patient.arena.checkIntegrity()).toBe(`${rule}: ${INTEGRITY_RULES[rule]}`);
    // It gives every lock back, whatever it finds.
    for (const partition of [0, 1]) {
      expect(patient.memory.u64(patient.memory.partition(partition, 'word')) & 0xffffn).toBe(0n);
    }
  });
});

describe('the integrity walk of a side table', () => {
  const patient = new Patient('s3fifo', 25_000);
  beforeEach(() => patient.restore());

  it('finds nothing wrong with the patient, which has several blocks', () => {
    expect(patient.memory.u32(patient.partitionField('tableBlocks'))).toBeGreaterThan(1);
    expect(patient.arena.checkIntegrity()).toBeUndefined();
  });

  it.each(Object.entries(TABLE_HARMS))(`${TABLE_RULE}: %s`, (_, harm) => {
    harm(patient);
    expect(patient.arena.checkIntegrity()).toBe(`${TABLE_RULE}: ${INTEGRITY_RULES[TABLE_RULE]}`);
  });
});
