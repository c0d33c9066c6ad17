/*
 * The integrity walk of collections (integrity.ts): whatever the memory holds, it ends, because each node is visited
 * only from the chunk that it calls its parent.
 */
import { CHUNK_HASH, CHUNK_LIST, CHUNK_NODE, CHUNK_SET, CHUNK_ZSET, entryAt, expiryOf, ROOTED } from '../entry';
import { Address } from '../layout';
import { skipValue } from '../msgpack';
import { PAGE_SLAB, pageInfo, pageOf } from '../pages';
import { Partition, partitionIndex } from '../partition';
import { chunkBytesOf, classOfChunk } from '../slab';
import { behindItem, contentOf, expiryOfItem, memberOf, tagOfHash, valueOf } from './body';
import { wholeExpiryOf } from './lifetime';
import { elementBefore, elementBytes, firstIn } from './leaf';
import { hashOfStored, skipMember } from './member';
import {
  CHILD_BYTES,
  isInPages,
  isListed,
  LISTED,
  listedBehind,
  NODE_BRANCH,
  NODE_BYTES,
  NODE_DIRECTORY,
  NODE_LIST,
  NODE_ORDER,
  NODE_OUTSIDE,
  NODE_SPARE,
  NODE_TABLE,
  nodeAt,
  payloadOf,
  roomOf,
  shapeOf,
  shapeOfKind,
} from './node';
import { compareStored, memberOfItem, scoreOfItem } from './order';
import { firstOutside, isOutside, LINK_BYTES, linkedBytes } from './outside';
import {
  isMarked,
  MARKED_ROOT_BYTES,
  packedBody,
  packedBytes,
  packedCount,
  packedHead,
  ROOT_BUCKETS,
  ROOT_BYTES,
  ROOT_COUNT,
  ROOT_EXPIRES,
  ROOT_ITEMS,
  ROOT_TABLE,
  ROOT_TREE,
  rootOf,
  treeCountOf,
} from './root';
import { bucketOfHash } from './table';
import { CHILD_ITEMS, CHILD_SCORE, scoreOf } from './tree';

/** Levels of directories, or of branches. */
const MAX_LEVELS: u32 = 8;

/* Sums of the walk at hand. Not state. */
let chunks: u64 = 0;
let items: u64 = 0;
let bytes: u64 = 0;
/** The bucket that the walk is in, of so many; 0 of them: items are packed. */
let bucket: u32 = 0;
let buckets: u32 = 0;
let kind: u32 = 0;
/** The item before, in a tree; 0: none. */
let lastItem: Address = 0;
/** Fields that expire, by their items, and sums over their names and expiries: by their items, and by the tree. */
let expiring: u64 = 0;
let itemSum: u64 = 0;
let treeSum: u64 = 0;

/** Bytes of the chunks that `isCollectionSound` or `areListsSound` walked over. */
@inline
export function chunksWalked(): u64 {
  return chunks;
}

/** Whether the value of the entry of a collection is well-formed. */
export function isCollectionSound(partition: Partition, address: Address): bool {
  const entry = entryAt(address);
  chunks = 0;
  items = 0;
  bytes = 0;
  lastItem = 0;
  expiring = 0;
  itemSum = 0;
  treeSum = 0;
  kind = entry.kind;
  if (kind < <u32>CHUNK_LIST || kind > <u32>CHUNK_ZSET) return false;
  if (!(entry.flags & ROOTED)) return isPackedSound(address) && isExpirySound(partition, address);
  if (<u32>entry.valueBytes != (isMarked(address) ? MARKED_ROOT_BYTES : ROOT_BYTES)) return false;
  const root = rootOf(address);
  buckets = load<u32>(root, ROOT_BUCKETS);
  const table = load<u32>(root, ROOT_TABLE);
  const tree = load<u32>(root, ROOT_TREE);
  if ((table == 0) != (kind == <u32>CHUNK_LIST) || (table != 0 && buckets == 0)) return false;
  if (tree != 0 && kind == <u32>CHUNK_SET) return false;
  if (table) {
    bucket = 0;
    if (!isDirectorySound(partition, table, address, 0) || bucket < buckets) return false;
    if (items != load<u32>(root, ROOT_COUNT)) return false;
  }
  items = 0;
  if (tree != 0 && !isTreeSound(partition, tree, address, 0)) return false;
  if (tree != 0 && items != treeCountOf(address)) return false;
  return bytes == load<u32>(root, ROOT_ITEMS) && isExpirySound(partition, address);
}

