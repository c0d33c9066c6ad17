/**
 * The arena: one shared WebAssembly memory (its `.buffer` is a SharedArrayBuffer) and this thread's
 * instance of the kernel on it. Everything that outlives a call lies in that memory; an `Arena`
 * holds only views, addresses and a thread slot.
 */

import { Buffer } from 'node:buffer';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ArenaStats, readStats } from './arena-stats.js';
import { errorFromWire, SlabringError } from './errors.js';
import { type ArenaExtras, type ExtraOptions, extraBytesOf, extrasFor } from './extras.js';
import { fence } from './fence.js';
import {
  BLOCK_WORDS,
  INTEGRITY_RULES,
  KERNEL_ERROR_TEXTS,
  type KernelExports,
} from './kernel-exports.js';
import { declareEnded, isThreadGone, ownIdentity } from './liveness.js';
import { constantOf, writeTables } from './tables.js';

export type { KernelExports } from './kernel-exports.js';

/** Eviction policies, the default first. What they are for: `CacheOptions` in config.ts. */
export const POLICIES = ['adaptive', 's3fifo', 'clock', 'lru', 'lfu', 'none'] as const;
export type Policy = (typeof POLICIES)[number];

export interface ArenaOptions extends ExtraOptions {
  /** Hard budget in bytes for index, entries and bookkeeping; thread areas come on top. */
  readonly memoryBytes: number;
  /**
   * A power of two up to 256. Default: from the memory and `maxEntries`, see `defaultPartitions`.
   */
  readonly partitions?: number;
  readonly policy: Policy;
  /** At most this many entries. Default: as many as fit. */
  readonly maxEntries?: number;
  /** The largest value in bytes (as msgpack), up to MAX_VALUE_BYTES. */
  readonly maxValueBytes: number;
  /** Threads that may be attached at once, up to MAX_THREADS. */
  readonly maxThreads: number;
  /** Namespaces that there may be, up to MAX_NAMESPACES. Default 0. */
  readonly maxNamespaces?: number;
  /** Items and bytes up to which a collection is packed. Default as in `CacheOptions`. */
  readonly packedItems?: number;
  readonly packedBytes?: number;
  /**
   * The node of several that the arena belongs to, 0 to MAX_NODE: entries have stamps, and
   * `maxNamespaces` is 0 (engine/kernel/hybridclock.ts). Default: it is the only one.
   */
  readonly node?: number | undefined;
  /** How long it is remembered that another node deleted a key. Default TOMBSTONE_MS. */
  readonly tombstoneMs?: number | undefined;
}

/** What another thread needs to attach; passes through `workerData` and `postMessage`. */
export interface ArenaHandle {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly facts: ArenaFacts;
}

export interface ArenaFacts extends ArenaExtras {
  readonly memoryBytes: number;
  readonly partitions: number;
  readonly policy: Policy;
  readonly maxEntries: number | undefined;
  readonly maxValueBytes: number;
  readonly maxThreads: number;
  readonly maxNamespaces: number;
  readonly packedItems: number;
  readonly packedBytes: number;
  readonly node: number | undefined;
  readonly tombstoneMs: number;
  /** Size of the request and of the reply area of each thread. */
  readonly areaBytes: number;
}

export type { ArenaStats } from './arena-stats.js';

const KIB = 1024;
const MIB = 1024 * KIB;
export const PAGE_BYTES = 64 * KIB;

/**
 * Of one arena. A 32-bit memory ends at 4 GiB; thread areas and the guard page take some of it.
 * More takes several arenas (arena-set.ts).
 */
export const MAX_MEMORY_BYTES = 4096 * MIB - 256 * MIB;
/** More partitions than this bring no less contention with the 64 threads there can be. */
export const MAX_PARTITIONS = 256;
export const MAX_VALUE_BYTES = 64 * MIB;
/**
 * Up to this, a value crosses the border to the kernel in one piece, through an area that every
 * thread has. The host copies larger ones into the arena and out of it (large.ts).
 */
const AREA_VALUE_BYTES = 1 * MIB;
/**
 * What an area holds beside one such value: its key (up to 64 KiB) and the command around them.
 */
export const AREA_MARGIN_BYTES = 128 * KIB;
/**
 * Address space for thread areas is reserved, not committed, so slots are nearly free; 64 covers
 * any machine's cores.
 */
