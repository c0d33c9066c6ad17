/** Figures of docs/MEMORY.md that its program does not print. */
import { readFileSync } from 'node:fs';
import { openCache } from 'slabring';
import { afterEach, expect, it } from 'vitest';
import { Arena, type ArenaOptions } from '#engine/arena.js';

const page = readFileSync('docs/MEMORY.md', 'utf8');
const KIB = 1024;
const MIB = 1024 * KIB;

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

function keep<T extends { close(): void }>(one: T): T {
  opened.push(one);
  return one;
}

const options: ArenaOptions = {
  memoryBytes: 1024 * MIB,
  policy: 'clock',
  maxValueBytes: MIB,
  maxThreads: 64,
};

it('an empty cache of 1 GiB takes a few MiB', () => {
  expect(page).toContain('an empty cache of 1 GiB takes a few MiB');
  expect(keep(openCache({ memory: '1gb' })).stats().usedBytes).toBeLessThan(6 * MIB);
});

it('directories and page infos are less than 0.1% of the budget', () => {
  expect(page).toContain('less than 0.1% of the budget');
  const arena = keep(Arena.create(options));
  const { usedBytes, indexPages } = arena.stats();
  const partitions = arena.facts.partitions * 3.1 * KIB;
  const tables = usedBytes - indexPages * 64 * KIB - 64 * KIB - partitions;
  expect(tables / options.memoryBytes).toBeLessThan(0.001);
});

it('thread areas are as large as it says', () => {
  expect(page).toContain('(144 MiB with the\n  defaults)');
  expect(page).toContain('2.25 MiB per thread');
  const { areaBytes, maxThreads } = keep(Arena.create(options)).facts;
  expect(2 * areaBytes).toBe(2.25 * MIB);
  expect(2 * areaBytes * maxThreads).toBe(144 * MIB);
});
