/** The bench of collections: that it times what it says, on collections of the size it says. */
import { describe, expect, it } from 'vitest';
import { timesAsText } from '#bench/collections/command.js';
import { Bed, KINDS, measureKind } from '#bench/collections/measure.js';

describe.each(KINDS)('$name', (kind) => {
  it('is timed, command by command', () => {
    const { rows, bytesPerMember } = measureKind(kind, 200, { rounds: 2, commands: 128 });
    expect(rows.map(({ command }) => command)).toEqual(kind.timed.map(({ name }) => name));
    for (const { ns, members } of rows) {
      expect(members).toBe(200);
      expect(ns.median).toBeGreaterThan(0);
    }
    // 16 bytes of member at the least, and no node more than it takes.
    expect(bytesPerMember).toBeGreaterThan(16);
    expect(bytesPerMember).toBeLessThan(200);
  });
});

it('a frame that the kernel does not run to its end is an error', () => {
  const bed = new Bed(10);
  expect(() => bed.time([Buffer.from('c1', 'hex')])).toThrow(/exec came back with/);
  bed.close();
});

it('the table has a row for each command and a column for each size', () => {
  const ns = { p25: 1, median: 2, p75: 3 };
  const rows = [10, 1000].map((members) => ({ command: 'HGET', members, ns }));
  expect(timesAsText(rows, [10, 1000])).toMatch(
    /10 members +1,000 members\nHGET +2 \(1 - 3\) +2 \(1 - 3\)/,
  );
});
