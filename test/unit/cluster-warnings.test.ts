/** What the log of a node is told of its cluster. */
import { beforeEach, expect, it } from 'vitest';
import { Warnings } from '#server/cluster/thread/warnings.js';

let nowMs: number;
let told: string[];
let warnings: Warnings;

beforeEach(() => {
  nowMs = 1_000_000;
  told = [];
  warnings = new Warnings({ now: () => nowMs }, (text) => told.push(text));
});

const refusal = (address: string, dialed: boolean, by: 'us' | 'peer', why = 'wrong secret') =>
  warnings.tellRefusal({ type: 'refused', address, dialed, by, why, untold: 0 });

it('says who refused whom', () => {
  refusal('10.0.0.1:17707', true, 'peer');
  refusal('10.0.0.1:17707', true, 'us');
  expect(told).toEqual([
    '10.0.0.1:17707 refused this node: wrong secret',
    '10.0.0.1:17707 was refused: wrong secret',
  ]);
});

it('tells the same once a minute, whatever port a host dials from', () => {
  for (let port = 50_000; port < 50_015; port++) refusal(`10.0.0.1:${port}`, false, 'us');
  refusal('[::1]:50000', false, 'us');
  refusal('10.0.0.1:50000', false, 'us', 'no peer');
  for (let i = 0; i < 3; i++) warnings.tell('another thing');
  expect(told).toEqual([
    '10.0.0.1:50000 was refused: wrong secret',
    '[::1]:50000 was refused: wrong secret',
    '10.0.0.1:50000 was refused: no peer',
    'another thing',
  ]);
  nowMs += 59_999;
  refusal('10.0.0.1:50000', false, 'us');
  expect(told).toHaveLength(4);
  nowMs += 1;
  refusal('10.0.0.1:50001', false, 'us');
  expect(told.slice(4)).toEqual(['10.0.0.1:50001 was refused: wrong secret']);
});

it('tells of each node that it dials', () => {
  refusal('10.0.0.1:17707', true, 'peer');
  refusal('10.0.0.1:17708', true, 'peer');
  expect(told).toHaveLength(2);
});
