/*
 * The members of a set, the fields of a hash, the members of a sorted set with their scores: as long as they are few,
 * a body in the entry (root.ts); else a table of buckets, each a chain of nodes with a body, as a rule one node.
 *
 * The table grows by linear hashing (Litwin, "Linear hashing: a new tool for file and table addressing", 1980): with
 * `buckets` between 2^n and 2^(n+1), those below buckets - 2^n were split already, and a member's bucket is given by
 * the low n + 1 bits of its hash where that is a bucket, else by the low n. So it grows a bucket at a time, and nothing
 * ever takes longer because the table is large. A node is as large as its items, give or take a size class.
 *
 * `findMember` may run beside a writer (read.ts): it follows addresses only into pages, and all its walks are bounded.
 * Everything else runs under the partition's lock, with the entry pinned.
 */
import { CHUNK_ZSET, entryAt, ROOTED } from '../entry';
import { Address, header } from '../layout';
import { Partition } from '../partition';
import { chunkBytesOf, classOf, classOfChunk, giveChunk, takeChunk } from '../slab';
import { entryOf, Slot } from '../table';
import {
  appendToBody,
  behindItem,
  contentOf,
  findInBody,
  foundIndex,
  lengthBytes,
  removeFromBody,
  tagOfHash,
  writeLength,
} from './body';
import { bucketWord, directoryOfWord, openDirectory } from './directory';
import { bytesOfTree, unpackTree } from './expiring';
import { fitEntry, shrinkEntry } from './fit';
import { discard } from './garbage';
import { growTable, putFirst, shrinkTable } from './growth';
import { memberHash } from './member';
import {
  formatNode,
  isInPages,
  MAX_NODE_PAYLOAD,
  Node,
  NODE_BYTES,
  NODE_TABLE,
  nodeAt,
  payloadOf,
  replaceNode,
  roomOf,
} from './node';
import { firstOutside, LINK_BYTES, linkedBytes, linkOf } from './outside';
import { reserve, takeReserved } from './reserve';
import {
  addBytes,
  addCount,
  addPackedCount,
  isRooted,
  isMarked,
  MARKED_ROOT_BYTES,
  ownExpiryOf,
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
  setOwnExpiry,
} from './root';

/** Nodes of a chain, for readers who may meet anything. */
const MAX_CHAIN: u32 = 4096;

/* Of the item that was found or added last. */
let node: Address = 0;
let word: Address = 0;

/** The node that the item found last is in; 0: it is in the entry. */
@inline
export function foundNode(): Address {
  return node;
}

/** The bucket of a hash, of so many. */
@inline
export function bucketOfHash(hash: u32, buckets: u32): u32 {
  const mask = (<u32>2 << (31 - clz(buckets))) - 1;
  const bucket = hash & mask;
  return bucket < buckets ? bucket : bucket & (mask >> 1);
}

/** The item of the member at hand (member.ts); 0: it is not there. */
export function findMember(address: Address): Address {
  node = 0;
  if (!isRooted(address)) return findInBody(packedBody(address), packedCount(address));
  const root = rootOf(address);
  word = bucketWord(root, bucketOfHash(memberHash(), load<u32>(root, ROOT_BUCKETS)));
  if (word == 0) return 0;
  for (let i: u32 = 0; i < MAX_CHAIN; i++) {
    node = load<u32>(word);
    if (!isInPages(node)) return 0;
    const item = findInBody(payloadOf(node), nodeAt(node).count);
    if (item) return item;
    word = node + offsetof<Node>('next');
  }
  return 0;
}

/** Bytes of a body that an item with so much content takes. */
@inline
export function itemBytes(contentBytes: u32): u32 {
  return 1 + lengthBytes(contentBytes) + contentBytes;
}

/**
 * Prepares the addition of an item with so much content: a table where it cannot be packed (`isLong`: its value stands
 * outside), and buckets. False: out of memory, nothing has changed.
 */
export function prepareItem(
  partition: Partition,
  slot: Slot,
  contentBytes: u32,
  isLong: bool,
  thread: u32,
  nowMs: i64,
): bool {
  if (!isRooted(entryOf(slot))) {
    if (!isLong && mayStayPacked(entryOf(slot), 1, itemBytes(contentBytes))) return true;
    if (!makeTable(partition, slot, thread, nowMs)) return false;
  }
  growTable(partition, slot, thread, nowMs);
  return true;
}

/**
 * Makes an item for the member at hand, which is not there, after `prepareItem`: where its content goes, which the
 * caller writes at once. 0: out of memory, nothing has changed.
 */
