/** The common part of the cases of the embedded cache: which store on which fixture. */
import { Bed } from '../bed.js';
import type { BenchCase } from '../case.js';
import { type Scale, type Size, scaleOf, uniformSequence } from '../fixture.js';
import type { Kind } from '../kinds.js';
import { openStore, STORES, type StoreName } from '../stores/store.js';
import { TimedWork, type Work } from '../work.js';

/** What a case says about its work; the rest follows from the bed. */
export type BatchWork = Omit<Work, 'batches' | 'operationsPerBatch' | 'close'>;

export interface EmbeddedCase<V> {
  /** Without the leading `embedded/`. */
  readonly name: string;
  readonly what: string;
  readonly size: Size;
  readonly kind: Kind<V>;
  /** Default: all that take part with this kind. */
  readonly contestants?: readonly StoreName[];
  readonly heldKeys?: boolean;
  /** The candidate keeps decoded values. */
  readonly decoded?: boolean;
  /** Another thread writes other keys of the candidate all the while. */
  readonly besideWriter?: boolean;
  /** The keys asked for. Default: all that are stored, each as likely. */
  readonly sequence?: (scale: Scale) => Uint32Array;
  /**
   * Entries that the store may hold, the others being evicted. Default: as many as there are keys.
   */
  readonly maxEntries?: (scale: Scale) => number;
  /** Fills the store and tells what is to be timed. */
  readonly work: (bed: Bed<V>) => BatchWork;
}

/** The candidate and its peers. Only of objects it makes a difference whether a Map packs them. */
export function storesFor(kind: Kind<unknown>): readonly StoreName[] {
  return kind.name === 'object' ? STORES : STORES.filter((name) => name !== 'Map+msgpackr');
}

export function embeddedCase<V>(details: EmbeddedCase<V>): BenchCase {
  const { name, what, size, kind } = details;
  return {
    name: `embedded/${name}`,
    what,
    contestants: details.contestants ?? storesFor(kind),
    async open(contestant, setting) {
      const scale = scaleOf(size, setting);
      const store = await openStore(contestant, {
        kind,
        entries: details.maxEntries?.(scale) ?? scale.keys,
        evicts: details.maxEntries !== undefined,
        decoded: details.decoded ?? false,
        besideWriter: details.besideWriter ?? false,
      });
      const sequence = details.sequence?.(scale) ?? uniformSequence(scale.operations, scale.keys);
      const heldKeys = details.heldKeys ?? false;
      const bed = new Bed({ store, kind, scale, sequence, heldKeys });
      const work: Work = {
        ...details.work(bed),
        batches: bed.batches,
        operationsPerBatch: scale.batch,
        close: () => store.close(),
      };
      // The CPU time of the process would have the writer's in it.
      return new TimedWork(work, details.besideWriter ? 'wall' : setting.clock);
    },
  };
}
