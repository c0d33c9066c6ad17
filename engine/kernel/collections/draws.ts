/*
 * Many different items by chance, without a walk over all there are: as many are drawn as are wanted, sorted, and those
 * that came twice drawn anew, until all differ. Each set of so many items is as likely as any other. Under the
 * partition's lock.
 */
import { Address } from '../layout';
import { isItemDue } from './body';
import { nextItem, startItems } from './items';
import { randomBelow, randomItem } from './random';

/** Of more than one in so many, a walk over all of them is faster. */
const FEW_SHIFT: u32 = 4;

/** Whether drawing so many of `size` is better than a walk. */
@inline
export function isFew(count: u32, size: u32): bool {
  return count <= size >> FEW_SHIFT || <u64>count * <u64>count <= <u64>size;
}

/** So many draws of fields that have expired for one that has not are too many: a walk over all is better then. */
export const MAX_VAIN_DRAWS: u32 = 64;
/** With fewer in vain that is so unlikely that it costs nothing. */
const MAX_DRAWS: u32 = 1024;

/** A random item of a set or hash that has not expired: there is one. */
export function randomLive(address: Address, nowMs: i64): Address {
  for (let i: u32 = 0; i < MAX_DRAWS; i++) {
    const item = randomItem(address);
    if (!isItemDue(item, nowMs)) return item;
  }
  // Nearly all have just expired, and are about to be removed: a walk, which takes each other one by the same chance.
  let chosen: Address = 0;
  let live: u32 = 0;
  startItems(address);
  for (let item = nextItem(); item; item = nextItem()) {
    if (isItemDue(item, nowMs)) continue;
    live += 1;
    if (randomBelow(live) == 0) chosen = item;
  }
  return chosen;
}

/** Writes the addresses of all items of a set or hash that have not expired, one u32 each. */
export function listLive(address: Address, nowMs: i64, to: Address): void {
  startItems(address);
  for (let item = nextItem(); item; item = nextItem()) {
    if (isItemDue(item, nowMs)) continue;
    store<u32>(to, item);
    to += 4;
  }
}

/**
 * Writes the addresses of so many items of a set or hash that have not expired, one u32 each and in order of them. Of
 * all items at least one in MAX_VAIN_DRAWS must not have expired.
 */
export function drawItems(address: Address, count: u32, nowMs: i64, to: Address): void {
  draw(address, 0, count, nowMs, to);
}

/** Writes so many numbers below `size`, in order. */
export function drawPlaces(size: u32, count: u32, to: Address): void {
  draw(0, size, count, 0, to);
}

function draw(address: Address, size: u32, count: u32, nowMs: i64, to: Address): void {
  let known: u32 = 0;
  while (known < count) {
    for (let i = known; i < count; i++) set(to, i, address ? randomLive(address, nowMs) : randomBelow(size));
    sort(to, count);
    known = 1;
    for (let i: u32 = 1; i < count; i++) {
      if (get(to, i) == get(to, known - 1)) continue;
      set(to, known, get(to, i));
      known += 1;
    }
  }
}

@inline
function get(row: Address, index: u32): u32 {
  return load<u32>(row + (index << 2));
}

@inline
function set(row: Address, index: u32, value: u32): void {
  store<u32>(row + (index << 2), value);
}

/** Heapsort (Williams 1964): in place, and never slow. */
function sort(row: Address, count: u32): void {
  for (let i = count >> 1; i > 0; i--) sink(row, i - 1, count);
  for (let end = count; end > 1; end--) {
    const last = get(row, end - 1);
    set(row, end - 1, get(row, 0));
    set(row, 0, last);
    sink(row, 0, end - 1);
  }
}

/** Lets the value at a place of the heap sink to where none below it is larger. */
function sink(row: Address, place: u32, count: u32): void {
  const value = get(row, place);
  for (;;) {
    let child = (place << 1) + 1;
    if (child >= count) break;
    if (child + 1 < count && get(row, child + 1) > get(row, child)) child += 1;
    if (get(row, child) <= value) break;
    set(row, place, get(row, child));
    place = child;
  }
  set(row, place, value);
}