export function addItem(partition: Partition, slot: Slot, contentBytes: u32, thread: u32, nowMs: i64): Address {
  const more = itemBytes(contentBytes);
  if (!isRooted(entryOf(slot))) return addPacked(partition, slot, contentBytes, more, thread, nowMs);
  if (!makeRoom(partition, slot, more, thread, nowMs)) return 0;
  const fields = nodeAt(node);
  const at = appendToBody(payloadOf(node), fields.count, fields.bytes, tagOfHash(memberHash()));
  fields.count += 1;
  fields.bytes += <u16>more;
  addBytes(partition, entryOf(slot), more);
  countItem(entryOf(slot), 1);
  return writeLength(at, contentBytes);
}

/**
 * Prepares `resizeItem` of an item that is there, as `prepareItem` does an addition: a table where it cannot be packed.
 * False: out of memory, nothing has changed.
 */
export function prepareResize(
  partition: Partition,
  slot: Slot,
  item: Address,
  contentBytes: u32,
  isLong: bool,
  thread: u32,
  nowMs: i64,
): bool {
  if (isRooted(entryOf(slot))) return true;
  const delta = <i32>itemBytes(contentBytes) - 1 - <i32>(behindItem(item) - item);
  if (!isLong && (delta <= 0 || mayStayPacked(entryOf(slot), 0, delta))) return true;
  return makeTable(partition, slot, thread, nowMs);
}

/**
 * Lets the item of the member at hand, which is there, have so much content: where it goes, which the caller writes at
 * once, all of it. What its value had outside is gone. 0: out of memory, nothing has changed. Where the new value
 * stands outside, the collection has a table (`makeTable`).
 *
 * With `keeps` the content stays what it was, at its end, and the caller writes what comes before, if there is more of
 * it; if there is less, that is missing at its beginning.
 */
export function resizeItem(
  partition: Partition,
  slot: Slot,
  contentBytes: u32,
  keeps: bool,
  thread: u32,
  nowMs: i64,
): Address {
  let item = findMember(entryOf(slot));
  const bytes = itemBytes(contentBytes) - 1;
  let delta = <i32>bytes - <i32>(behindItem(item) - item);
  if (delta > 0) {
    if (!isRooted(entryOf(slot)) && !mayStayPacked(entryOf(slot), 0, delta)) {
      if (!makeTable(partition, slot, thread, nowMs)) return 0;
      findMember(entryOf(slot));
    }
    if (node == 0) {
      const valueBytes = packedHead(entryOf(slot)) + packedBytes(entryOf(slot)) + delta;
      if (!fitEntry(partition, slot, valueBytes, thread, nowMs)) return 0;
    } else if (<u32>nodeAt(node).bytes + delta > MAX_NODE_PAYLOAD) {
      return moveItem(partition, slot, contentBytes, keeps, thread, nowMs);
    } else if (NODE_BYTES + <u32>nodeAt(node).bytes + delta > roomOf(node)) {
      if (!reserve(partition, NODE_BYTES + <u32>nodeAt(node).bytes + delta, thread, nowMs)) return 0;
      findMember(entryOf(slot));
      enlarge(partition, takeReserved(partition));
    }
    item = findMember(entryOf(slot));
  }
  const address = entryOf(slot);
  if (!keeps) dropOutside(partition, address, item);
  const behind = behindItem(item);
  const end = node ? payloadOf(node) + <u32>nodeAt(node).bytes : packedBody(address) + packedBytes(address);
  if (delta != 0) {
    const kept = keeps ? min<u32>(behind - contentOf(item), contentBytes) : 0;
    // What has to go first is what the other one would overwrite.
    if (kept != 0 && delta < 0) memory.copy(behind + delta - kept, behind - kept, kept);
    memory.copy(behind + delta, behind, end - behind);
    if (kept != 0 && delta > 0) memory.copy(behind + delta - kept, behind - kept, kept);
  }
  if (node) nodeAt(node).bytes += <u16>delta;
  addBytes(partition, address, delta);
  return writeLength(item, contentBytes);
}

