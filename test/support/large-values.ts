/** Encoded values of any size whose every byte tells where it belongs, and of which write. */
import type { Arena } from '#engine/arena.js';
import { Desk } from '#engine/desk.js';
import type { KernelExports } from '#engine/kernel-exports.js';
import { LargeValues } from '#engine/large.js';

export const BIN32_BYTES = 5;
export const NIL_BYTES = Buffer.of(0xc0);

/** A bin of just so many bytes with its header, of which number `seed` makes the content. */
export function encoded(bytes: number, seed = 0): Buffer {
  const value = Buffer.allocUnsafe(bytes);
  value[0] = 0xc6;
  value.writeUInt32BE(bytes - BIN32_BYTES, 1);
  let word = (seed * 2_654_435_761) >>> 0;
  let at = BIN32_BYTES;
  for (; at + 4 <= bytes; at += 4) {
    value.writeUInt32LE(word, at);
    word = (word + 0x9e37_79b9) >>> 0;
  }
  value.fill(seed & 0xff, at);
  return value;
}

/** Functions of the kernel that a test wants to be asked before they are called. */
export type Hooks = { [Name in keyof KernelExports]?: () => void };

/** A thread's values; `hooks` are called before the functions of the kernel that they name. */
export function largeValuesOf(arena: Arena, hooks: Hooks = {}): LargeValues {
  const { kernel, slot, request, reply } = new Desk(arena);
  const hooked: Record<string, unknown> = { ...kernel };
  for (const [name, hook] of Object.entries(hooks)) {
    const call = kernel[name as keyof KernelExports] as unknown as (...args: unknown[]) => unknown;
    hooked[name] = (...args: unknown[]) => {
      hook();
      return call(...args);
    };
  }
  return new LargeValues({ arena, slot, request, reply, kernel: hooked } as unknown as Desk);
}
