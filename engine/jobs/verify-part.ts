/**
 * The integrity walk as a job. The partitions of all arenas, numbered through, are a slice each;
 * behind them, for each arena, the check that its pages are all somewhere.
 */
import type { JobContext } from './contract.js';

/** A rule of the kernel's integrity that does not hold. */
export interface BrokenRule {
  /** The rule's name and what it says. */
  readonly rule: string;
  /** Of which arena, from 0. */
  readonly arena: number;
  /**
   * Of which partition, numbered through over all arenas as in `changes()`; `undefined` where it is
   * about the arena as a whole.
   */
  readonly partition: number | undefined;
}

export function verifyPart(
  context: JobContext<undefined>,
): (slice: number) => BrokenRule | undefined {
  const { arenas, facts } = context.arenas;
  const partitions = facts.partitions * arenas.length;
  return (slice) => {
    const isPartition = slice < partitions;
    const index = isPartition ? Math.floor(slice / facts.partitions) : slice - partitions;
    const arena = arenas[index]!;
    const { kernel, slot } = arena;
    const broken = isPartition
      ? kernel.checkPartitionAt(slot, slice % facts.partitions)
      : kernel.checkPool(slot);
    context.progress(1);
    if (broken === 0) return undefined;
    // The first one is enough.
    context.control.endAfter(slice);
    const partition = isPartition ? slice : undefined;
    return { rule: arena.ruleOf(broken), arena: index, partition };
  };
}