/** `resizeItem` where the item's node would be too large: it gets a node of its own. */
function moveItem(
  partition: Partition,
  slot: Slot,
  contentBytes: u32,
  keeps: bool,
  thread: u32,
  nowMs: i64,
): Address {
  const more = itemBytes(contentBytes);
  if (!reserve(partition, NODE_BYTES + more, thread, nowMs)) return 0;
  const item = findMember(entryOf(slot));
  const kept = keeps ? behindItem(item) - contentOf(item) : 0;
  const link = keeps && nodeAt(node).outside != 0 ? linkOf(item, NODE_TABLE) : 0;
  // Of a spare node only the head is in use.
  memory.copy(payloadOf(partition.spareNode) + more - kept, behindItem(item) - kept, kept);
  takeOut(partition, slot, item, link != 0);
  word = bucketWordAgain(entryOf(slot));
  node = takeReserved(partition);
  formatNode(node, NODE_TABLE, directoryOfWord());
  putFirst(word, node, directoryOfWord());
  nodeAt(node).count = 1;
  nodeAt(node).bytes = <u16>more;
  store<u8>(payloadOf(node), tagOfHash(memberHash()));
  addBytes(partition, entryOf(slot), more);
  countItem(entryOf(slot), 1);
  if (link) {
    nodeAt(node).outside = 1;
    nodeAt(firstOutside(payloadOf(node) + more - LINK_BYTES)).parent = node;
  }
  return writeLength(payloadOf(node) + 1, contentBytes);
}

/** Counts an item that comes or goes. Those of sorted sets are counted in their tree (tree.ts). */
@inline
function countItem(address: Address, by: i32): void {
  if (entryAt(address).kind != CHUNK_ZSET) addCount(address, by);
}

/** Discards what the value of an item that was found has outside, if anything. It stands in the item no more. */
function dropOutside(partition: Partition, address: Address, item: Address): void {
  if (node == 0 || nodeAt(node).outside == 0) return;
  const link = linkOf(item, NODE_TABLE);
  if (link == 0) return;
  nodeAt(node).outside -= 1;
  addBytes(partition, address, -<i32>linkedBytes(link));
  discard(partition, firstOutside(link));
}

/** Whether a packed collection may have so many items and bytes more, and be packed. */
@inline
export function mayStayPacked(address: Address, items: u32, bytes: u32): bool {
  const head = header();
  return packedCount(address) + items <= head.packedItems && packedBytes(address) + bytes <= head.packedBytes;
}

function addPacked(partition: Partition, slot: Slot, bytes: u32, more: u32, thread: u32, nowMs: i64): Address {
  const old = entryOf(slot);
  const address = fitEntry(partition, slot, packedHead(old) + packedBytes(old) + more, thread, nowMs);
  if (address == 0) return 0;
  node = 0;
  const at = appendToBody(packedBody(address), packedCount(address), packedBytes(address), tagOfHash(memberHash()));
  addBytes(partition, address, more);
  addPackedCount(address, 1);
  return writeLength(at, bytes);
}

/** Lets a packed collection have a table, of one bucket. False: out of memory. */
export function makeTable(partition: Partition, slot: Slot, thread: u32, nowMs: i64): bool {
  const before = entryOf(slot);
  const bytes = packedBytes(before);
  const hasItems = bytes != 0;
  const treeBytes = isMarked(before) ? bytesOfTree(before) : 0;
  const rootBytes = isMarked(before) ? MARKED_ROOT_BYTES : ROOT_BYTES;
  if (!fitEntry(partition, slot, max<u32>(packedHead(before) + bytes, rootBytes), thread, nowMs)) return false;
  if (treeBytes != 0 && !reserve(partition, NODE_BYTES + treeBytes, thread, nowMs)) return false;
  if (hasItems && !reserve(partition, NODE_BYTES + bytes, thread, nowMs)) return false;
  if (!reserve(partition, NODE_BYTES + 4, thread, nowMs)) return false;
  const address = entryOf(slot);
  const directory = openDirectory(partition, address);
  nodeAt(directory).count = 1;
  store<u32>(payloadOf(directory), hasItems ? unpackBody(partition, address, directory, bytes) : 0);
  const leaf = treeBytes ? unpackTree(partition, address) : 0;
  makeRoot(partition, address, bytes);
  store<u32>(rootOf(address), directory, ROOT_TABLE);
  store<u32>(rootOf(address), 1, ROOT_BUCKETS);
  if (leaf) {
    store<u32>(rootOf(address), leaf, ROOT_TREE);
    store<u32>(rootOf(address), nodeAt(leaf).count, ROOT_EXPIRES);
    addBytes(partition, address, treeBytes);
  }
  shrinkEntry(partition, slot);
  return true;
}

/** The body of a packed collection as a node, in the chunk that was reserved last. */
function unpackBody(partition: Partition, address: Address, parent: Address, bytes: u32): Address {
  const target = takeReserved(partition);
  formatNode(target, NODE_TABLE, parent);
  const fields = nodeAt(target);
  fields.count = <u16>packedCount(address);
  fields.bytes = <u16>bytes;
  memory.copy(payloadOf(target), packedBody(address), bytes);
  return target;
}

/**
 * Puts a root in the place of what is packed, with its count, and `bytes` for that of its items. It leads nowhere yet.
 */
