/*
 * Nodes: the chunks that large collections are made of, and those that hold values which are too long to stand among
 * the items of a node. All of them begin alike:
 *
 *   +0  parent   u32   the chunk that points here: a node, or the entry
 *   +4  kind     u8    CHUNK_NODE
 *   +5  shape    u8    what it is, see below
 *   +6  count    u16   items, addresses or children in it
 *   +8  next     u32   NODE_TABLE, NODE_OUTSIDE: the node behind; leaves: where their items begin, from +16 on;
 *                      NODE_DIRECTORY, NODE_BRANCH: how many levels of their like are below
 *   +12 bytes    u16   of what follows, in use
 *   +14 outside  u16   items whose value stands outside
 *   +16 payload
 *
 *   NODE_TABLE      a body of tags and items (body.ts): the members or fields of one bucket (table.ts)
 *   NODE_DIRECTORY  u32 x count, addresses of NODE_TABLEs by number of bucket, 0: none; or of directories
 *   NODE_LIST       elements of a list, in order
 *   NODE_ORDER      members of a sorted set with their scores, in order
 *   NODE_BRANCH     children of a tree (tree.ts)
 *   NODE_OUTSIDE    bytes of a value (outside.ts)
 *   NODE_SPARE      nothing: reserved for a change that is about to be made (reserve.ts)
 *
 * Every node is pointed to by one chunk, its parent, and knows it: so nodes can be moved like all other chunks
 * (vacate.ts), and an integrity walk is a walk down a tree, whatever it meets.
 *
 * A LISTED node is in one of the partition's two lists instead, of spare nodes and of garbage (garbage.ts), which are
 * doubly linked: `parent` is the one before, and at +12 stands the one behind.
 *
 * Everything here runs under the partition's lock.
 */
import { CHUNK_LIST, CHUNK_NODE, CHUNK_ZSET, entryAt, isEntryKind, ROOTED } from '../entry';
import { Address, header, MAX_CHUNK } from '../layout';
import { pageAddress } from '../pages';
import { Partition } from '../partition';
import { chunkBytesOf, classOfChunk, giveChunk } from '../slab';
import { discard } from './garbage';
import { eachOutside } from './outside';
import { ROOT_TABLE, ROOT_TREE, rootOf } from './root';

export const NODE_TABLE: u32 = 1;
export const NODE_LIST: u32 = 2;
export const NODE_ORDER: u32 = 3;
export const NODE_DIRECTORY: u32 = 4;
export const NODE_BRANCH: u32 = 5;
export const NODE_OUTSIDE: u32 = 6;
export const NODE_SPARE: u32 = 7;
export const LISTED: u32 = 0x80;

export const NODE_BYTES: u32 = 16;
/** What a node may hold. */
export const MAX_NODE_PAYLOAD: u32 = MAX_CHUNK - NODE_BYTES;
/** Bytes of a child in a branch: its address, u32, the items below it, u32, and their least score, f64. */
export const CHILD_BYTES: u32 = 16;

@unmanaged
export class Node {
  parent: Address;
  kind: u8;
  shape: u8;
  count: u16;
  next: Address;
  bytes: u16;
  outside: u16;
}

@inline
export function nodeAt(address: Address): Node {
  return changetype<Node>(address);
}

/** The first byte of what a node holds. */
@inline
export function payloadOf(node: Address): Address {
  return node + NODE_BYTES;
}

/** The shape of a node, in a list or not. */
@inline
export function shapeOf(node: Address): u32 {
  return <u32>nodeAt(node).shape & ~LISTED;
}

@inline
export function isListed(node: Address): bool {
  return (<u32>nodeAt(node).shape & LISTED) != 0;
}

/** The one behind in the list of a LISTED node. */
@inline
export function listedBehind(node: Address): Address {
  return load<u32>(node, offsetof<Node>('bytes'));
}

@inline
export function setListedBehind(node: Address, behind: Address): void {
  store<u32>(node, behind, offsetof<Node>('bytes'));
}

/** Bytes that a node's chunk has. */
@inline
export function roomOf(node: Address): u32 {
  return chunkBytesOf(classOfChunk(node));
}

/** Whether an address can be a node's, for readers without the lock: what is read there is garbage at the worst. */
@inline
export function isInPages(address: Address): bool {
  return address >= pageAddress(header().firstPage) && address < header().endAddress;
}