/**
 * Whether the fields that expire are those in the tree, with the same expiries, and the entry's expiry is right. Not
 * while somebody is at it, or has died there: such an entry goes as a whole, and its nodes are in order.
 */
function isExpirySound(partition: Partition, address: Address): bool {
  if (partition.overwriting == address) return true;
  if (isMarked(address) != (expiring != 0)) return false;
  if (entryAt(address).flags & ROOTED && kind == <u32>CHUNK_HASH) {
    if (load<u32>(rootOf(address), ROOT_EXPIRES) != expiring || itemSum != treeSum) return false;
  }
  return expiring == 0 || expiryOf(address) == wholeExpiryOf(address);
}

/** Of a field's name and expiry: what makes two sums over sets of them the same only if the sets are, in effect. */
@inline
function mixed(hash: u32, expiryMs: f64): u64 {
  const word = (reinterpret<u64>(expiryMs) ^ (<u64>hash << 32)) * 0x9e3779b97f4a7c15;
  return (word ^ (word >> 29)) * 0xbf58476d1ce4e5b9;
}

function isPackedSound(address: Address): bool {
  if (<u32>entryAt(address).valueBytes < packedHead(address)) return false;
  buckets = 0;
  const end = packedBody(address) + packedBytes(address);
  const shape = shapeOfKind(kind);
  const count = packedCount(address);
  if (count == 0) return false;
  if (shape == NODE_TABLE) return areItemsSound(packedBody(address), count, end);
  return areInOrder(packedBody(address), count, end, shape);
}

/** Counts a node's chunk; whether it is a node that belongs there, of one of two shapes. */
function isNodeSound(partition: Partition, node: Address, parent: Address, shape: u32, otherShape: u32): bool {
  if (!isInPages(node)) return false;
  const info = pageInfo(pageOf(node));
  if (info.kind != PAGE_SLAB || info.partition != <u16>partitionIndex(partition)) return false;
  const fields = nodeAt(node);
  if (fields.kind != CHUNK_NODE || fields.parent != parent) return false;
  if (<u32>fields.shape != shape && <u32>fields.shape != otherShape) return false;
  chunks += chunkBytesOf(classOfChunk(node));
  return true;
}

function isDirectorySound(partition: Partition, node: Address, parent: Address, depth: u32): bool {
  if (depth > 1 || !isNodeSound(partition, node, parent, NODE_DIRECTORY, NODE_DIRECTORY)) return false;
  const fields = nodeAt(node);
  if (fields.next + depth > 1 || NODE_BYTES + (<u32>fields.count << 2) > roomOf(node)) return false;
  for (let i: u32 = 0; i < <u32>fields.count; i++) {
    const below = load<u32>(payloadOf(node) + (i << 2));
    if (fields.next) {
      if (!isDirectorySound(partition, below, node, depth + 1)) return false;
    } else {
      if (below != 0 && (bucket >= buckets || !isChainSound(partition, below, node))) return false;
      bucket += 1;
    }
  }
  return true;
}

/** The nodes of a bucket. */
function isChainSound(partition: Partition, first: Address, directory: Address): bool {
  let parent = directory;
  for (let node = first; node; node = nodeAt(node).next) {
    if (!isNodeSound(partition, node, parent, NODE_TABLE, NODE_TABLE)) return false;
    const fields = nodeAt(node);
    if (fields.count == 0 || NODE_BYTES + <u32>fields.bytes > roomOf(node)) return false;
    if (!areItemsSound(payloadOf(node), fields.count, payloadOf(node) + fields.bytes)) return false;
    if (fields.outside && !areOutsidesSound(partition, node)) return false;
    items += fields.count;
    bytes += fields.bytes;
    parent = node;
  }
  return true;
}