export function makeRoot(partition: Partition, address: Address, bytes: u32): void {
  const count = packedCount(address);
  const marked = isMarked(address);
  const own = marked ? ownExpiryOf(address) : 0;
  // The head of what is packed goes; the root counts no bytes of its own.
  addBytes(partition, address, -<i32>packedHead(address));
  const entry = entryAt(address);
  entry.valueBytes = <u16>(marked ? MARKED_ROOT_BYTES : ROOT_BYTES);
  entry.flags |= ROOTED;
  const root = rootOf(address);
  store<u32>(root, count, ROOT_COUNT);
  store<u32>(root, bytes, ROOT_ITEMS);
  store<u32>(root, 0, ROOT_TABLE);
  store<u32>(root, 0, ROOT_BUCKETS);
  store<u32>(root, 0, ROOT_TREE);
  store<u32>(root, 0, ROOT_EXPIRES);
  if (marked) setOwnExpiry(address, own);
}

/** Looks for a node in the bucket of the member at hand that so many bytes can be added to: `node` and `word`. */
function lookForRoom(address: Address, more: u32): void {
  const root = rootOf(address);
  word = bucketWord(root, bucketOfHash(memberHash(), load<u32>(root, ROOT_BUCKETS)));
  node = load<u32>(word);
  while (node != 0 && <u32>nodeAt(node).bytes + more > MAX_NODE_PAYLOAD) {
    word = node + offsetof<Node>('next');
    node = load<u32>(word);
  }
}

/** Lets the bucket of the member at hand have a node, `node`, with room for so many bytes. False: out of memory. */
function makeRoom(partition: Partition, slot: Slot, more: u32, thread: u32, nowMs: i64): bool {
  lookForRoom(entryOf(slot), more);
  const bytes = NODE_BYTES + more + (node ? <u32>nodeAt(node).bytes : 0);
  if (node != 0 && bytes <= roomOf(node)) return true;
  if (!reserve(partition, bytes, thread, nowMs)) return false;
  lookForRoom(entryOf(slot), more);
  if (node) {
    enlarge(partition, takeReserved(partition));
  } else {
    const isFirst = word == bucketWordAgain(entryOf(slot));
    node = takeReserved(partition);
    formatNode(node, NODE_TABLE, isFirst ? directoryOfWord() : word - offsetof<Node>('next'));
    store<u32>(word, node);
  }
  return true;
}

@inline
function bucketWordAgain(address: Address): Address {
  const root = rootOf(address);
  return bucketWord(root, bucketOfHash(memberHash(), load<u32>(root, ROOT_BUCKETS)));
}

/** Moves `node` to a chunk of another size. */
@inline
function enlarge(partition: Partition, target: Address): void {
  memory.copy(target, node, NODE_BYTES + <u32>nodeAt(node).bytes);
  replaceNode(partition, word, node, target);
  node = target;
}

/** Takes away the item that `findMember` found, and what its value has outside. */
export function removeItem(partition: Partition, slot: Slot, item: Address): void {
  takeOut(partition, slot, item, false);
}

/** `removeItem`. `keepsOutside`: what the value has outside, which it has, becomes another item's. */
function takeOut(partition: Partition, slot: Slot, item: Address, keepsOutside: bool): void {
  const address = entryOf(slot);
  const less = 1 + (behindItem(item) - item);
  if (node == 0) {
    removeFromBody(packedBody(address), packedCount(address), packedBytes(address), item, foundIndex());
    addBytes(partition, address, -<i32>less);
    addPackedCount(address, -1);
    return;
  }
  const fields = nodeAt(node);
  if (keepsOutside) fields.outside -= 1;
  else dropOutside(partition, address, item);
  addBytes(partition, address, -<i32>less);
  countItem(address, -1);
  removeFromBody(payloadOf(node), fields.count, fields.bytes, item, foundIndex());
  fields.count -= 1;
  fields.bytes -= <u16>less;
  if (fields.count == 0) {
    const next = fields.next;
    store<u32>(word, next);
    if (next) nodeAt(next).parent = fields.parent;
    giveChunk(partition, node);
  } else {
    shrinkNode(partition);
  }
  shrinkTable(partition, slot);
}

/** A node is moved to a smaller chunk when it takes less than this many eighths of its own. */
const FULL_EIGHTHS: u32 = 6;

/** Moves `node` to a smaller chunk, if it has become small and there is one to be had without evicting anything. */
function shrinkNode(partition: Partition): void {
  const bytes = NODE_BYTES + <u32>nodeAt(node).bytes;
  if (bytes << 3 >= chunkBytesOf(classOfChunk(node)) * FULL_EIGHTHS) return;
  const target = takeChunk(partition, classOf(bytes));
  if (target) enlarge(partition, target);
}
