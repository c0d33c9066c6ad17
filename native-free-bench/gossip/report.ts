/** What was measured of gossip, as a table and as bars. */
import { table } from '../table.js';
import type { GossipRow, Percentiles } from './measure.js';

/** A curve over the number of nodes: what is plotted. */
export interface Curve {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly { readonly name: string; readonly of: (row: GossipRow) => number }[];
}

export const CURVES: readonly Curve[] = [
  {
    title: 'Gossip of a node at rest',
    unit: 'bytes/s',
    lines: [
      { name: 'all', of: (row) => row.bytesPerSecond },
      { name: 'probes and news', of: (row) => row.bytesPerSecond - row.syncBytesPerSecond },
    ],
  },
  {
    title: 'A crash is known to all',
    unit: 'ms',
    lines: [
      { name: 'p99', of: (row) => row.allMs.p99 },
      { name: 'median', of: (row) => row.allMs.median },
    ],
  },
];

const HEADER = ['nodes', 'messages/s', 'bytes/s', 'of syncs', 'first knows', 'all know', 'false'];
const BAR_CHARACTERS = 48;

export function gossipAsText(rows: readonly GossipRow[]): string {
  const cells = rows.map((row) => [
    String(row.nodes),
    row.messagesPerSecond.toFixed(1),
    row.bytesPerSecond.toFixed(0),
    row.syncBytesPerSecond.toFixed(0),
    percentilesAsText(row.firstMs),
    percentilesAsText(row.allMs),
    String(row.falseDeaths),
  ]);
  const plots = CURVES.map((curve) => curveAsText(curve, rows));
  return [table([HEADER, ...cells]), ...plots].join('\n\n');
}

function percentilesAsText({ median, p99, max }: Percentiles): string {
  return `${median.toFixed(0)} / ${p99.toFixed(0)} / ${max.toFixed(0)}`;
}

/** The first line as bars, with the factor to the first row. */
function curveAsText({ title, unit, lines }: Curve, rows: readonly GossipRow[]): string {
  const [line] = lines;
  const values = rows.map((row) => line!.of(row));
  const most = Math.max(...values);
  const bars = rows.map((row, i) => {
    const bar = '#'.repeat(Math.max(1, Math.round((values[i]! / most) * BAR_CHARACTERS)));
    const growth = `x${(values[i]! / values[0]!).toFixed(1)}`;
    return [
      String(row.nodes).padStart(5),
      values[i]!.toFixed(0),
      growth,
      bar.padEnd(BAR_CHARACTERS),
    ];
  });
  return [`${title}: ${line!.name}, ${unit}`, table(bars)].join('\n');
}