function areItemsSound(body: Address, count: u32, end: Address): bool {
  let item = body + count;
  for (let i: u32 = 0; i < count; i++) {
    if (item >= end || behindItem(item) > end) return false;
    const member = memberOf(item);
    const value = skipMember(member);
    const behind = behindItem(item);
    if (value > behind || (kind == <u32>CHUNK_SET && value != behind)) return false;
    if (kind == <u32>CHUNK_ZSET && value + 8 != behind) return false;
    if (kind == <u32>CHUNK_HASH && value >= behind) return false;
    const hash = hashOfStored(member);
    if (load<u8>(body + i) != tagOfHash(hash)) return false;
    const expiryMs = expiryOfItem(item);
    if (expiryMs) {
      if (kind != <u32>CHUNK_HASH) return false;
      expiring += 1;
      itemSum += mixed(hash, <f64>expiryMs);
    }
    if (buckets != 0 && bucketOfHash(hash, buckets) != bucket) return false;
    item = behind;
  }
  return item == end;
}

/** The values of a node's items that stand outside. */
function areOutsidesSound(partition: Partition, node: Address): bool {
  const fields = nodeAt(node);
  const isTable = <u32>fields.shape == NODE_TABLE;
  let item = isTable ? payloadOf(node) + <u32>fields.count : firstIn(node);
  let found: u32 = 0;
  const end = node + roomOf(node);
  for (let i: u32 = 0; i < <u32>fields.count; i++) {
    if (item >= end) return false;
    const value = isTable ? valueOf(item) : item;
    if (isOutside(value)) {
      if (!isOutsideSound(partition, value, node)) return false;
      found += 1;
    }
    item = isTable ? behindItem(item) : behindElementIn(item, end);
    if (item == 0) return false;
  }
  return found == fields.outside;
}

function isOutsideSound(partition: Partition, link: Address, owner: Address): bool {
  let parent = owner;
  let seen: u64 = 0;
  for (let node = firstOutside(link); node; node = nodeAt(node).next) {
    if (!isNodeSound(partition, node, parent, NODE_OUTSIDE, NODE_OUTSIDE)) return false;
    if (NODE_BYTES + <u32>nodeAt(node).bytes > roomOf(node)) return false;
    seen += nodeAt(node).bytes;
    parent = node;
  }
  bytes += seen;
  return seen == linkedBytes(link);
}

function isTreeSound(partition: Partition, node: Address, parent: Address, depth: u32): bool {
  const leafShape = kind == <u32>CHUNK_HASH ? NODE_ORDER : shapeOfKind(kind);
  if (depth > MAX_LEVELS || !isNodeSound(partition, node, parent, NODE_BRANCH, leafShape)) return false;
  const fields = nodeAt(node);
  if (fields.count == 0) return false;
  if (<u32>fields.shape != NODE_BRANCH) return isLeafSound(partition, node);
  if (NODE_BYTES + <u32>fields.count * CHILD_BYTES > roomOf(node)) return false;
  for (let i: u32 = 0; i < <u32>fields.count; i++) {
    const child = payloadOf(node) + i * CHILD_BYTES;
    const below = load<u32>(child);
    const before = items;
    if (!isTreeSound(partition, below, node, depth + 1)) return false;
    if (items - before != load<u32>(child, CHILD_ITEMS)) return false;
    const isLeaf = <u32>nodeAt(below).shape != NODE_BRANCH;
    if (fields.next != (isLeaf ? 0 : nodeAt(below).next + 1)) return false;
    if (leafShape == NODE_ORDER && scoreOf(below) != load<f64>(child, CHILD_SCORE)) return false;
  }
  return true;
}

function isLeafSound(partition: Partition, node: Address): bool {
  const fields = nodeAt(node);
  if (<u64>NODE_BYTES + fields.next + fields.bytes > <u64>roomOf(node)) return false;
  if (!areInOrder(firstIn(node), fields.count, firstIn(node) + fields.bytes, fields.shape)) return false;
  if (fields.outside && !areOutsidesSound(partition, node)) return false;
  items += fields.count;
  bytes += fields.bytes;
  return true;
}

