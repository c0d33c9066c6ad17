/** Every case of the benchmarks once, tiny, so that none can rot unseen. */
import { describe, expect, it } from 'vitest';
import { corpus } from '#bench/corpus.js';
import { runCase } from '#bench/rounds.js';

const PLAN = { rounds: 2, sliceMs: 0.01, warmupMs: 0 };
/** Whether these are installed is the machine's business; that they then work is ours. */
const OPTIONAL = ['lmdb', 'C'];

describe('the corpus', () => {
  it('names each case once, and the candidate first', () => {
    const names = corpus.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(corpus.filter(({ contestants }) => contestants[0] !== 'slabring')).toEqual([]);
  });

  it.each(corpus.map((benchCase) => [benchCase.name, benchCase] as const))(
    'runs %s',
    async (_, benchCase) => {
      const { rows } = await runCase(benchCase, PLAN, (chosen, contestant) =>
        chosen.open(contestant, { scale: 'tiny', clock: 'cpu' }),
      );
      expect(rows.map(({ contestant }) => contestant)).toEqual(benchCase.contestants);
      const present = rows.filter(
        ({ contestant, state }) => !(state === 'skipped' && OPTIONAL.includes(contestant)),
      );
      for (const row of present) {
        expect(row).toMatchObject({ state: 'timed', nsPerOp: { median: expect.any(Number) } });
        if (row.state !== 'timed') continue;
        expect(row.nsPerOp.median).toBeGreaterThan(0);
        expect(row.operations).toBeGreaterThan(0);
      }
      // The same work: the same results, added up.
      const checksums = present.map((row) => (row.state === 'timed' ? row.checksum : undefined));
      expect(new Set(checksums).size).toBe(1);
    },
  );
});
