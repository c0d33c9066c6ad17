/*
 * Random items of sets and hashes, each as likely as any other. Under the partition's lock.
 */
import { Address, header } from '../layout';
import { itemIn } from './body';
import { bucketWord } from './directory';
import { nodeAt, payloadOf } from './node';
import { isRooted, packedBody, packedCount, ROOT_BUCKETS, rootOf } from './root';

/**
 * SplitMix64's state (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014); each thread's own.
 */
let state: u64 = 0;

/** To be called before numbers are drawn, once for each command. */
@inline
export function seedRandom(thread: u32, nowMs: i64): void {
  if (state == 0) state = (<u64>header().hashSeed << 32) ^ (<u64>thread << 48) ^ <u64>nowMs;
}

/** A number below `end`. */
export function randomBelow(end: u32): u32 {
  state += 0x9e3779b97f4a7c15;
  let z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  // The product's high half; what is uneven about it is far below what anybody can count.
  return <u32>((((z ^ (z >> 31)) >> 32) * <u64>end) >> 32);
}

/**
 * Places that each bucket is taken to have: more than any has items, but for buckets of items of very uneven length.
 */
const PLACES: u32 = 64;
/** Draws that may find nothing. A table that is not being emptied has an item in one place of four. */
const MAX_DRAWS: u32 = 512;

/** A random item of a set or hash, which has one. */
export function randomItem(address: Address): Address {
  if (!isRooted(address)) {
    const count = packedCount(address);
    return itemIn(packedBody(address), count, randomBelow(count));
  }
  const root = rootOf(address);
  const buckets = load<u32>(root, ROOT_BUCKETS);
  for (let i: u32 = 0; i < MAX_DRAWS; i++) {
    const first = load<u32>(bucketWord(root, randomBelow(buckets)));
    const items = itemsOf(first);
    const place = randomBelow(max<u32>(items, PLACES));
    if (place < items) return itemOfChain(first, place);
  }
  // Nearly empty: the next item there is, from a random bucket on.
  let bucket = randomBelow(buckets);
  let first = load<u32>(bucketWord(root, bucket));
  while (first == 0) {
    bucket = bucket + 1 == buckets ? 0 : bucket + 1;
    first = load<u32>(bucketWord(root, bucket));
  }
  return itemOfChain(first, randomBelow(itemsOf(first)));
}

/** Items of a bucket. */
function itemsOf(first: Address): u32 {
  let items: u32 = 0;
  for (let node = first; node; node = nodeAt(node).next) items += nodeAt(node).count;
  return items;
}

function itemOfChain(first: Address, place: u32): Address {
  let node = first;
  while (place >= <u32>nodeAt(node).count) {
    place -= nodeAt(node).count;
    node = nodeAt(node).next;
  }
  return itemIn(payloadOf(node), nodeAt(node).count, place);
}
