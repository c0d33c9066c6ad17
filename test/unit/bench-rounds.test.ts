/** How contestants are timed in turns and judged, with contestants that do as they are told. */
import { describe, expect, it } from 'vitest';
import { type BenchCase, type Contestant, type Slice, Unavailable } from '#bench/case.js';
import { caseAsText } from '#bench/report.js';
import { type CaseOutcome, type Plan, runCase } from '#bench/rounds.js';
import { TimedWork, type Work } from '#bench/work.js';

const PLAN: Plan = { rounds: 3, sliceMs: 5, warmupMs: 50 };

interface Script {
  /** Nanoseconds of the warm-up and of each round. */
  times?: number[];
  wrongAtGate?: string;
  wrongAtEnd?: string;
  /** The call of `slice` (0 is the warm-up) that has a wrong batch, or throws. */
  wrongSlice?: number;
  throwingSlice?: number;
  unavailable?: string;
}

/** Runs a case of scripted contestants; the outcome and what was called in which order. */
async function run(
  scripts: Record<string, Script>,
): Promise<{ outcome: CaseOutcome; calls: string[] }> {
  const calls: string[] = [];
  const benchCase: BenchCase = {
    name: 'a/case',
    what: 'what it does',
    contestants: Object.keys(scripts),
    async open(name) {
      const script = scripts[name]!;
      if (script.unavailable !== undefined) throw new Unavailable(script.unavailable);
      return new Scripted(name, script, calls);
    },
  };
  const setting = { scale: 'tiny', clock: 'wall' } as const;
  const outcome = await runCase(benchCase, PLAN, (chosen, name) => chosen.open(name, setting));
  return { outcome, calls };
}

class Scripted implements Contestant {
  #slices = 0;
  constructor(
    readonly name: string,
    readonly script: Script,
    readonly calls: string[],
  ) {}

  async gate() {
    this.calls.push(`${this.name} gate`);
    return { wrong: this.script.wrongAtGate, checksum: 7 };
  }

  async slice(ms: number): Promise<Slice> {
    this.calls.push(`${this.name} ${ms}`);
    const call = this.#slices++;
    if (call === this.script.throwingSlice) throw new Error('out of luck');
    const nsPerOp = this.script.times?.[call] ?? 100;
    const wrongBatches = call === this.script.wrongSlice ? 1 : 0;
    return { nsPerOp, batches: 4, operations: 40, wrongBatches };
  }

  async finish() {
    this.calls.push(`${this.name} finish`);
    return { wrong: this.script.wrongAtEnd, facts: { hitRatio: 0.5 } };
  }
}

describe('runCase', () => {
  it('lets contestants take turns, in an order that is reversed every round', async () => {
    const { calls } = await run({ ours: {}, peer: {} });
    expect(calls).toEqual([
      ...['ours gate', 'peer gate', 'ours 50', 'peer 50'],
      ...['ours 5', 'peer 5', 'peer 5', 'ours 5', 'ours 5', 'peer 5'],
      ...['ours finish', 'peer finish'],
    ]);
  });

  it('compares within rounds, so that a slow second does not count against either', async () => {
    const { outcome } = await run({
      ours: { times: [9999, 100, 1000, 100] },
      peer: { times: [9999, 200, 2000, 200] },
    });
    const [ours, peer] = outcome.rows;
    expect(ours).toMatchObject({ nsPerOp: { p25: 100, median: 100, p75: 550 }, batches: 12 });
    expect(ours).not.toHaveProperty('ratio');
    expect(peer).toMatchObject({
      nsPerOp: { median: 200 },
      ratio: { p25: 0.5, median: 0.5, p75: 0.5 },
      operations: 120,
      checksum: 7,
      facts: { hitRatio: 0.5 },
    });
  });

  it.each([
    ['at the gate', { wrongAtGate: 'key 1 is wrong' }, 'key 1 is wrong'],
    ['in the warm-up', { wrongSlice: 0 }, '1 of 4 batches came out wrong'],
    ['in a round', { wrongSlice: 2 }, '1 of 4 batches came out wrong'],
    ['at the end', { wrongAtEnd: 'key 2 is wrong' }, 'key 2 is wrong'],
  ])('disqualifies who is wrong %s, whatever its times', async (_, script, reason) => {
    const peer = await run({ ours: {}, peer: script });
    expect(peer.outcome.rows[1]).toEqual({ contestant: 'peer', state: 'disqualified', reason });
    expect(caseAsText(peer.outcome)).toContain(`peer  DISQUALIFIED: ${reason}`);
    expect(peer.calls.at(-1)).toBe('peer finish');
    // Without a candidate there is nothing to compare with, but the peer's own time stands.
    const ours = await run({ ours: script, peer: {} });
    expect(ours.outcome.rows[0]).toMatchObject({ state: 'disqualified', reason });
    expect(ours.outcome.rows[1]).toMatchObject({ state: 'timed' });
    expect(ours.outcome.rows[1]).not.toHaveProperty('ratio');
  });

  it('goes on without a peer that is not there, or that dies', async () => {
    const { outcome, calls } = await run({
      ours: {},
      absent: { unavailable: 'no such binary' },
      dying: { throwingSlice: 1 },
    });
    expect(outcome.rows.map(({ state }) => state)).toEqual(['timed', 'skipped', 'failed']);
    const text = caseAsText(outcome);
    expect(text).toContain('absent  skipped: no such binary');
    expect(text).toContain('dying  FAILED: out of luck');
    expect(calls.filter((call) => call.startsWith('dying'))).toEqual([
      ...['dying gate', 'dying 50', 'dying 5', 'dying finish'],
    ]);
  });
});

