/** `npm run bench -- collections`: what commands on collections take, by their size. */
import { Command, InvalidArgumentError } from 'commander';
import { SlabringError } from '../../engine/errors.js';
import { wholeNumber } from '../../server/cli/arguments.js';
import { readEnvironment } from '../environment.js';
import { environmentAsText } from '../report.js';
import { saveResult } from '../results.js';
import type { Spread } from '../statistics.js';
import { table } from '../table.js';
import { type CollectionRow, FRAME_COMMANDS, KINDS, measureKind } from './measure.js';
import { bytesPerMemberInRedis } from './redis.js';

interface Options {
  members?: readonly number[];
  commands: number;
  rounds: number;
  json?: string;
}

const DEFAULT_MEMBERS = [10, 10_000, 1_000_000];

const HELP = `
Commands come in frames of ${FRAME_COMMANDS} and are run by the kernel in this process, on members
drawn at random; members and elements have 16 bytes, values 32. Memory is that of
the chunks of the collection, beside the used_memory of a redis-server from PATH,
if there is one, for 10,000 members and more.

Example:
  npm run bench -- collections --members 10 1m`;

export const collectionsCommand = new Command('collections')
  .description('commands on lists, sets, hashes and sorted sets, by size; memory beside redis')
  .option('--members <number...>', 'sizes, such as 10k (default: 10, 10k, 1m)', sizes)
  .option('--commands <number>', 'of each sort in a round', wholeNumber(64, 10_000_000), 100_000)
  .option('--rounds <number>', 'rounds', wholeNumber(1, 100), 5)
  .option('--json <file>', 'where the JSON goes (default: bench-results/DATE.json)')
  .addHelpText('after', HELP)
  .action(run);

const LEAST_FOR_REDIS = 10_000;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1000, m: 1_000_000 };
const MOST_MEMBERS = 10_000_000;

/** Each size of the option, with those before it. */
function sizes(text: string, before: readonly number[] = []): readonly number[] {
  const [, digits, unit] = /^(\d{1,8})([km]?)$/.exec(text) ?? [];
  const size = Number(digits) * (UNITS[unit ?? ''] ?? Number.NaN);
  if (!(size >= 1 && size <= MOST_MEMBERS)) {
    throw new InvalidArgumentError('It must be a number from 1 to 10m, such as 10k.');
  }
  return [...before, size];
}

async function run(options: Options): Promise<void> {
  const { members = DEFAULT_MEMBERS, rounds, commands } = options;
  const environment = readEnvironment();
  console.log(environmentAsText(environment));
  console.log(`${rounds} rounds of ${commands} commands: median and quartiles\n`);
  const rows: CollectionRow[] = [];
  const memory: { kind: string; members: number; bytes: number; redis: number | undefined }[] = [];
  for (const count of members) {
    // Of fewer members, its buffers take more than they do.
    const redis = count < LEAST_FOR_REDIS ? undefined : await redisBytes(count);
    for (const kind of KINDS) {
      console.error(`collections: ${kind.name}, ${count} members`);
      const measured = measureKind(kind, count, { rounds, commands });
      rows.push(...measured.rows);
      const bytes = measured.bytesPerMember;
      memory.push({ kind: kind.name, members: count, bytes, redis: redis?.[kind.name] });
    }
  }
  console.log(timesAsText(rows, members));
  console.log(
    table([
      ['bytes a member', 'members', 'slabring', 'redis', 'ratio'],
      ...memory.map(({ kind, members: count, bytes, redis }) => [
        kind,
        count.toLocaleString('en-US'),
        bytes.toFixed(1),
        redis === undefined ? '' : redis.toFixed(1),
        redis === undefined ? '' : (bytes / redis).toFixed(2),
      ]),
    ]),
  );
  const path = saveResult(options.json, environment, { collections: { rows, memory } });
  console.log(`\nJSON in ${path}`);
}

/** Without a redis-server on this machine: undefined. */
async function redisBytes(members: number): Promise<Record<string, number> | undefined> {
  try {
    return await bytesPerMemberInRedis(members);
  } catch (error) {
    if (error instanceof SlabringError && error.code === 'UNAVAILABLE') return undefined;
    throw error;
  }
}

/** A row for each command, a column for each size. */
export function timesAsText(rows: readonly CollectionRow[], sizes: readonly number[]): string {
  const commands = [...new Set(rows.map(({ command }) => command))];
  const cells = commands.map((command) => [
    command,
    ...sizes.map((size) => {
      const row = rows.find((one) => one.command === command && one.members === size);
      return row === undefined ? '' : nanosAsText(row.ns);
    }),
  ]);
  const head = ['ns a command', ...sizes.map((size) => `${size.toLocaleString('en-US')} members`)];
  return `${table([head, ...cells])}\n`;
}

function nanosAsText({ median, p25, p75 }: Spread): string {
  return `${median.toFixed(0)} (${p25.toFixed(0)} - ${p75.toFixed(0)})`;
}
