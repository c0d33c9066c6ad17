/** Hit ratios on the shipped traces, and what is said of wrong baselines. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { replayAll } from '#bench/hit-ratio.js';
import { hitRatiosAsText } from '#bench/report.js';
import { readBaselines, SHIPPED_TRACES } from '#bench/traces.js';

const folder = mkdtempSync(join(tmpdir(), 'slabring-hit-ratio-'));
afterAll(() => rmSync(folder, { recursive: true }));

function writeBaselines(...lines: string[]): void {
  writeFileSync(join(folder, 'baselines.csv'), `${lines.join('\n')}\n`);
}

describe('hit ratios', () => {
  it('of the policy clock are those of the CLOCK baselines at every size', () => {
    const outcomes = [...replayAll(SHIPPED_TRACES, () => true)];
    expect(outcomes.length).toBe(7);
    for (const { name, hitRatio, baselines, wrong } of outcomes) {
      expect(wrong, name).toBeUndefined();
      // To the four decimals that the baselines have. (The hand may give up early on larger
      // traces; not on these.)
      expect(Math.abs(hitRatio - baselines.CLOCK!), name).toBeLessThan(0.0002);
      expect(hitRatio, name).toBeLessThan(baselines.OPT!);
    }
  });

  it('are printed beside the baselines', () => {
    const [outcome] = replayAll(SHIPPED_TRACES, (name) => name.endsWith('nasa-http-19950801/522'));
    const made = { ...outcome!, hitRatio: 0.5, baselines: { CLOCK: 0.49, OPT: 0.75 } };
    const lines = hitRatiosAsText([made, { ...made, wrong: 'lost' }]).split('\n');
    expect(lines[1]).toMatch(/^trace +entries +slabring +OPT +CLOCK +LRU .*difference to CLOCK$/);
    expect(lines[2]).toMatch(/^nasa-http-19950801 +522 +50.00 +75.00 +49.00 +1.000$/);
    expect(lines[3]).toBe('nasa-http-19950801  522  DISQUALIFIED: lost');
  });

  it('read a folder in the same format, with more columns and traces that are not there', () => {
    const ids = Uint32Array.of(0, 1, 0, 2, 0);
    writeFileSync(join(folder, 'toy.u32.gz'), gzipSync(Buffer.from(ids.buffer)));
    writeBaselines(
      'trace,size_entries,size_fraction,algorithm,hit_ratio,tool',
      'toy,2,0.6,CLOCK,0.4,first tool',
      'toy,2,0.6,CLOCK,0.9,second tool',
      'absent,2,0.6,CLOCK,0.4,first tool',
    );
    const [outcome, ...others] = replayAll(folder, () => true);
    expect(others).toEqual([]);
    expect(outcome).toMatchObject({
      ...{ name: 'hit-ratio/toy/2', accesses: 5, hitRatio: 0.4, baselines: { CLOCK: 0.4 } },
    });
  });

  it.each([
    [['trace,size_entries,hit_ratio', 'toy,2,0.4'], /baselines\.csv has no column algorithm/],
    [['trace,size_entries,algorithm,hit_ratio', 'toy,2,CLOCK,40'], /baselines\.csv:2 is no row/],
    [['trace,size_entries,algorithm,hit_ratio', 'toy,0,CLOCK,0.4'], /baselines\.csv:2 is no row/],
  ])('refuse baselines such as %j', (lines, message) => {
    writeBaselines(...lines);
    expect(() => readBaselines(folder)).toThrow(message);
  });

  it('need a baselines.csv', () => {
    expect(() => readBaselines(join(folder, 'none'))).toThrow(/none has no baselines\.csv/);
  });
});
