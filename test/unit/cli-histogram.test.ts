import { describe, expect, it } from 'vitest';
import { Histogram } from '#server/cli/histogram.js';

/** The slow twin: all samples, sorted. */
function exactPercentile(samples: number[], percent: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil((percent / 100) * sorted.length)) - 1]!;
}

describe('Histogram', () => {
  it('answers percentiles within 1 part in 64 of the exact ones', () => {
    const histogram = new Histogram();
    const samples: number[] = [];
    let state = 42;
    for (let index = 0; index < 20_000; index += 1) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      // Spread evenly over the orders of magnitude: 0.01 ms to 10 s.
      const ms = 10 ** (-2 + 6 * (state / 2 ** 32));
      samples.push(ms);
      histogram.record(ms);
    }
    for (const percent of [0, 1, 25, 50, 90, 99, 99.9, 100]) {
      const exact = exactPercentile(samples, percent);
      const error = Math.abs(histogram.percentileMs(percent) - exact) / exact;
      expect(error, `p${percent}`).toBeLessThan(1 / 64);
    }
    expect(histogram.count).toBe(samples.length);
    expect(histogram.maxMs).toBe(Math.max(...samples));
    const mean = samples.reduce((sum, ms) => sum + ms, 0) / samples.length;
    expect(histogram.meanMs).toBeCloseTo(mean, 6);
  });

  it('counts without samples as 0 everywhere', () => {
    const histogram = new Histogram();
    expect([histogram.count, histogram.maxMs, histogram.meanMs]).toEqual([0, 0, 0]);
    expect(histogram.percentileMs(99)).toBe(0);
  });

  it('takes a sample beyond its range as the longest, and keeps the true maximum', () => {
    const histogram = new Histogram();
    histogram.record(1_000_000);
    expect(histogram.maxMs).toBe(1_000_000);
    expect(histogram.percentileMs(50)).toBeGreaterThan(130_000);
    histogram.record(-1);
    expect(histogram.percentileMs(50)).toBeLessThan(0.001);
  });

  it('adds another histogram as if its samples had been recorded here', () => {
    const [one, other, both] = [new Histogram(), new Histogram(), new Histogram()];
    for (const [index, ms] of [0.2, 0.5, 1, 3, 9, 40].entries()) {
      (index % 2 === 0 ? one : other).record(ms);
      both.record(ms);
    }
    one.add(other);
    expect(one.count).toBe(6);
    expect(one.maxMs).toBe(40);
    expect(one.meanMs).toBeCloseTo(both.meanMs, 9);
    for (const percent of [10, 50, 90, 99]) {
      expect(one.percentileMs(percent)).toBe(both.percentileMs(percent));
    }
  });
});
