/** What memory was measured, as a table for people. */
import { STATE_WORDS } from '../report.js';
import type { Spread } from '../statistics.js';
import { table } from '../table.js';
import type { MemoryRow } from './measure.js';

const MIB = 2 ** 20;

const HEAD = [
  '',
  'version',
  'entries',
  'RSS empty, MiB',
  'full, MiB',
  'growth, B an entry',
  'beyond key and value',
  'read back',
];

export function memoryAsText(rows: readonly MemoryRow[]): string {
  return table([HEAD, ...rows.map(cells)]);
}

function cells(row: MemoryRow): string[] {
  const entries = row.entries.toLocaleString('en-US');
  if (row.state !== 'measured') {
    return [`${row.holder}, ${entries} entries: ${STATE_WORDS[row.state]}: ${row.reason}`];
  }
  return [
    row.holder,
    row.version,
    entries,
    (row.emptyBytes.median / MIB).toFixed(1),
    (row.fullBytes.median / MIB).toFixed(1),
    spreadAsText(row.perEntry),
    spreadAsText(row.overhead),
    row.readBack.toLocaleString('en-US'),
  ];
}

function spreadAsText({ median, p25, p75 }: Spread): string {
  return `${median.toFixed(1)} (${p25.toFixed(1)} - ${p75.toFixed(1)})`;
}
