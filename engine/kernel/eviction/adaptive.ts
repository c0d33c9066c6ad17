/*
 * The policy `adaptive`, the default: no single manner of S3-FIFO suits scans, loops, and keys that come back at
 * once. So four of them are run on shadows (shadow.ts), fed by a sample of all accesses, and the cache works in the
 * manner whose shadow had the most hits lately. On the traces of docs/BENCHMARKS.md that is worth two points over
 * S3-FIFO or W-TinyLFU, and about as much as knowing for each trace the best of ARC, S3-FIFO and W-TinyLFU
 * beforehand.
 *
 * One for the whole arena, at `Header.adaptive`; a lock of its own, which is only tried: a sample that meets it held is
 * lost. If its holder dies, the manner stays as it is until somebody cleans up after the thread (slots.ts). Nothing is
 * sampled until something was evicted.
 */
import { Address, Header, header } from '../layout';
import { partitionAt } from '../partition';
import { accessShadow, hitsOf, resetShadow, SHADOW_BYTES, SHADOW_ENTRIES } from './shadow';
import { ALL_GHOSTS, FILLS, Manner, manner, NEW_TO_MAIN } from './s3fifo';

const SHADOWS: u32 = 4;

/**
 * Half of a shadow's capacity in accesses is a window; scores are sums over windows, each counting 3% less than the
 * next.
 */
const DECAY: f64 = 0.97;
/** A manner must lead by this many standard deviations of a count of hits. */
const LEAD: f64 = 0.5;
/** Shadows are made anew when the cache holds more or less than by this factor. */
const RESIZE: f64 = 1.5;

@unmanaged
class Adaptive {
  /** 0: free, else the holder's thread slot + 1. */
  lock: u32;
  /** The manner in use. */
  current: u32;
  /** Entries of the whole cache that the shadows stand for, and of each shadow. */
  entries: u32;
  capacity: u32;
  /** Accesses of this window. */
  accesses: u32;
  spare: u32;
}

const SCORES: u32 = 24;
const LAST_HITS: u32 = SCORES + SHADOWS * 8;
const FIRST_SHADOW: u32 = 128;
export const ADAPTIVE_BYTES: u32 = FIRST_SHADOW + SHADOWS * SHADOW_BYTES;

/** For `Header.sampleValue`: no hash matches it. */
const SAMPLE_NONE: u32 = u32.MAX_VALUE;

/** A manner for scans, one for loops, one for keys that come back soon but not at once, and CLOCK. */
function mannerOf(index: u32): Manner {
  if (index == 0) return manner(3277, ALL_GHOSTS, FILLS);
  if (index == 1) return manner(655, ALL_GHOSTS / 4, FILLS);
  if (index == 2) return manner(19661, ALL_GHOSTS, FILLS);
  return manner(0, ALL_GHOSTS, FILLS | NEW_TO_MAIN);
}

@inline
function adaptive(): Adaptive {
  return changetype<Adaptive>(header().adaptive);
}

@inline
function shadow(index: u32): Address {
  return header().adaptive + FIRST_SHADOW + index * SHADOW_BYTES;
}

/** No samples until `startSampling`. For every policy: it is asked at each access. */
export function resetAdaptive(): void {
  const head = header();
  head.sampleMask = 0;
  head.sampleValue = SAMPLE_NONE;
  head.manner = mannerOf(0);
  adaptive().current = 0;
  adaptive().capacity = 0;
}

/** Sees to it that accesses are sampled, once the cache is full: all of them, until the next one makes the shadows. */
@inline
export function startSampling(): void {
  if (header().sampleValue == SAMPLE_NONE) header().sampleValue = 0;
}

/** Begins anew with shadows for a cache of so many entries. The manner stays. */
function resize(entries: u32): void {
  const state = adaptive();
  const head = header();
  let shift: u32 = 0;
  while (entries >> shift > SHADOW_ENTRIES) shift += 1;
  state.entries = entries;
  state.capacity = max<u32>(1, entries >> shift);
  state.accesses = 0;
  for (let i: u32 = 0; i < SHADOWS; i++) {
    resetShadow(shadow(i));
    store<f64>(head.adaptive + SCORES + (i << 3), 0);
    store<u32>(head.adaptive + LAST_HITS + (i << 2), 0);
  }
  head.sampleMask = ((1 as u32) << shift) - 1;
  head.sampleValue = 0;
}

function entriesNow(): u32 {
  const limit = header().maxEntries;
  let entries: u32 = 0;
  for (let i: u32 = 0; i < header().partitionCount; i++) entries += partitionAt(i).entries;
  return limit != 0 && entries > limit - limit / 8 ? limit : max<u32>(entries, 1);
}

/** An access to a key: to be called for every hit, and for every entry that comes. Almost always one comparison. */
@inline
export function sample(thread: u32, hash: u32): void {
  if ((hash & header().sampleMask) == header().sampleValue) access(thread, hash);
}

function access(thread: u32, hash: u32): void {
  const at = header().adaptive;
  if (atomic.cmpxchg<u32>(at, 0, thread + 1) != 0) return;
  const state = adaptive();
  if (state.capacity == 0) resize(entriesNow());
  // Shadows take 0 for no key. All low bits of a sampled hash may be 0.
  for (let i: u32 = 0; i < SHADOWS; i++) accessShadow(shadow(i), mannerOf(i), state.capacity, hash | <u32>(hash == 0));
  state.accesses += 1;
  if (state.accesses >= max<u32>(1, state.capacity / 2)) endWindow();
  atomic.store<u32>(at, 0);
}

/** For a thread that ended: if it did so in the midst of a sample, the shadows are made anew. */
export function abandonSample(thread: u32): void {
  if (atomic.load<u32>(header().adaptive) != thread + 1) return;
  resetAdaptive();
  atomic.store<u32>(header().adaptive, 0);
}

function endWindow(): void {
  const state = adaptive();
  const at = header().adaptive;
  const total = <f64>state.accesses / (1 - DECAY);
  state.accesses = 0;
  let best = state.current;
  for (let i: u32 = 0; i < SHADOWS; i++) {
    const hits = hitsOf(shadow(i));
    const last = at + LAST_HITS + (i << 2);
    const score = load<f64>(at + SCORES + (i << 3)) * DECAY + <f64>(hits - load<u32>(last));
    store<f64>(at + SCORES + (i << 3), score);
    store<u32>(last, hits);
  }
  for (let i: u32 = 0; i < SHADOWS; i++) {
    if (scoreOf(i) > scoreOf(best)) best = i;
  }
  const lead = scoreOf(best) - scoreOf(state.current);
  const rarer = max<f64>(0, min<f64>(scoreOf(best), total - scoreOf(best)));
  if (lead > LEAD * Math.sqrt(rarer)) {
    state.current = best;
    header().manner = mannerOf(best);
  }
  const entries = <f64>entriesNow();
  if (entries > <f64>state.entries * RESIZE || entries * RESIZE < <f64>state.entries) resize(<u32>entries);
}

@inline
function scoreOf(index: u32): f64 {
  return load<f64>(header().adaptive + SCORES + (index << 3));
}
