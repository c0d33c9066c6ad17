/*
 * Growing and shrinking a table (table.ts), a bucket at a time. Both may be put off where memory is short: a table
 * works with any number of buckets. Everything here runs under the partition's lock, with the entry pinned.
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import { classOf, giveChunk, takeChunk } from '../slab';
import { entryOf, Slot } from '../table';
import { behindItem, memberOf } from './body';
import { addWord, bucketWord, directoryOfWord } from './directory';
import { hashOfStored } from './member';
import { eachOutsideOf, formatNode, NODE_BYTES, NODE_TABLE, nodeAt, ON_MOVE, payloadOf } from './node';
import { linkOf } from './outside';
import { dropReserved, reserve, takeFitting } from './reserve';
import { ROOT_BUCKETS, ROOT_COUNT, ROOT_ITEMS, rootOf } from './root';

/** Items to a bucket, on the average: as many tags as are compared at once. */
const ITEMS_A_BUCKET: u32 = 16;
/** And bytes, so that long items do not make nodes that are slow to change. */
const BYTES_A_BUCKET: u32 = 2048;
/** Buckets that are made at once: a table that was packed catches up in as many steps as it had items. */
const SPLITS_AT_ONCE: u32 = 2;
/** Fewer items than this to a bucket, and one is given up: so few that the next additions do not bring it back. */
const FEW_ITEMS_A_BUCKET: u32 = 4;
/** Chains of more nodes are not split: nodes of a few long items each. */
const MAX_SPLIT_NODES: u32 = 4;

/** Gives the table of a collection as many buckets as it should have, one item more included, if memory allows. */
export function growTable(partition: Partition, slot: Slot, thread: u32, nowMs: i64): void {
  for (let i: u32 = 0; i < SPLITS_AT_ONCE; i++) {
    const root = rootOf(entryOf(slot));
    const buckets = load<u32>(root, ROOT_BUCKETS);
    const isFull = load<u32>(root, ROOT_COUNT) >= buckets * ITEMS_A_BUCKET;
    if (!isFull && <u64>load<u32>(root, ROOT_ITEMS) < <u64>buckets * BYTES_A_BUCKET) return;
    // Long values outside are counted, too: but no more buckets than items.
    if (buckets > load<u32>(root, ROOT_COUNT)) return;
    if (!splitBucket(partition, slot, buckets, thread, nowMs)) return;
  }
}

/** Splits the bucket whose turn it is; false: out of memory, or not now. */
function splitBucket(partition: Partition, slot: Slot, buckets: u32, thread: u32, nowMs: i64): bool {
  const bit = (1 as u32) << (31 - clz(buckets));
  const old = buckets - bit;
  if (!addWord(partition, entryOf(slot), buckets, thread, nowMs)) return false;
  if (!reserveForSplit(partition, slot, old, bit, thread, nowMs)) return false;
  const root = rootOf(entryOf(slot));
  const newWord = bucketWord(root, buckets);
  const newDirectory = directoryOfWord();
  const oldWord = bucketWord(root, old);
  let node = load<u32>(oldWord);
  store<u32>(oldWord, 0);
  while (node) {
    const next = nodeAt(node).next;
    copyHalf(partition, node, bit, 0, oldWord, directoryOfWord());
    copyHalf(partition, node, bit, bit, newWord, newDirectory);
    giveChunk(partition, node);
    node = next;
  }
  store<u32>(root, buckets + 1, ROOT_BUCKETS);
  dropReserved(partition);
  return true;
}

/* What `measure` found: items and bytes, tags and all. */
let items: u32 = 0;
let bytes: u32 = 0;

/** The items of a node whose hashes have `wanted` in the bit. */
function measure(node: Address, bit: u32, wanted: u32): void {
  const count = <u32>nodeAt(node).count;
  let item = payloadOf(node) + count;
  items = 0;
  bytes = 0;
  for (let i: u32 = 0; i < count; i++) {
    const behind = behindItem(item);
    if ((hashOfStored(memberOf(item)) & bit) == wanted) {
      items += 1;
      bytes += 1 + (behind - item);
    }
    item = behind;
  }
}

/** Reserves a chunk for each half of each node of a bucket. */
function reserveForSplit(partition: Partition, slot: Slot, bucket: u32, bit: u32, thread: u32, nowMs: i64): bool {
  for (let i: u32 = 0; i <= MAX_SPLIT_NODES; i++) {
    for (let half: u32 = 0; half < 2; half++) {
      // Looked up anew each time: reserving may have moved it.
      let node = load<u32>(bucketWord(rootOf(entryOf(slot)), bucket));
      for (let skip = i; skip > 0 && node != 0; skip--) node = nodeAt(node).next;
      if (node == 0) return true;
      measure(node, bit, half ? bit : 0);
      if (items != 0 && !reserve(partition, NODE_BYTES + bytes, thread, nowMs)) return false;
    }
  }
  dropReserved(partition);
  return false;
}

