/** `npm run bench -- memory`: what an entry costs beyond its key and value, in RSS. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { wholeNumber } from '../../server/cli/arguments.js';
import { entryCounts } from '../arguments.js';
import { readEnvironment } from '../environment.js';
import { KEY_BYTES } from '../fixture.js';
import { VALUE_BYTES } from '../kinds.js';
import { environmentAsText } from '../report.js';
import { saveResult } from '../results.js';
import { HOLDERS, type HolderKind } from './holder.js';
import { failureOf, type MemoryRow, type MemorySample, measure, rowOf } from './measure.js';
import { memoryAsText } from './report.js';

interface Options {
  entries?: readonly number[];
  filter?: string[];
  rounds: number;
  json?: string;
}

const DEFAULT_ENTRIES = 10_000_000;

const HELP = `
Keys have 16 bytes, values 32, nothing expires. Each holder has a process of its
own, is looked at when it is empty and when all entries are stored and were read
back, byte by byte, once its memory has come to rest. Growth is the difference,
whatever it is for, divided by the entries.

  slabring/POLICY   an embedded cache, of a process that did the same work on a
                    small cache before it was first looked at
  slabring-serve    a node with one thread, filled over WebSocket
  redis, memcached  from PATH, filled over TCP; without them their rows say so

Examples:
  npm run bench -- memory
  npm run bench -- memory --entries 7m 10m --filter slabring/ --rounds 1`;

export const memoryCommand = new Command('memory')
  .description('bytes of an entry beyond key and value, as RSS, beside redis and memcached')
  .option('--entries <number...>', 'entries, such as 500k (default: 10m)', entryCounts)
  .option('--filter <text...>', 'only holders that have one of these texts in their name')
  .option('--rounds <number>', 'fills of each', wholeNumber(1, 100), 3)
  .option('--json <file>', 'where the JSON goes (default: bench-results/DATE.json)')
  .addHelpText('after', HELP)
  .action(run);

async function run(options: Options): Promise<void> {
  const { filter, entries = [DEFAULT_ENTRIES], rounds } = options;
  const kinds = HOLDERS.filter(({ name }) => filter?.some((text) => name.includes(text)) ?? true);
  if (kinds.length === 0) {
    const names = HOLDERS.map(({ name }) => name).join(', ');
    throw new Error(`no holder has ${filter!.join(' or ')} in its name; there are ${names}`);
  }
  const environment = readEnvironment();
  console.log(environmentAsText(environment));
  console.log(
    `keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES}; ${rounds} fills of each: ` +
      'median and quartiles\n',
  );
  const rows: MemoryRow[] = [];
  for (const count of entries) rows.push(...(await rowsOf(kinds, count, rounds)));
  console.log(memoryAsText(rows));
  const path = saveResult(options.json, environment, { memory: rows });
  console.log(`\nJSON in ${path}`);
  if (rows.some(({ state }) => state === 'failed')) process.exitCode = 1;
}

/** The holders one after the other in each round: two at a time would not fit into the memory. */
async function rowsOf(
  kinds: readonly HolderKind[],
  entries: number,
  rounds: number,
): Promise<MemoryRow[]> {
  const samples = new Map<HolderKind, MemorySample[]>();
  const failures = new Map<HolderKind, MemoryRow>();
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      if (failures.has(kind)) continue;
      console.error(`memory: ${kind.name}, ${entries} entries, ${round + 1} of ${rounds}`);
      try {
        const sample = await measure(kind, entries, (ms) => sleep(ms));
        samples.set(kind, [...(samples.get(kind) ?? []), sample]);
      } catch (error) {
        failures.set(kind, failureOf(kind.name, entries, error));
      }
    }
  }
  return kinds.map((kind) => failures.get(kind) ?? rowOf(kind.name, entries, samples.get(kind)!));
}
