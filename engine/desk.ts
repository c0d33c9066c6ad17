/**
 * One arena as a cache works on it in this thread: where keys and values are written, and where
 * what was read stands.
 */
import { Buffer } from 'node:buffer';
import type { Key } from './api.js';
import type { Arena } from './arena.js';
import type { KernelExports } from './kernel-exports.js';
import { KeyArea, writeKey } from './keys.js';
import { ShortBytes } from './short-bytes.js';

/** For `getDirect`: the kernel reads the clock itself when it meets an entry with an expiry. */
export const CLOCK_WHEN_NEEDED = -1;

export class Desk {
  readonly arena: Arena;
  readonly kernel: KernelExports;
  readonly slot: number;
  /** The request area, for keys. */
  readonly keys: KeyArea;
  /** The same, for everything else. */
  readonly request: Buffer;
  readonly reply: Buffer;
  /** Copies of short values out of the reply area. */
  readonly shortBytes: ShortBytes;

  constructor(arena: Arena) {
    const { buffer, byteOffset, byteLength } = arena.reply;
    this.arena = arena;
    this.kernel = arena.kernel;
    this.slot = arena.slot;
    this.keys = new KeyArea(arena.request);
    this.request = this.keys.bytes;
    this.reply = Buffer.from(buffer, byteOffset, byteLength);
    this.shortBytes = new ShortBytes(this.reply);
  }

  /** Looks the key up: the value's length, its bytes being in the reply area, or -1. */
  find(key: Key): number {
    return this.kernel.getDirect(this.slot, writeKey(key, this.keys), CLOCK_WHEN_NEEDED);
  }

  /**
   * Stores the value that was written behind the key; false when a condition was not met.
   * @throws SlabringError the kernel's
   */
  store(
    keyLength: number,
    valueLength: number,
    ttlMs: number,
    flags: number,
    version: number,
  ): boolean {
    const { kernel, slot } = this;
    const now = Date.now();
    const status = kernel.setDirect(slot, keyLength, valueLength, ttlMs, flags, version, now);
    if (status < 0) throw this.arena.errorOf(status);
    return status === 1;
  }
}