/** The address behind an element, which may be anything; 0: it does not end before `end`. */
function behindElementIn(element: Address, end: Address): Address {
  const valueEnd = isOutside(element) ? element + LINK_BYTES : skipValue(element, end);
  if (valueEnd == 0 || valueEnd >= end) return 0;
  const behind = element + elementBytes(valueEnd - element);
  return behind > end ? 0 : behind;
}

function areInOrder(first: Address, count: u32, end: Address, shape: u32): bool {
  let item = first;
  for (let i: u32 = 0; i < count; i++) {
    if (item >= end) return false;
    if (shape == NODE_LIST) {
      const behind = behindElementIn(item, end);
      if (behind == 0 || elementBefore(behind) != item) return false;
      item = behind;
    } else {
      const behind = behindItem(item);
      const content = contentOf(item);
      if (behind > end || skipMember(content + 8) != behind) return false;
      if (lastItem != 0 && !comesBefore(lastItem, item)) return false;
      if (kind == <u32>CHUNK_HASH) treeSum += mixed(hashOfStored(content + 8), load<f64>(content));
      lastItem = item;
      item = behind;
    }
  }
  return item == end;
}

function comesBefore(item: Address, other: Address): bool {
  const score = scoreOfItem(item);
  const otherScore = scoreOfItem(other);
  return score == otherScore ? compareStored(memberOfItem(item), memberOfItem(other)) < 0 : score < otherScore;
}

/** The partition's lists of garbage and of spare nodes. */
export function areListsSound(partition: Partition): bool {
  chunks = 0;
  return isListSound(partition, partition.garbage, false) && isListSound(partition, partition.spareNode, true);
}

function isListSound(partition: Partition, first: Address, isSpare: bool): bool {
  let before: Address = 0;
  for (let node = first; node; node = listedBehind(node)) {
    if (!isInPages(node)) return false;
    const shape = shapeOf(node);
    if (!isListed(node) || (shape == NODE_SPARE) != isSpare) return false;
    if (!isNodeSound(partition, node, before, shape | LISTED, shape | LISTED)) return false;
    if (!isSpare && !countBelow(partition, node, shape, 0)) return false;
    before = node;
  }
  return true;
}

/** Counts the chunks of all that is below a node that is garbage. */
function countBelow(partition: Partition, node: Address, shape: u32, depth: u32): bool {
  if (depth > MAX_LEVELS) return false;
  const fields = nodeAt(node);
  if (shape == NODE_DIRECTORY || shape == NODE_BRANCH) {
    const step: u32 = shape == NODE_DIRECTORY ? 4 : CHILD_BYTES;
    if (NODE_BYTES + <u32>fields.count * step > roomOf(node)) return false;
    for (let i: u32 = 0; i < <u32>fields.count; i++) {
      if (!countChild(partition, load<u32>(payloadOf(node) + i * step), node, depth)) return false;
    }
    return true;
  }
  return shape == NODE_TABLE || shape == NODE_OUTSIDE ? countChain(partition, fields.next, node) : true;
}

/** Counts a chain of nodes, and what their items have outside. */
function countChain(partition: Partition, first: Address, before: Address): bool {
  let parent = before;
  for (let node = first; node; node = nodeAt(node).next) {
    if (!isNodeSound(partition, node, parent, NODE_TABLE, NODE_OUTSIDE)) return false;
    if (!countOutsides(partition, node)) return false;
    parent = node;
  }
  return true;
}

function countOutsides(partition: Partition, node: Address): bool {
  const shape = <u32>nodeAt(node).shape;
  const mayHave = shape == NODE_TABLE || shape == NODE_LIST;
  return mayHave && nodeAt(node).outside ? areOutsidesSound(partition, node) : true;
}

function countChild(partition: Partition, child: Address, parent: Address, depth: u32): bool {
  if (child == 0) return true;
  if (!isInPages(child)) return false;
  const shape = <u32>nodeAt(child).shape;
  if (!isNodeSound(partition, child, parent, shape, shape)) return false;
  return countOutsides(partition, child) && countBelow(partition, child, shape, depth + 1);
}
