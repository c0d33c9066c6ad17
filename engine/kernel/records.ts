/*
 * Records: what the queues of eviction and the wheel of expiry hold instead of links between entries. A record is 32
 * bits of a key's hash, three of them given up for the generation of the slot:
 *
 *   bits   31 ....... 16 | 15 .. 13    | 12 ... 10 | 9 ........ 0
 *          as in the hash | generation | as in the hash
 *
 * It leads to the slot of its entry without a look at the entry itself (table.ts, `slotOfRecord`), so passing over an
 * entry in use costs one line, and an entry may be moved in memory without its record knowing. Nothing leads from an
 * entry to its record: when the entry goes, its record stays behind, stale, until it is popped or trimmed. The
 * generation, another one for each entry that comes, tells most records of an earlier entry of the same key.
 *
 * Block, a chunk of RECORD_BLOCK_BYTES in pages of its own class:
 *   +0  next     u32   the block behind, 0: last
 *   +4  kind     u8    CHUNK_RECORDS
 *   +6  count    u16   records in it
 *   +8  records  u32 x RECORDS_PER_BLOCK
 *
 * Everything here runs under the partition's lock.
 */
import { touched } from './bytes';
import { CHUNK_RECORDS, hashOfEntry } from './entry';
import { Address, header, RECORD_BLOCK_BYTES } from './layout';
import { PAGE_SLAB, pageInfo, pageOf } from './pages';
import { classInfo, MAX_QUEUES, Partition, partitionIndex, QUEUE_BYTES, queueOf } from './partition';
import { giveChunk, recordClass, takeChunk } from './slab';
import { entryOf, homeBucketIn, isRecordOf, slotOfRecord } from './table';

/** A first-in-first-out queue of records. All zeros: empty. */
@unmanaged
export class Queue {
  /** The block to pop from, and the next record in it. */
  head: Address;
  headIndex: u32;
  /** The block to push to. */
  tail: Address;
  /** Records in the queue, stale ones too. */
  records: u32;
}

@unmanaged
export class Block {
  next: Address;
  kind: u8;
  spare: u8;
  count: u16;
}

const BLOCK_HEAD: u32 = 8;
export const RECORDS_PER_BLOCK: u32 = (RECORD_BLOCK_BYTES - BLOCK_HEAD) / 4;

@inline
export function blockAt(address: Address): Block {
  return changetype<Block>(address);
}

@inline
export function recordAt(block: Address, index: u32): Address {
  return block + BLOCK_HEAD + (index << 2);
}

/** Makes an empty block of a chunk. */
@inline
export function formatBlock(chunk: Address, next: Address): void {
  const block = blockAt(chunk);
  block.next = next;
  block.count = 0;
  block.kind = CHUNK_RECORDS;
}

/** Whether a push would need another block. */
@inline
export function isTailFull(queue: Queue): bool {
  return queue.tail == 0 || <u32>blockAt(queue.tail).count == RECORDS_PER_BLOCK;
}

/** Makes a chunk of the record class the queue's new tail. */
export function addBlock(queue: Queue, chunk: Address): void {
  formatBlock(chunk, 0);
  if (queue.tail) {
    blockAt(queue.tail).next = chunk;
  } else {
    queue.head = chunk;
    queue.headIndex = 0;
  }
  queue.tail = chunk;
}

/** Appends a record. False when that takes a block and there is no memory for one without evicting something. */
@inline
export function push(partition: Partition, queue: Queue, record: u32): bool {
  if (isTailFull(queue)) {
    const block = takeBlock(partition);
    if (block == 0) return false;
    addBlock(queue, block);
  }
  append(queue, record);
  return true;
}

/** Appends a record; the tail is not full. */
@inline
export function append(queue: Queue, record: u32): void {
  const tail = blockAt(queue.tail);
  store<u32>(recordAt(queue.tail, tail.count), record);
  tail.count += 1;
  queue.records += 1;
}

/** The first record, which leaves the queue. There must be one. */
@inline
export function pop(partition: Partition, queue: Queue): u32 {
  const head = queue.head;
  const record = load<u32>(recordAt(head, queue.headIndex));
  queue.headIndex += 1;
  queue.records -= 1;
  if (queue.headIndex == <u32>blockAt(head).count) dropEmptyHeads(partition, queue);
  return record;
}

/** Takes back the last `pop`, after which a `push` failed. (A pop that frees a block makes the push succeed.) */
export function unpop(queue: Queue, record: u32): void {
  queue.headIndex -= 1;
  queue.records += 1;
  store<u32>(recordAt(queue.head, queue.headIndex), record);
}

/**
 * Starts the loads that the next `pop` of this queue will lead to: the entry of the first record, whose bucket the last
 * call has loaded, and the bucket of the second one. The partition's next eviction is some microseconds away.
 */
