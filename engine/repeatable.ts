/** Which commands may be asked for again where nobody knows whether they were run. */
import { COMMANDS, type CommandRow } from './commands.js';

const ROWS: (CommandRow | undefined)[] = [];
for (const row of Object.values<CommandRow>(COMMANDS)) ROWS[row.code] = row;

/** @param argCount arguments, the code not counted */
export function isRepeatable(code: number, argCount: number): boolean {
  const row = ROWS[code];
  if (row === undefined || row.firstKey < 0 || row.host) return false;
  return !row.write || argCount <= (row.repeatableArgs ?? -1);
}
