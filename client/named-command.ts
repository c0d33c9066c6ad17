/** Any command of the protocol, by its name. */
import type { Key } from '../engine/api.js';
import { COMMANDS, type CommandName, type CommandRow } from '../engine/commands.js';
import { SlabringError } from '../engine/errors.js';
import { isKey } from '../engine/handles/atomic.js';
import { show } from '../engine/units.js';
import { packAll, writeArgument } from './client-runner.js';
import { Result } from './pending.js';
import type { Sender } from './sender.js';

export function sendNamed(
  sender: Sender,
  command: CommandName,
  args: readonly unknown[],
): Promise<unknown> {
  try {
    if (!Object.hasOwn(COMMANDS, command)) {
      const names = Object.keys(COMMANDS).join(', ');
      throw new SlabringError('OPTION', `unknown command ${show(command)}; there are: ${names}`);
    }
    const row: CommandRow = COMMANDS[command];
    const keys = args.filter((_, index) => isKey(row, index, args)) as Key[];
    const parts = canSplit(command, row) ? sender.split(keys) : undefined;
    if (parts !== undefined) return sendParts(sender, command, keys, parts);
    const packed = packAll(args);
    const writer = sender.open(row.code, keys[0], keys.slice(1));
    writer.command(row.code, args.length);
    args.forEach((argument, index) => {
      writeArgument(writer, argument === undefined ? null : argument, packed?.[index]);
    });
  } catch (error) {
    return sender.abandon(error);
  }
  return sender.commit(Result.RAW);
}

async function sendParts(
  sender: Sender,
  command: CommandName,
  keys: readonly Key[],
  parts: readonly (readonly number[])[],
): Promise<unknown> {
  const shares = parts.map((part) => part.map((index) => keys[index]));
  const replies = await Promise.all(shares.map((share) => sendNamed(sender, command, share)));
  if (command !== 'MGET') return (replies as number[]).reduce((sum, count) => sum + count, 0);
  const values = new Array<unknown>(keys.length);
  for (const [at, part] of parts.entries()) {
    for (const [i, index] of part.entries()) values[index] = (replies[at] as unknown[])[i];
  }
  return values;
}

/** Whether a command may be cut: a count of its keys, or values of which each is for itself. */
function canSplit(command: CommandName, row: CommandRow): boolean {
  return row.manyKeys === 'apart' || command === 'MGET';
}
