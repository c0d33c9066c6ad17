/** What only those arenas have whose creator asked for it, behind the tables of all arenas. */
import { STRUCTURE_BYTES } from './structures.js';

export interface ExtraOptions {
  readonly memoryBytes: number;
  /** Whether threads may keep decoded values (decoded.ts). Default `false`. */
  readonly stamps?: boolean;
  /** Whether objects are stored with record structures (structures.ts). Default `false`. */
  readonly structures?: boolean;
  /** Whether the arena has tables of the slots of keys, for nodes of a cluster. Default `false`. */
  readonly slots?: boolean;
}

export interface ArenaExtras {
  /** There are 2^stampBits stamps (engine/kernel/stamps.ts); 0: none. */
  readonly stampBits: number;
  /** Bytes of the region of structures; 0: none. */
  readonly structureBytes: number;
  /** Bytes of the region of slots (engine/kernel/keyslots.ts); 0: none. */
  readonly slotBytes: number;
}

/** A stamp for so much memory, which is 0.4% of it. With fewer, more keys share each. */
const BYTES_PER_STAMP = 1024;
/** At least one for each of the most partitions there can be, and whole pages of the system. */
const LEAST_STAMP_BITS = 10;
/** 256 KiB: what more of them save in decoding, the cache misses of the writes would cost. */
const MOST_STAMP_BITS = 16;
const STAMP_BYTES = 4;
/** Two numbers of 64 bits for each of 16,384 slots. */
const SLOT_BYTES = 2 * 8 * 16_384;

export function extrasFor({ memoryBytes, stamps, structures, slots }: ExtraOptions): ArenaExtras {
  const bits = Math.floor(Math.log2(memoryBytes / BYTES_PER_STAMP));
  const stampBits = Math.min(MOST_STAMP_BITS, Math.max(LEAST_STAMP_BITS, bits));
  return {
    stampBits: stamps === true ? stampBits : 0,
    structureBytes: structures === true ? STRUCTURE_BYTES : 0,
    slotBytes: slots === true ? SLOT_BYTES : 0,
  };
}

/** Bytes of the budget that they take. */
export function extraBytesOf({ stampBits, structureBytes, slotBytes }: ArenaExtras): number {
  return (stampBits === 0 ? 0 : STAMP_BYTES << stampBits) + structureBytes + slotBytes;
}
