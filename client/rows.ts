/** The command table by code, as the client asks for it. */
import { COMMANDS, type CommandRow } from '../engine/commands.js';

const ROWS: (CommandRow | undefined)[] = [];
for (const row of Object.values<CommandRow>(COMMANDS)) ROWS[row.code] = row;

/** Whether a command only reads, and only what is at its key: whoever has a copy may answer it. */
export function isRead(code: number): boolean {
  const row = ROWS[code];
  return row !== undefined && row.firstKey === 0 && !row.write;
}

/** Whether a command may change what is at its keys. */
export function isWrite(code: number): boolean {
  return ROWS[code]?.write ?? false;
}

/**
 * WAIT key concern deadlineMs: replies once so many owners of the key have what was written to its
 * slot on this connection before, or the error UNAVAILABLE.
 */
export const WAIT = COMMANDS.WAIT.code;
