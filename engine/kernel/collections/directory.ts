/*
 * The directory of a table: the addresses of its buckets, by number. Up to DIRECTORY_SPAN buckets it is one node; then
 * one node of such nodes. It grows by doubling a node, so that a bucket learns of its new parent once or twice.
 * Everything here but `bucketWord` runs under the partition's lock.
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import {
  formatNode,
  isInPages,
  MAX_NODE_PAYLOAD,
  NODE_BYTES,
  NODE_DIRECTORY,
  nodeAt,
  payloadOf,
  replaceNode,
  roomOf,
} from './node';
import { reserve, takeReserved } from './reserve';
import { ROOT_TABLE, rootOf } from './root';

const SPAN_SHIFT: u32 = 10;
/** Buckets of a node: its doubling moves no more, in some tens of microseconds. */
const DIRECTORY_SPAN: u32 = 1 << SPAN_SHIFT;
const MAX_DIRECTORIES: u32 = MAX_NODE_PAYLOAD >> 2;
const FIRST_WORDS: u32 = 8;

/* Results of `bucketWord`, read right after it. */
let directory: Address = 0;

/** The node that holds the word which `bucketWord` found. */
@inline
export function directoryOfWord(): Address {
  return directory;
}

/**
 * Where the address of a bucket's first node stands; 0: what is there makes no sense, for a reader beside a writer.
 * `root`: of the collection.
 */
@inline
export function bucketWord(root: Address, bucket: u32): Address {
  let node = load<u32>(root, ROOT_TABLE);
  if (!isInPages(node)) return 0;
  if (nodeAt(node).next) {
    node = load<u32>(payloadOf(node) + (min<u32>(bucket >> SPAN_SHIFT, MAX_DIRECTORIES - 1) << 2));
    if (!isInPages(node)) return 0;
  }
  directory = node;
  return payloadOf(node) + ((bucket & (DIRECTORY_SPAN - 1)) << 2);
}

/** Makes the directory of a collection have a word for the bucket after the last one; false: it cannot. */
export function addWord(partition: Partition, address: Address, bucket: u32, thread: u32, nowMs: i64): bool {
  const tableWord = rootOf(address) + ROOT_TABLE;
  if (nodeAt(load<u32>(tableWord)).next == 0) {
    if (bucket < DIRECTORY_SPAN) return growWords(partition, tableWord, bucket, DIRECTORY_SPAN, thread, nowMs);
    if (!addLevel(partition, address, tableWord, thread, nowMs)) return false;
  }
  const number = bucket >> SPAN_SHIFT;
  if (number >= MAX_DIRECTORIES) return false;
  if (number >= <u32>nodeAt(load<u32>(tableWord)).count) {
    if (!growWords(partition, tableWord, number, MAX_DIRECTORIES, thread, nowMs)) return false;
    if (!reserve(partition, NODE_BYTES + 4 * FIRST_WORDS, thread, nowMs)) {
      nodeAt(load<u32>(tableWord)).count -= 1;
      return false;
    }
    const top = load<u32>(tableWord);
    store<u32>(payloadOf(top) + (number << 2), openDirectory(partition, top));
  }
  // Not kept over a reservation: it may move.
  return growBelow(partition, tableWord, number, bucket & (DIRECTORY_SPAN - 1), thread, nowMs);
}

/** An empty directory in the chunk that was reserved last. */
export function openDirectory(partition: Partition, parent: Address): Address {
  const node = takeReserved(partition);
  formatNode(node, NODE_DIRECTORY, parent);
  return node;
}

/** Puts a directory of directories above the only one. */
function addLevel(partition: Partition, address: Address, tableWord: Address, thread: u32, nowMs: i64): bool {
  if (!reserve(partition, NODE_BYTES + 4 * FIRST_WORDS, thread, nowMs)) return false;
  const top = openDirectory(partition, address);
  const below = load<u32>(tableWord);
  nodeAt(top).next = 1;
  nodeAt(top).count = 1;
  store<u32>(payloadOf(top), below);
  nodeAt(below).parent = top;
  store<u32>(tableWord, top);
  return true;
}

function growBelow(
  partition: Partition,
  tableWord: Address,
  number: u32,
  index: u32,
  thread: u32,
  nowMs: i64,
): bool {
  const word = payloadOf(load<u32>(tableWord)) + (number << 2);
  const node = load<u32>(word);
  if (index < <u32>nodeAt(node).count) return true;
  if (roomOf(node) < NODE_BYTES + ((index + 1) << 2)) {
    if (!reserve(partition, doubled(index, DIRECTORY_SPAN), thread, nowMs)) return false;
    const again = payloadOf(load<u32>(tableWord)) + (number << 2);
    copyWords(partition, again, takeReserved(partition));
    return addZero(load<u32>(again));
  }
  return addZero(node);
}

/** Makes the node that `word`, which stays where it is, points to have a word more, the one at `index`, and that 0. */
function growWords(partition: Partition, word: Address, index: u32, most: u32, thread: u32, nowMs: i64): bool {
  const node = load<u32>(word);
  if (index < <u32>nodeAt(node).count) return true;
  if (roomOf(node) < NODE_BYTES + ((index + 1) << 2)) {
    if (!reserve(partition, doubled(index, most), thread, nowMs)) return false;
    copyWords(partition, word, takeReserved(partition));
  }
  return addZero(load<u32>(word));
}

@inline
function doubled(words: u32, most: u32): u32 {
  return NODE_BYTES + (min<u32>(max<u32>(words << 1, FIRST_WORDS), most) << 2);
}

function copyWords(partition: Partition, word: Address, target: Address): void {
  const node = load<u32>(word);
  memory.copy(target, node, NODE_BYTES + (<u32>nodeAt(node).count << 2));
  replaceNode(partition, word, node, target);
}

function addZero(node: Address): bool {
  const fields = nodeAt(node);
  store<u32>(payloadOf(node) + (<u32>fields.count << 2), 0);
  fields.count += 1;
  return true;
}
