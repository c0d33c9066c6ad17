/**
 * Versions of entries. Those of a node that is one of several are stamps
 * (engine/kernel/hybridclock.ts), which no number holds, but a bigint does.
 */
import type { Version } from './api.js';
import { type Arena, unsigned } from './arena.js';

/** For a version as an argument of the kernel: it stands in the scratch. */
const IN_SCRATCH = -1;

/** The thread's scratch, through which host and kernel give each other versions. */
export class VersionScratch {
  readonly #scratch: BigUint64Array;

  constructor({ kernel, slot, reply }: Arena) {
    this.#scratch = new BigUint64Array(reply.buffer, unsigned(kernel.stampedAt(slot)), 1);
  }

  /** What the kernel left there. */
  read(): Version {
    const version = this.#scratch[0]!;
    return version > Number.MAX_SAFE_INTEGER ? version : Number(version);
  }

  /** A version as the kernel takes it, in the call right after this. */
  argumentOf(version: Version): number {
    if (typeof version === 'number') return version;
    this.#scratch[0] = version;
    return IN_SCRATCH;
  }
}
