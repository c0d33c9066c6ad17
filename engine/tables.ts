/** The tables that a kernel reads from its memory: the command table, and the texts of errors. */
import { COMMANDS, type CommandRow } from './commands.js';
import { SlabringError } from './errors.js';
import { KERNEL_ERROR_TEXTS, type KernelExports } from './kernel-exports.js';

/** For the kernel: keys come for as long as there are arguments. */
const TO_THE_END = -1;

/** A constant that the kernel exports. */
export function constantOf(kernel: KernelExports, name: string): number {
  const exported = (kernel as unknown as Record<string, { value: number } | undefined>)[name];
  if (!exported) throw new SlabringError('INTERNAL', `the kernel does not export ${name}`);
  return exported.value;
}

/**
 * Writes the tables into the kernel's memory.
 * @param area a part of that memory that may be overwritten
 */
export function writeTables(kernel: KernelExports, area: Uint8Array): void {
  const at = area.byteOffset;
  const encoder = new TextEncoder();
  for (const [name, row] of Object.entries<CommandRow>(COMMANDS)) {
    area.set(encoder.encode(name));
    const { code, minArgs, maxArgs, firstKey, keyStep = 1, lastKey = TO_THE_END } = row;
    kernel.addCommand(
      ...([code, minArgs, maxArgs, firstKey, keyStep, lastKey, row.optionsBehind ?? 0] as const),
      ...([flagsOf(row, kernel), at, name.length] as const),
    );
  }
  for (const [name, text] of Object.entries(KERNEL_ERROR_TEXTS)) {
    const bytes = encoder.encode(text);
    area.set(bytes);
    kernel.setErrorText(constantOf(kernel, name), at, bytes.length);
  }
}

function flagsOf(row: CommandRow, kernel: KernelExports): number {
  const write = row.write ? kernel.ROW_WRITE.value : 0;
  if (row.host) return write | kernel.ROW_HOST.value;
  if (row.manyKeys === undefined) return write;
  const { ROW_KEYS_APART, ROW_KEYS_TOGETHER } = kernel;
  return write | (row.manyKeys === 'apart' ? ROW_KEYS_APART : ROW_KEYS_TOGETHER).value;
}
