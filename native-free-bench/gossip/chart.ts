/** The same curves as a picture: SVG, one panel each, nodes on a logarithmic scale. */
import type { GossipRow } from './measure.js';
import { CURVES, type Curve } from './report.js';

const PANEL = { width: 440, height: 280 } as const;
/** Around the lines: room for the title and the numbers. */
const MARGIN = { left: 64, right: 24, top: 40, bottom: 44 } as const;
const GRID_LINES = 4;
/** Told apart also by who sees few colours. */
const COLOURS = ['#1b6ca8', '#d9822b'] as const;
/** The top of an axis is the next of these times a power of ten. */
const ROUND = [1, 2, 4, 5, 8, 10] as const;

export function gossipAsSvg(rows: readonly GossipRow[], subtitle: string): string {
  const width = PANEL.width * CURVES.length;
  const height = PANEL.height + 24;
  const panels = CURVES.map(
    (curve, i) => `<g transform="translate(${i * PANEL.width} 0)">\n${panel(curve, rows)}\n</g>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
      'font-family="sans-serif" font-size="12">',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...panels,
    text(width / 2, height - 10, subtitle, 'middle'),
    '</svg>\n',
  ].join('\n');
}

function panel({ title, unit, lines }: Curve, rows: readonly GossipRow[]): string {
  const top = roundUp(Math.max(...rows.flatMap((row) => lines.map((line) => line.of(row)))));
  const least = Math.log(rows[0]!.nodes);
  const most = Math.log(rows.at(-1)!.nodes);
  const right = PANEL.width - MARGIN.right;
  const bottom = PANEL.height - MARGIN.bottom;
  const x = ({ nodes }: GossipRow): number =>
    MARGIN.left + ((Math.log(nodes) - least) / (most - least || 1)) * (right - MARGIN.left);
  const y = (value: number): number => bottom - (value / top) * (bottom - MARGIN.top);
  const grid = Array.from({ length: GRID_LINES + 1 }, (_, i) => (top / GRID_LINES) * i);
  return [
    text(MARGIN.left, MARGIN.top - 18, `${title}, ${unit}`, 'start'),
    ...grid.flatMap((value) => [
      `<path d="M${MARGIN.left} ${y(value).toFixed(1)}H${right}" stroke="#dddddd"/>`,
      text(MARGIN.left - 8, y(value) + 4, value.toLocaleString('en-US'), 'end'),
    ]),
    ...rows.map((row) => text(x(row), bottom + 18, String(row.nodes), 'middle')),
    text((MARGIN.left + right) / 2, bottom + 36, 'nodes', 'middle'),
    ...lines.flatMap((line, i) => {
      const points = rows.map((row) => `${x(row).toFixed(1)},${y(line.of(row)).toFixed(1)}`);
      const colour = COLOURS[i % COLOURS.length]!;
      return [
        `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        text(MARGIN.left + 12, MARGIN.top + 14 + 16 * i, line.name, 'start', colour),
      ];
    }),
  ].join('\n');
}

function text(x: number, y: number, content: string, anchor: string, fill = '#333333'): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const at = `x="${x.toFixed(1)}" y="${y.toFixed(1)}"`;
  return `<text ${at} text-anchor="${anchor}" fill="${fill}">${escaped}</text>`;
}

function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ROUND.find((step) => step * power >= value)! * power;
}
