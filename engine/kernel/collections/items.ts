/*
 * A walk over all items of a set or hash, or of a sorted set with a table: packed in their order, else by buckets.
 * Under the partition's lock, during which nothing is changed.
 */
import { Address } from '../layout';
import { behindItem } from './body';
import { bucketWord } from './directory';
import { nodeAt, payloadOf } from './node';
import { isRooted, packedBody, packedCount, ROOT_BUCKETS, rootOf } from './root';

/* Where the walk stands. Not state. */
let item: Address = 0;
let left: u32 = 0;
let node: Address = 0;
let root: Address = 0;
let bucket: u32 = 0;
/** The first node, where the walk is over one bucket. */
let chain: Address = 0;

/** Begins a walk over all items. */
export function startItems(address: Address): void {
  node = 0;
  bucket = 0;
  left = 0;
  root = 0;
  chain = 0;
  if (isRooted(address)) {
    root = rootOf(address);
  } else {
    left = packedCount(address);
    item = packedBody(address) + left;
  }
}

/** Begins a walk over the items of one bucket, or with `first` 0 over none; of what is packed, over all. */
export function startBucket(address: Address, first: Address): void {
  startItems(address);
  if (root == 0) return;
  root = 0;
  chain = first;
}

/** The next item; 0: that was all. */
export function nextItem(): Address {
  while (left == 0) {
    node = node ? nodeAt(node).next : chain;
    chain = 0;
    if (node == 0 && root == 0) return 0;
    while (node == 0) {
      if (bucket == load<u32>(root, ROOT_BUCKETS)) return 0;
      node = load<u32>(bucketWord(root, bucket));
      bucket += 1;
    }
    left = nodeAt(node).count;
    item = payloadOf(node) + left;
  }
  const taken = item;
  item = behindItem(taken);
  left -= 1;
  return taken;
}