describe('TimedWork', () => {
  function work(overrides: Partial<Work>): Work {
    return {
      batches: 3,
      operationsPerBatch: 10,
      prepare: () => {},
      run: (batch) => batch + 1,
      expected: (batch) => batch + 1,
      verify: () => undefined,
      close: () => {},
      ...overrides,
    };
  }

  it('runs every batch once at the gate, and compares each result', async () => {
    const good = await new TimedWork(work({}), 'wall').gate();
    expect(good).toEqual({ wrong: undefined, checksum: (1 * 31 + 2) * 31 + 3 });
    const bad = await new TimedWork(
      work({ run: (batch) => (batch === 1 ? 9 : batch + 1) }),
      'wall',
    ).gate();
    expect(bad.wrong).toBe('batch 1 has checksum 9 instead of 2');
    const unverified = await new TimedWork(work({ verify: () => 'key 3' }), 'wall').gate();
    expect(unverified.wrong).toBe('key 3');
  });

  it.each(['wall', 'cpu'] as const)('times only the runs, by %s clock', async (clock) => {
    const spin = (ms: number): void => {
      const end = performance.now() + ms;
      while (performance.now() < end);
    };
    const calls: number[] = [];
    const timed = new TimedWork(
      work({
        prepare: () => spin(100),
        run(batch) {
          calls.push(batch);
          spin(2);
          return batch + 1;
        },
      }),
      clock,
    );
    const slice = await timed.slice(8);
    expect(slice.operations).toBe(10 * slice.batches);
    expect(calls.slice(0, 4)).toEqual([0, 1, 2, 0].slice(0, calls.length));
    // Ten operations in about 2 ms, not in 102. A busy machine may take longer, and a CPU clock see
    // less.
    expect(slice.nsPerOp).toBeGreaterThan(clock === 'wall' ? 190_000 : 1_000);
    expect(slice.nsPerOp).toBeLessThan(9_000_000);
    expect(slice.nsPerOp * slice.operations).toBeGreaterThanOrEqual(7.9e6);
    await timed.slice(0.01);
    expect(calls.at(-1)).toBe((calls.length - 1) % 3);
  });

  it('counts wrong batches while it times, checks at the end, and closes', async () => {
    let closed = 0;
    const timed = new TimedWork(
      work({
        run: () => 2,
        verify: () => 'late',
        facts: () => ({ n: 4 }),
        close: () => void closed++,
      }),
      'wall',
    );
    const slice = await timed.slice(0.2);
    // Batches 0 and 2 of each three are wrong.
    expect(slice.wrongBatches).toBe(slice.batches - Math.floor((slice.batches + 1) / 3));
    expect(await timed.finish()).toEqual({ wrong: 'late', facts: { n: 4 } });
    expect(closed).toBe(1);
  });
});