@inline
export function touchNext(partition: Partition, queue: Queue): void {
  const block = queue.head;
  const index = queue.headIndex;
  if (block == 0 || index + 1 >= <u32>blockAt(block).count) return;
  const slot = slotOfRecord(partition, load<u32>(recordAt(block, index)));
  let sum = load<u32>(homeBucketIn(partition, load<u32>(recordAt(block, index + 1))));
  if (slot) sum += load<u32>(entryOf(slot));
  touched(sum);
}

/** Frees the blocks at the head that have no record left. */
function dropEmptyHeads(partition: Partition, queue: Queue): void {
  let block = queue.head;
  let index = queue.headIndex;
  while (block != 0 && index == <u32>blockAt(block).count) {
    const next = blockAt(block).next;
    if (partition.trimBlock == block) partition.trimBlock = 0;
    freeBlock(partition, block);
    block = next;
    index = 0;
  }
  queue.head = block;
  queue.headIndex = index;
  if (block == 0) queue.tail = 0;
}

/*
 * Spare blocks: pushing a record again must not fail for want of memory. Records that move from the head of one queue
 * to the tail of another need at most a block per queue more than they leave behind, so that many are kept at hand.
 */
const SPARE_BLOCKS: u32 = 4;

function takeBlock(partition: Partition): Address {
  const spare = partition.spareBlock;
  if (spare == 0) return takeChunk(partition, recordClass());
  partition.spareBlock = blockAt(spare).next;
  partition.spareBlocks -= 1;
  return spare;
}

function freeBlock(partition: Partition, block: Address): void {
  if (partition.spareBlocks == SPARE_BLOCKS) giveChunk(partition, block);
  else keepSpare(partition, block);
}

function keepSpare(partition: Partition, block: Address): void {
  formatBlock(block, partition.spareBlock);
  partition.spareBlock = block;
  partition.spareBlocks += 1;
}

/** Sees to it that there are spare blocks, as far as there is memory. */
@inline
export function stockSpares(partition: Partition): void {
  while (partition.spareBlocks < SPARE_BLOCKS) {
    const block = takeChunk(partition, recordClass());
    if (block == 0) return;
    keepSpare(partition, block);
  }
}

/*
 * For the integrity check, which may also run after a crash: nothing is followed that is no block, and no walk is
 * longer than there are blocks.
 */

/** Whether this is a block of the partition. */
export function isBlock(partition: Partition, address: Address): bool {
  const page = pageOf(address);
  if (page < header().firstPage || page >= header().endPage) return false;
  const info = pageInfo(page);
  if (info.kind != PAGE_SLAB || <u32>info.sizeClass != recordClass()) return false;
  if (info.partition != <u16>partitionIndex(partition) || address % RECORD_BLOCK_BYTES) return false;
  return blockAt(address).kind == CHUNK_RECORDS;
}

/** Whether the spare blocks are as many as they are said to be. */
export function checkSpares(partition: Partition): bool {
  if (partition.spareBlocks > SPARE_BLOCKS) return false;
  let block = partition.spareBlock;
  for (let left = partition.spareBlocks; left > 0; left--) {
    if (!isBlock(partition, block)) return false;
    block = blockAt(block).next;
  }
  return block == 0;
}

/** Walks a queue; the check then reads `blocksWalked` and `entriesRecorded`. False: it is broken. */
export function walkQueue(partition: Partition, queue: Queue): bool {
  blocksWalked = 0;
  entriesRecorded = 0;
  const most = classInfo(partition, recordClass()).chunksUsed;
  let records: u32 = 0;
  let last: Address = 0;
  let first = queue.headIndex;
  for (let block = queue.head; block; block = blockAt(block).next) {
    if (blocksWalked == most || !isBlock(partition, block)) return false;
    const count = <u32>blockAt(block).count;
    if (count > RECORDS_PER_BLOCK || first > count || (block == queue.head && first == count)) return false;
    for (let i = first; i < count; i++) {
      if (isRecorded(partition, load<u32>(recordAt(block, i)))) entriesRecorded += 1;
    }
    records += count - first;
    first = 0;
    blocksWalked += 1;
    last = block;
  }
  return records == queue.records && last == queue.tail;
}

/** Blocks and records of entries that are there, as the last `walkQueue` met them. Not state. */
export let blocksWalked: u32 = 0;
export let entriesRecorded: u32 = 0;

@inline
function isRecorded(partition: Partition, record: u32): bool {
  const slot = slotOfRecord(partition, record);
  return slot != 0 && isRecordOf(record, hashOfEntry(entryOf(slot)));
}

/*
 * Trimming. Where entries are deleted or expire, and nothing is evicted, stale records would pile up. So once there
 * are more of them than entries, each new block pays for looking through a block or two, one queue after the other,
 * from its head to its tail: stale records go, and blocks that fit into one are joined.
 */