export const MAX_THREADS = 64;

/** Each has 160 bytes in every partition: so many, 2% of the 8 MiB that one has by default. */
/** The kernel's limits: arena.ts there says why. */
export const MAX_PACKED_ITEMS = 1024;
export const MAX_PACKED_BYTES = 4096;
/** As many as a lookup compares in eight steps, and bytes that are moved in some tens of ns. */
export const DEFAULT_PACKED_ITEMS = 128;
export const DEFAULT_PACKED_BYTES = 2048;
export const MAX_NAMESPACES = 1024;
/** A stamp has 10 bits for it. */
export const MAX_NODE = 1023;
/** Ten minutes: a write that is under way longer between nodes is repaired by other means. */
export const TOMBSTONE_MS = 600_000;
/** A day: they take memory. */
export const MAX_TOMBSTONE_MS = 86_400_000;

/**
 * The first version handed out is the time of creation in ms times this: versions do not repeat
 * after a restart.
 */
const VERSIONS_PER_MS = 1024;

let compiled: WebAssembly.Module | undefined;

/** The kernel, compiled once. */
export function kernelModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(new URL('./kernel.wasm', import.meta.url)));
  return compiled;
}

/** An instance of the kernel for this thread. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  // Looked up at each call, so that a test that replaces the clock replaces it here too.
  const now = () => Date.now();
  const words = new Int32Array(memory.buffer);
  const sleep = (address: number, expected: number, timeoutMs: number) => {
    Atomics.wait(words, address >>> 2, expected, timeoutMs);
  };
  const instance = new WebAssembly.Instance(module, {
    env: { memory, fence, now, sleep, isThreadGone },
  });
  const kernel = instance.exports as unknown as KernelExports;
  // The CPUs whose loads stay in order: see engine/kernel/lock.ts.
  kernel.setStrongOrder(process.arch === 'x64' || process.arch === 'ia32' ? 1 : 0);
  return kernel;
}

let planning: KernelExports | undefined;

/** An instance that sizes are asked of before there is the memory that they are for. */
function plannerOf(module: WebAssembly.Module): KernelExports {
  planning ??= instantiate(
    module,
    new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true }),
  );
  return planning;
}

/** An address as the kernel returns it, i32, as the unsigned number it is. */
export const unsigned = (address: number): number => address >>> 0;

/**
 * Partitions for a memory: one per 8 MiB up to 64, so that the half empty slab pages of each size
 * class are few beside the full ones (values of 200 to 800 bytes use 73% of the slabs' bytes with 2
 * MiB a partition, 92% with 8); and with `maxEntries` at least 1,000 entries each, below which the
 * shares of single partitions differ too much.
 */
export function defaultPartitions(memoryBytes: number, maxEntries: number | undefined): number {
  const most = Math.min(
    64,
    memoryBytes / (8 * MIB),
    (maxEntries ?? Number.POSITIVE_INFINITY) / 1000,
  );
  return most < 2 ? 1 : 2 ** Math.floor(Math.log2(most));
}

function checkNumber(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new SlabringError(
      'OPTION',
      `${name} must be a whole number from ${least} to ${most}, not ${value}`,
    );
  }
}

function checkNode(node: number, maxNamespaces: number): void {
  checkNumber('node', node, 0, MAX_NODE);
  if (maxNamespaces === 0) return;
  throw new SlabringError(
    'OPTION',
    `maxNamespaces must be 0 where there are several nodes, not ${maxNamespaces}`,
  );
}

