/**
 * Transfers between accounts over several connections of a node of several threads, each one step
 * (ATOMIC): readers of all accounts always see the same total. Guards make counts exact.
 * ATOMIC_TRANSFERS sets how many transfers the connections make together.
 */
import { type SlabringNode, startNode } from 'slabring/server';
import { afterEach, describe, expect, test } from 'vitest';
import { COMMANDS } from '#engine/commands.js';
import { FRONT_ENDS } from '../support/front-ends.js';
import { Random, SEED } from '../support/kernel-random.js';
import { type Command, Wire } from '../support/wire.js';

const ACCOUNTS = Array.from({ length: 16 }, (_, i) => `account ${i}`);
const COINS = 1000;
const CONNECTIONS = 4;
const A_FRAME = 10;
const TRANSFERS = Number(process.env.ATOMIC_TRANSFERS ?? 4800);
const TURNS = 150;

let node: SlabringNode;
afterEach(() => node.close());

const coded = ([name, ...args]: Command): unknown[] => [
  COMMANDS[name as keyof typeof COMMANDS].code,
  ...args,
];
const atomic = (commands: readonly Command[], ...guards: unknown[]): Command => [
  'ATOMIC',
  commands.map(coded),
  ...guards,
];

function transfer(random: Random): Command {
  const amount = random.between(1, 20);
  return atomic([
    ['INCR', random.pick(ACCOUNTS), -amount],
    ['INCR', random.pick(ACCOUNTS), amount],
  ]);
}

describe.each(FRONT_ENDS)('a node on %s', (frontEnd) => {
  async function open(count: number): Promise<Wire[]> {
    node = await startNode(
      { port: 0, memory: '32mb', threads: 2, frontEnd, arenas: 1 },
      { onWarning: () => {} },
    );
    return Promise.all(Array.from({ length: count }, () => Wire.open(node.urls[0]!)));
  }

  test(`keeps the total of transfers (seed ${SEED})`, { timeout: 600_000 }, async () => {
    const wires = await open(CONNECTIONS + 1);
    const reader = wires.pop()!;
    await reader.call(...ACCOUNTS.map((account): Command => ['SET', account, COINS]));
    let working = wires.length;
    const transfers = wires.map(async (wire, self) => {
      const random = new Random(SEED + self);
      try {
        for (let made = 0; made < TRANSFERS / CONNECTIONS; made += A_FRAME) {
          const replies = await wire.call(
            ...Array.from({ length: A_FRAME }, () => transfer(random)),
          );
          for (const reply of replies) expect(reply).toHaveLength(2);
        }
      } finally {
        working -= 1;
      }
    });
    let reads = 0;
    for (; working > 0; reads++) {
      const replies = await reader.call(
        ['MGET', ...ACCOUNTS],
        atomic(ACCOUNTS.map((account): Command => ['GET', account])),
      );
      for (const balances of replies as number[][]) {
        const total = balances.reduce((sum, one) => sum + one, 0);
        expect(total).toBe(COINS * ACCOUNTS.length);
      }
    }
    await Promise.all(transfers);
    expect(reads).toBeGreaterThan(10);
    for (const wire of [...wires, reader]) await wire.close();
  });

  test('lets nobody write over what was not read', { timeout: 60_000 }, async () => {
    const wires = await open(CONNECTIONS);
    await wires[0]!.call(['SET', 'count', 0]);
    let done = 0;
    let conflicts = 0;
    await Promise.all(
      wires.map(async (wire) => {
        for (let i = 0; i < TURNS; i++) {
          const [read] = (await wire.call(['GETV', 'count'])) as [[number, number]];
          const [count, version] = read;
          const guard = [['count', version]];
          const [reply] = await wire.call(atomic([['SET', 'count', count + 1]], guard));
          if (Array.isArray(reply)) done++;
          else conflicts++;
        }
      }),
    );
    expect(await wires[0]!.call(['GET', 'count'])).toEqual([done]);
    expect(done + conflicts).toBe(CONNECTIONS * TURNS);
    // Each of them reads while others are between their read and their write.
    expect(conflicts).toBeGreaterThan(0);
    for (const wire of wires) await wire.close();
  });
});