/**
 * Copies the items of a node whose hashes have `wanted` in the bit, if any, to a node of their own, first in a chain.
 */
function copyHalf(
  partition: Partition,
  node: Address,
  bit: u32,
  wanted: u32,
  word: Address,
  directory: Address,
): void {
  measure(node, bit, wanted);
  if (items == 0) return;
  const target = takeFitting(partition, NODE_BYTES + bytes);
  formatNode(target, NODE_TABLE, directory);
  const fields = nodeAt(target);
  fields.count = <u16>items;
  fields.bytes = <u16>bytes;
  const hasOutside = nodeAt(node).outside != 0;
  const count = <u32>nodeAt(node).count;
  const tags = payloadOf(node);
  let item = tags + count;
  let tagOut = payloadOf(target);
  let out = tagOut + items;
  for (let i: u32 = 0; i < count; i++) {
    const behind = behindItem(item);
    if ((hashOfStored(memberOf(item)) & bit) == wanted) {
      store<u8>(tagOut, load<u8>(tags + i));
      memory.copy(out, item, behind - item);
      if (hasOutside && linkOf(item, NODE_TABLE)) fields.outside += 1;
      tagOut += 1;
      out += behind - item;
    }
    item = behind;
  }
  if (hasOutside) eachOutsideOf(partition, target, ON_MOVE, 0, target);
  putFirst(word, target, directory);
}

/** Makes a node, alone or the first of a chain up to `last`, the first one of a bucket. */
export function putFirst(word: Address, node: Address, directory: Address): void {
  let last = node;
  while (nodeAt(last).next) last = nodeAt(last).next;
  const first = load<u32>(word);
  nodeAt(last).next = first;
  if (first) nodeAt(first).parent = last;
  nodeAt(node).parent = directory;
  store<u32>(word, node);
}

/** Gives the last bucket up when there are far too many. */
export function shrinkTable(partition: Partition, slot: Slot): void {
  const root = rootOf(entryOf(slot));
  const buckets = load<u32>(root, ROOT_BUCKETS);
  if (buckets == 1 || load<u32>(root, ROOT_COUNT) >= buckets * FEW_ITEMS_A_BUCKET) return;
  const last = buckets - 1;
  const into = last - ((1 as u32) << (31 - clz(last)));
  const lastWord = bucketWord(root, last);
  const node = load<u32>(lastWord);
  store<u32>(lastWord, 0);
  store<u32>(root, last, ROOT_BUCKETS);
  if (node == 0) return;
  const word = bucketWord(root, into);
  putFirst(word, node, directoryOfWord());
  joinFirst(partition, word);
}

/** Makes one node of the first two of a bucket, if they are short and a chunk can be had without evicting anything. */
function joinFirst(partition: Partition, word: Address): void {
  const node = load<u32>(word);
  const next = nodeAt(node).next;
  if (next == 0) return;
  const count = <u32>nodeAt(node).count;
  const nextCount = <u32>nodeAt(next).count;
  const bytes = <u32>nodeAt(node).bytes;
  const nextBytes = <u32>nodeAt(next).bytes;
  if (bytes + nextBytes > BYTES_A_BUCKET) return;
  const target = takeChunk(partition, classOf(NODE_BYTES + bytes + nextBytes));
  if (target == 0) return;
  formatNode(target, NODE_TABLE, nodeAt(node).parent);
  const fields = nodeAt(target);
  fields.count = <u16>(count + nextCount);
  fields.bytes = <u16>(bytes + nextBytes);
  fields.outside = nodeAt(node).outside + nodeAt(next).outside;
  fields.next = nodeAt(next).next;
  let out = payloadOf(target);
  memory.copy(out, payloadOf(node), count);
  memory.copy(out + count, payloadOf(next), nextCount);
  out += count + nextCount;
  memory.copy(out, payloadOf(node) + count, bytes - count);
  memory.copy(out + bytes - count, payloadOf(next) + nextCount, nextBytes - nextCount);
  if (fields.next) nodeAt(fields.next).parent = target;
  eachOutsideOf(partition, target, ON_MOVE, 0, target);
  store<u32>(word, target);
  giveChunk(partition, node);
  giveChunk(partition, next);
}
