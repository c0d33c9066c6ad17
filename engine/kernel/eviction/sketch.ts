/*
 * A sketch of how often keys were used lately: a count-min sketch of 4-bit counters with conservative update (Estan,
 * Varghese 2002) and ageing by halving (TinyLFU: Einziger, Friedman, Manes, 2017). Eight counters for each entry.
 *
 * A unit of the side table is four rows of 32 counters, so that a key's four counters lie in one cache line.
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import { mixed, unitFor, UNIT_BYTES, unitsOfBlock, unitsStart, wantUnits } from './sidetable';

const COUNTERS_PER_UNIT: u32 = UNIT_BYTES * 2;
const COUNTERS_PER_ENTRY: u32 = 8;
/** A small sketch has too many collisions to tell a loop's keys from each other. */
const MIN_UNITS: u32 = 64;
const ROWS: u32 = 4;
const MAX_COUNT: u32 = 15;
/**
 * The counters are halved after so many additions per entry. Of 8 to 18 measured; some others keep step with loops of
 * certain lengths and forget each key just before it comes again.
 */
const PERIOD: u32 = 12;
/** A cache that has just been emptied is not aged at each addition. */
const MIN_PERIOD_ENTRIES: u32 = 16;
/** Blocks of 8 KiB halved in one go, some 50 us; the rest at the following additions. */
const BLOCKS_AT_ONCE: u32 = 128;
const NOT_AGEING: u32 = u32.MAX_VALUE;

/** Asks for a sketch that fits so many entries. */
@inline
export function wantSketch(partition: Partition, entries: u32): void {
  wantUnits(partition, max<u32>(MIN_UNITS, (entries * COUNTERS_PER_ENTRY + COUNTERS_PER_UNIT - 1) / COUNTERS_PER_UNIT));
}

/** The counter of a row in a unit: its index among the unit's 128. */
@inline
function counterIn(spread: u32, row: u32): u32 {
  return (row << 5) | ((spread >> (row * 5)) & 31);
}

@inline
function spreadOf(mixedHash: u32): u32 {
  // Bits for the rows that say nothing about the unit, which the high bits choose.
  return (mixedHash * 0xc2b2ae3d) >> 8;
}

@inline
function countAt(unit: Address, counter: u32): u32 {
  return (<u32>load<u8>(unit + (counter >> 1)) >> ((counter & 1) << 2)) & 15;
}

/** How often the key was used lately, 0 to 15. */
export function frequency(partition: Partition, hash: u32): u32 {
  const x = mixed(hash);
  const unit = unitFor(partition, x);
  return unit ? leastCount(unit, spreadOf(x)) : 0;
}

@inline
function leastCount(unit: Address, spread: u32): u32 {
  let least = MAX_COUNT;
  for (let row: u32 = 0; row < ROWS; row++) least = min<u32>(least, countAt(unit, counterIn(spread, row)));
  return least;
}

/** Counts one use of the key. */
export function countUse(partition: Partition, hash: u32): void {
  const x = mixed(hash);
  const unit = unitFor(partition, x);
  if (unit == 0) return;
  const spread = spreadOf(x);
  const least = leastCount(unit, spread);
  if (least < MAX_COUNT) {
    for (let row: u32 = 0; row < ROWS; row++) {
      const counter = counterIn(spread, row);
      if (countAt(unit, counter) != least) continue;
      const at = unit + (counter >> 1);
      store<u8>(at, <u8>(<u32>load<u8>(at) + (1 << ((counter & 1) << 2))));
    }
  }
  partition.sketchAdded += 1;
  if (partition.ageingBlock != NOT_AGEING || partition.sketchAdded >= periodOf(partition)) age(partition);
}

@inline
function periodOf(partition: Partition): u32 {
  return max<u32>(partition.entries, MIN_PERIOD_ENTRIES) * PERIOD;
}

/** Halves the counters, some blocks at a time. */
function age(partition: Partition): void {
  if (partition.ageingBlock == NOT_AGEING) {
    partition.ageingBlock = 0;
    partition.sketchAdded >>= 1;
  }
  const end = min<u32>(partition.ageingBlock + BLOCKS_AT_ONCE, partition.tableBlocks);
  for (let block = partition.ageingBlock; block < end; block++) {
    // What odd counters lose in halving, a use lost in four counters, does not count as added (so Caffeine has it).
    partition.sketchAdded -= min<u32>(partition.sketchAdded, halve(partition, block) / ROWS);
  }
  partition.ageingBlock = end == partition.tableBlocks ? NOT_AGEING : end;
}

/** Halves the counters of a block; how many of them were odd. */
function halve(partition: Partition, block: u32): u32 {
  const start = unitsStart(partition, block);
  const end = start + unitsOfBlock(partition, block) * UNIT_BYTES;
  let odd: u32 = 0;
  for (let at = start; at < end; at += 8) {
    const counters = load<u64>(at);
    odd += <u32>popcnt(counters & 0x1111111111111111);
    store<u64>(at, (counters >> 1) & 0x7777777777777777);
  }
  return odd;
}

/** For a partition without entries. */
export function resetSketch(partition: Partition): void {
  partition.sketchAdded = 0;
  partition.ageingBlock = NOT_AGEING;
}