/** Makes a chunk an empty node. */
@inline
export function formatNode(node: Address, shape: u32, parent: Address): void {
  const fields = nodeAt(node);
  fields.parent = parent;
  fields.kind = CHUNK_NODE;
  fields.shape = <u8>shape;
  fields.count = 0;
  fields.next = 0;
  fields.bytes = 0;
  fields.outside = 0;
}

/* What is done with a chunk that another one points to. */
/** It learns that the other one has moved. */
export const ON_MOVE: u32 = 1;
/** The other one learns that it has moved. */
export const ON_REPLACE: u32 = 2;
/** It becomes garbage. */
export const ON_DISCARD: u32 = 3;

/** Does that with what the word at `at` points to, if anything. */
export function onChild(partition: Partition, at: Address, action: u32, from: Address, to: Address): void {
  const child = load<u32>(at);
  if (child == 0) return;
  if (action == ON_MOVE) nodeAt(child).parent = to;
  else if (action == ON_DISCARD) discard(partition, child);
  else if (child == from) store<u32>(at, to);
}

/** Does that with every node below another one. */
function eachBelow(partition: Partition, node: Address, action: u32, from: Address, to: Address): void {
  const shape = shapeOf(node);
  if (shape == NODE_TABLE || shape == NODE_OUTSIDE) {
    onChild(partition, node + offsetof<Node>('next'), action, from, to);
  } else if (shape == NODE_DIRECTORY || shape == NODE_BRANCH) {
    const step: u32 = shape == NODE_DIRECTORY ? 4 : CHILD_BYTES;
    const end = payloadOf(node) + <u32>nodeAt(node).count * step;
    for (let at = payloadOf(node); at < end; at += step) onChild(partition, at, action, from, to);
  }
}

/** Does that with every value outside of a node's items. The node is in no list. */
export function eachOutsideOf(partition: Partition, node: Address, action: u32, from: Address, to: Address): void {
  const fields = nodeAt(node);
  const shape = <u32>fields.shape;
  if (fields.outside == 0 || (shape != NODE_TABLE && shape != NODE_LIST)) return;
  const first = shape == NODE_TABLE ? payloadOf(node) : payloadOf(node) + fields.next;
  eachOutside(partition, first, fields.count, shape, action, from, to);
}

/** Does that with every node that an entry points to: one that is ROOTED points to some. */
export function eachOfEntry(partition: Partition, address: Address, action: u32, from: Address, to: Address): void {
  if (!(entryAt(address).flags & ROOTED)) return;
  const root = rootOf(address);
  onChild(partition, root + ROOT_TABLE, action, from, to);
  onChild(partition, root + ROOT_TREE, action, from, to);
}

/** A node was copied to another chunk: whoever knows its address is told. */
export function nodeMoved(partition: Partition, from: Address, to: Address): void {
  const parent = nodeAt(to).parent;
  if (isListed(to)) {
    const behind = listedBehind(to);
    if (behind) nodeAt(behind).parent = to;
    if (parent) setListedBehind(parent, to);
    else if (shapeOf(to) == NODE_SPARE) partition.spareNode = to;
    else partition.garbage = to;
  } else {
    if (isEntryKind(entryAt(parent).kind)) {
      eachOfEntry(partition, parent, ON_REPLACE, from, to);
    } else {
      eachBelow(partition, parent, ON_REPLACE, from, to);
      eachOutsideOf(partition, parent, ON_REPLACE, from, to);
    }
    eachOutsideOf(partition, to, ON_MOVE, from, to);
  }
  eachBelow(partition, to, ON_MOVE, from, to);
}

/** Puts a copy of a node, in a chunk that was just taken, in its place: `word` points to it. The old chunk is freed. */
export function replaceNode(partition: Partition, word: Address, from: Address, to: Address): void {
  store<u32>(word, to);
  eachOutsideOf(partition, to, ON_MOVE, from, to);
  eachBelow(partition, to, ON_MOVE, from, to);
  giveChunk(partition, from);
}

/** The entry of a collection was copied to another chunk. */
@inline
export function collectionMoved(partition: Partition, to: Address): void {
  eachOfEntry(partition, to, ON_MOVE, 0, to);
}

/** The shape of the node that the items of a packed collection would be in. */
@inline
export function shapeOfKind(kind: u32): u32 {
  if (kind == CHUNK_LIST) return NODE_LIST;
  return kind == CHUNK_ZSET ? NODE_ORDER : NODE_TABLE;
}