function checkOptions(options: ArenaOptions): ArenaFacts {
  if (!POLICIES.includes(options.policy)) {
    throw new SlabringError(
      'OPTION',
      `policy must be one of ${POLICIES.join(', ')}, not '${options.policy}'`,
    );
  }
  const { memoryBytes, maxEntries, maxValueBytes, maxThreads, policy } = options;
  const { maxNamespaces = 0 } = options;
  checkNumber('memory', memoryBytes, 1, MAX_MEMORY_BYTES);
  checkNumber('maxValue', maxValueBytes, 1, MAX_VALUE_BYTES);
  checkNumber('maxThreads', maxThreads, 1, MAX_THREADS);
  checkNumber('maxNamespaces', maxNamespaces, 0, MAX_NAMESPACES);
  const { packedItems = DEFAULT_PACKED_ITEMS, packedBytes = DEFAULT_PACKED_BYTES } = options;
  checkNumber('packedItems', packedItems, 0, MAX_PACKED_ITEMS);
  checkNumber('packedBytes', packedBytes, 0, MAX_PACKED_BYTES);
  const { node, tombstoneMs = TOMBSTONE_MS } = options;
  if (node !== undefined) checkNode(node, maxNamespaces);
  checkNumber('tombstoneMs', tombstoneMs, 1, MAX_TOMBSTONE_MS);
  if (maxEntries !== undefined) checkNumber('maxEntries', maxEntries, 1, 0xffff_fffe);
  const partitions = options.partitions ?? defaultPartitions(memoryBytes, maxEntries);
  checkNumber('partitions', partitions, 1, MAX_PARTITIONS);
  if (2 ** Math.round(Math.log2(partitions)) !== partitions) {
    throw new SlabringError('OPTION', `partitions must be a power of two, not ${partitions}`);
  }
  if (maxEntries !== undefined && maxEntries < partitions) {
    throw new SlabringError(
      'OPTION',
      `maxEntries must be at least the number of partitions, ${partitions}, not ${maxEntries}`,
    );
  }
  const passing = Math.min(maxValueBytes, AREA_VALUE_BYTES) + AREA_MARGIN_BYTES;
  const areaBytes = Math.ceil(passing / (4 * KIB)) * 4 * KIB;
  const extras = extrasFor(options);
  return {
    ...{ memoryBytes, partitions, policy, maxEntries, maxValueBytes, maxThreads, areaBytes },
    maxNamespaces,
    ...{ packedItems, packedBytes, node, tombstoneMs },
    ...extras,
  };
}

export class Arena {
  /**
   * Makes an arena; the calling thread is attached to it.
   * @throws SlabringError `OPTION` naming the option that is wrong, and what is allowed
   */
  static create(options: ArenaOptions): Arena {
    const facts = checkOptions(options);
    const module = kernelModule();
    const partitionsLog2 = Math.log2(facts.partitions);
    const planner = plannerOf(module);
    const { maxNamespaces } = facts;
    const extraBytes = extraBytesOf(facts) + planner.namespaceBytes(maxNamespaces, partitionsLog2);
    const least = unsigned(planner.minBudgetBytes(partitionsLog2, extraBytes));
    if (facts.memoryBytes < least) {
      throw new SlabringError(
        'OPTION',
        `memory must be at least ${least} bytes for ${facts.partitions} partition(s), not ${facts.memoryBytes}`,
      );
    }
    const pages = planner.memoryPages(
      facts.memoryBytes,
      partitionsLog2,
      facts.maxThreads,
      facts.areaBytes,
      extraBytes,
      maxNamespaces,
    );
    if (pages === 0) {
      throw new SlabringError(
        'OPTION',
        `memory of ${facts.memoryBytes} bytes and the areas of ${facts.maxThreads} threads exceed 4 GiB together`,
      );
    }
    const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
    const kernel = instantiate(module, memory);
    const policy = kernel[`POLICY_${facts.policy.toUpperCase()}` as 'POLICY_CLOCK'];
    const status = kernel.format(
      facts.memoryBytes,
      partitionsLog2,
      policy.value,
      facts.maxEntries ?? 0,
      randomInt(2 ** 32),
      facts.maxThreads,
      facts.areaBytes,
      facts.maxValueBytes,
      Date.now() * VERSIONS_PER_MS,
      facts.stampBits,
      facts.structureBytes,
      maxNamespaces,
      facts.slotBytes,
    );
    if (status !== 0) throw new SlabringError('INTERNAL', `the arena was not laid out: ${status}`);
    kernel.setPacked(facts.packedItems, facts.packedBytes);
    const { node, tombstoneMs } = facts;
    if (node !== undefined) kernel.setNode(node, tombstoneMs, Date.now());
    const arena = new Arena({ memory, module, facts }, kernel);
    writeTables(kernel, arena.request);
    return arena;
  }