/** Records may outnumber entries by as many again and this. */
const TRIM_SLACK: u32 = 2 * RECORDS_PER_BLOCK;

/**
 * Steps for each new block: a step looks through one block more, seven of eight of whose stale records it can tell, so
 * one would not keep up.
 */
const TRIM_STEPS: u32 = 3;

/** Trims a little, if there is need. */
@inline
export function trim(partition: Partition): void {
  for (let i: u32 = 0; i < TRIM_STEPS && isTrimDue(partition); i++) trimStep(partition);
}

export function isTrimDue(partition: Partition): bool {
  let records: u32 = 0;
  for (let i: u32 = 0; i < MAX_QUEUES; i++) records += queueOf(partition, i).records;
  return records > 2 * partition.entries + TRIM_SLACK;
}

/** Looks through one block, or two that then are one. An emptied block stays until it is joined to one or popped. */
export function trimStep(partition: Partition): void {
  let queue = queueOf(partition, partition.trimQueue);
  let block = partition.trimBlock ? partition.trimBlock : queue.head;
  partition.trimBlock = 0;
  for (let i: u32 = 0; block == queue.tail; i++) {
    if (i == MAX_QUEUES) return;
    partition.trimQueue = (partition.trimQueue + 1) % MAX_QUEUES;
    queue = queueOf(partition, partition.trimQueue);
    block = queue.head;
  }
  filterBlock(partition, queue, block);
  const next = blockAt(block).next;
  if (next != queue.tail) {
    filterBlock(partition, queue, next);
    partition.trimBlock = join(partition, block, next) ? block : next;
  } else {
    partition.trimQueue = (partition.trimQueue + 1) % MAX_QUEUES;
  }
  dropEmptyHeads(partition, queue);
}

/** Appends a block's records to those of the one before it, where they fit. */
function join(partition: Partition, block: Address, next: Address): bool {
  const kept = <u32>blockAt(block).count;
  const more = <u32>blockAt(next).count;
  if (kept + more > RECORDS_PER_BLOCK) return false;
  memory.copy(recordAt(block, kept), recordAt(next, 0), more << 2);
  blockAt(block).count = <u16>(kept + more);
  blockAt(block).next = blockAt(next).next;
  freeBlock(partition, next);
  return true;
}

function filterBlock(partition: Partition, queue: Queue, block: Address): void {
  const count = <u32>blockAt(block).count;
  const first: u32 = block == queue.head ? queue.headIndex : 0;
  let kept = first;
  for (let i = first; i < count; i++) {
    const record = load<u32>(recordAt(block, i));
    if (slotOfRecord(partition, record) == 0) continue;
    store<u32>(recordAt(block, kept), record);
    kept += 1;
  }
  blockAt(block).count = <u16>kept;
  queue.records -= count - kept;
}

/** Empties all queues; their blocks are spare ones, however many, until `returnSpares`. */
export function poolBlocks(partition: Partition): void {
  for (let i: u32 = 0; i < MAX_QUEUES; i++) {
    const queue = queueOf(partition, i);
    let block = queue.head;
    memory.fill(changetype<usize>(queue), 0, QUEUE_BYTES);
    while (block) {
      const next = blockAt(block).next;
      keepSpare(partition, block);
      block = next;
    }
  }
  partition.trimQueue = 0;
  partition.trimBlock = 0;
}

/** Gives back the spare blocks that are more than there shall be. */
export function returnSpares(partition: Partition): void {
  while (partition.spareBlocks > SPARE_BLOCKS) giveChunk(partition, takeBlock(partition));
}

/** Gives all blocks back, of a partition that has no entries left. */
export function dropQueues(partition: Partition): void {
  for (let i: u32 = 0; i < MAX_QUEUES; i++) {
    const queue = queueOf(partition, i);
    giveBlocks(partition, queue.head);
    memory.fill(changetype<usize>(queue), 0, QUEUE_BYTES);
  }
  giveBlocks(partition, partition.spareBlock);
  forgetBlocks(partition);
}

/** Gives a list of blocks back. */
export function giveBlocks(partition: Partition, block: Address): void {
  while (block) {
    const next = blockAt(block).next;
    giveChunk(partition, block);
    block = next;
  }
}

function forgetBlocks(partition: Partition): void {
  partition.spareBlock = 0;
  partition.spareBlocks = 0;
  partition.trimBlock = 0;
}

/** For a partition whose chunks are gone. */
export function forgetQueues(partition: Partition): void {
  for (let i: u32 = 0; i < MAX_QUEUES; i++) memory.fill(changetype<usize>(queueOf(partition, i)), 0, QUEUE_BYTES);
  forgetBlocks(partition);
}
