/**
 * What this node of a cluster does with each of the 16,384 slots of keys: the host's side of the
 * tables in the arenas that engine/kernel/keyslots.ts draws. Every thread that has the arenas open
 * sees what any of them writes here. Every arena of a set has the same tables.
 */
import type { Arena } from './arena.js';
import { unsigned } from './arena.js';
import type { ArenaSet } from './arena-set.js';
import { SlabringError } from './errors.js';

export const SLOT_COUNT = 16_384;

/** What a node does with a slot; add them up. engine/kernel/keyslots.ts has the same numbers. */
export const Service = {
  /** Nothing: commands on its keys are another node's. */
  NONE: 0,
  /** Runs all commands. */
  ALL: 1,
  /** Runs those that only read, for clients that accept what a replica has. */
  READS: 2,
} as const;

/** What a client accepts: the services any of which lets commands that only read run here. */
export const Access = {
  OWNER: Service.ALL,
  REPLICA: Service.ALL | Service.READS,
} as const;

/** Links are bits of 64. */
const MAX_TARGETS = 2n ** 64n - 1n;

interface Views {
  readonly service: Uint8Array;
  readonly targets: BigUint64Array;
  readonly digests: BigUint64Array;
}

export class SlotTable {
  readonly #views: readonly Views[];
  readonly #first: Views;

  /** @throws SlabringError `OPTION` when the arenas were made without `slots` */
  constructor({ arenas }: Pick<ArenaSet, 'arenas'>) {
    this.#views = arenas.map(viewsOf);
    this.#first = this.#views[0]!;
  }

  /** A sum of {@link Service}. */
  serviceOf(slot: number): number {
    return this.#first.service[checked(slot)]!;
  }

  /** Whether commands that need any of `services` run here. */
  serves(slot: number, services: number): boolean {
    return (this.#first.service[slot]! & services) !== 0;
  }

  setService(slot: number, service: number): void {
    this.setServiceFrom(checked(slot), slot + 1, service);
  }

  /** Of the slots from `first` up to `end`. */
  setServiceFrom(first: number, end: number, service: number): void {
    checkRange(first, end);
    checkService(service);
    for (const views of this.#views) views.service.fill(service, first, end);
  }

  /** Of all slots. @throws SlabringError `OPTION` and nothing is changed */
  setServices(services: ArrayLike<number>): void {
    checkCount(services.length);
    for (let slot = 0; slot < SLOT_COUNT; slot++) checkService(services[slot]!);
    for (const views of this.#views) views.service.set(services);
  }

  /** Bit i is set: link number i gets a copy of each write to the slot. */
  targetsOf(slot: number): bigint {
    return Atomics.load(this.#first.targets, checked(slot));
  }

  /** Whether all slots have the same targets. */
  get isUniform(): boolean {
    const { buffer, byteOffset, length } = this.#first.targets;
    const halves = new Uint32Array(buffer, byteOffset, 2 * length);
    for (let at = 2; at < halves.length; at++) if (halves[at] !== halves[at & 1]) return false;
    return true;
  }

  setTargets(slot: number, targets: bigint): void {
    this.setTargetsFrom(checked(slot), slot + 1, targets);
  }

  /** Of the slots from `first` up to `end`. */
  setTargetsFrom(first: number, end: number, targets: bigint): void {
    checkRange(first, end);
    checkTargets(targets);
    for (const views of this.#views) {
      for (let slot = first; slot < end; slot++) Atomics.store(views.targets, slot, targets);
    }
  }

  /** Of all slots. @throws SlabringError `OPTION` and nothing is changed */
  setAllTargets(targets: ArrayLike<bigint>): void {
    checkCount(targets.length);
    for (let slot = 0; slot < SLOT_COUNT; slot++) checkTargets(targets[slot]!);
    for (const views of this.#views) {
      for (let slot = 0; slot < SLOT_COUNT; slot++) {
        Atomics.store(views.targets, slot, targets[slot]!);
      }
    }
  }

  /** What was added up for the slot, in all arenas, since {@link clearDigests}. */
  digestOf(slot: number): bigint {
    checked(slot);
    let sum = 0n;
    for (const { digests } of this.#views) sum += Atomics.load(digests, slot);
    return BigInt.asUintN(64, sum);
  }

  /** Nobody may be adding to them meanwhile. */
  clearDigests(): void {
    for (const { digests } of this.#views) digests.fill(0n);
  }
}

function viewsOf({ kernel, bytes: { buffer } }: Arena): Views {
  const service = unsigned(kernel.keySlotServiceAt());
  if (service === 0) throw new SlabringError('OPTION', 'the arena was made without `slots`');
  return {
    service: new Uint8Array(buffer, service, SLOT_COUNT),
    targets: new BigUint64Array(buffer, unsigned(kernel.keySlotTargetsAt()), SLOT_COUNT),
    digests: new BigUint64Array(buffer, unsigned(kernel.keySlotDigestsAt()), SLOT_COUNT),
  };
}

function checked(slot: number): number {
  if (Number.isInteger(slot) && slot >= 0 && slot < SLOT_COUNT) return slot;
  throw new SlabringError('OPTION', `a slot is a whole number below ${SLOT_COUNT}, not ${slot}`);
}

function checkRange(first: number, end: number): void {
  const isRange = Number.isInteger(first) && Number.isInteger(end) && first >= 0 && first <= end;
  if (isRange && end <= SLOT_COUNT) return;
  throw new SlabringError(
    'OPTION',
    `slots are a range within 0 to ${SLOT_COUNT}, not ${first} to ${end}`,
  );
}

function checkCount(count: number): void {
  if (count === SLOT_COUNT) return;
  throw new SlabringError('OPTION', `there are ${SLOT_COUNT} slots, not ${count}`);
}

function checkService(service: number): void {
  if (Number.isInteger(service) && service >= 0 && service <= 3) return;
  throw new SlabringError('OPTION', `a service is a sum of 1 ALL and 2 READS, not ${service}`);
}

function checkTargets(targets: bigint): void {
  if (typeof targets === 'bigint' && targets >= 0n && targets <= MAX_TARGETS) return;
  throw new SlabringError('OPTION', `targets are a bigint of 64 bits, not ${targets}`);
}