  /**
   * Attaches the calling thread to an arena that another thread made.
   * @throws SlabringError `OPTION` when the handle is no arena of this version, or all thread slots
   *   are taken
   */
  static attach(handle: ArenaHandle): Arena {
    if (!(handle?.memory instanceof WebAssembly.Memory) || !handle.module || !handle.facts) {
      throw new SlabringError('OPTION', 'the handle is not one that share() returned');
    }
    const kernel = instantiate(handle.module, handle.memory);
    const status = kernel.validate();
    if (status !== 0) {
      throw new SlabringError(
        'OPTION',
        status === kernel.INVALID_VERSION.value
          ? 'the shared memory was laid out by another version of slabring'
          : 'the shared memory is not an arena',
      );
    }
    return new Arena(handle, kernel);
  }

  readonly handle: ArenaHandle;
  readonly kernel: KernelExports;
  readonly facts: ArenaFacts;
  /** This thread's slot. */
  readonly slot: number;
  /** This thread's request area: what the kernel shall work on. */
  readonly request: Buffer;
  /** This thread's reply area: what came of it. Overwritten by the next call. */
  readonly reply: Uint8Array;
  /** This thread's block, as words (BLOCK_* in kernel-exports.ts). */
  readonly block: Int32Array;
  /** The arena's bytes, all of them. */
  readonly bytes: Buffer;
  #closed = false;

  private constructor(handle: ArenaHandle, kernel: KernelExports) {
    const { osThread, started } = ownIdentity();
    const slot = kernel.claimThread(osThread, started);
    if (slot < 0) {
      throw new SlabringError(
        'OPTION',
        `all ${handle.facts.maxThreads} thread slots are taken; raise maxThreads (at most ` +
          `${MAX_THREADS}), or close() caches you no longer use`,
      );
    }
    const { buffer } = handle.memory;
    const { areaBytes } = handle.facts;
    this.handle = handle;
    this.kernel = kernel;
    this.facts = handle.facts;
    this.slot = slot;
    this.bytes = Buffer.from(buffer);
    this.request = Buffer.from(buffer, unsigned(kernel.requestArea(slot)), areaBytes);
    this.reply = new Uint8Array(buffer, unsigned(kernel.replyArea(slot)), areaBytes);
    this.block = new Int32Array(buffer, unsigned(kernel.threadBlockAt(slot)), BLOCK_WORDS);
  }

  /** The error for a negative status of a direct call. */
  errorOf(status: number): SlabringError {
    const name = Object.keys(KERNEL_ERROR_TEXTS).find(
      (key) => constantOf(this.kernel, key) === -status,
    );
    return name
      ? errorFromWire(KERNEL_ERROR_TEXTS[name]!)
      : new SlabringError('INTERNAL', `status ${status}`);
  }

  stats(): ArenaStats {
    const count = this.kernel.collectStats(this.slot);
    const totals = new Float64Array(this.reply.buffer, this.reply.byteOffset, count);
    return readStats([...totals], this.facts.memoryBytes, PAGE_BYTES);
  }

  /**
   * Walks over everything; the first broken rule as text, or undefined. Takes every partition's
   * lock in turn.
   */
  checkIntegrity(): string | undefined {
    const broken = this.kernel.checkIntegrity(this.slot);
    return broken === 0 ? undefined : this.ruleOf(broken);
  }

  /** A broken rule that the kernel returned, as text: its name and what it says. */
  ruleOf(broken: number): string {
    const rule = Object.keys(INTEGRITY_RULES).find(
      (name) => constantOf(this.kernel, name) === broken,
    );
    return rule ? `${rule}: ${INTEGRITY_RULES[rule]}` : `rule ${broken}`;
  }

  /** Removes every entry. */
  clear(): void {
    this.kernel.clear(this.slot);
  }

  /**
   * Repairs what threads that have ended left locked, and frees their slots; how many slots. Other
   * threads do so too when they need it: calling this now and then does it before.
   */
  reapThreads(): number {
    return this.kernel.reapThreads(this.slot);
  }

  /**
   * `reapThreads` that takes the caller's word for a thread's end, by Node's `threadId`. For
   * systems without /proc, which do not tell (engine/liveness.ts).
   */
  reapThread(nodeThreadId: number): number {
    declareEnded(nodeThreadId);
    return this.reapThreads();
  }

  /** Gives the thread slot back; the arena must not be used through this object any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.kernel.releaseThread(this.slot);
  }

  get closed(): boolean {
    return this.#closed;
  }
}
