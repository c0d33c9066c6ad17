/** The timer that does the upkeep of an open cache: it starts, it stops, and nobody waits for it. */
import { spawnSync } from 'node:child_process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openCache } from '#engine/index.js';
import { startUpkeep } from '#engine/upkeep.js';
import { createArena, MIB } from '../support/kernel-memory.js';

const TICK_MS = 512;

afterEach(() => {
  vi.useRealTimers();
});

describe('a cache that is open', () => {
  it('loses what has expired, by real clocks, and nobody asks for it', async () => {
    using cache = openCache({ memory: 8 * MIB });
    for (let i = 0; i < 1000; i++) cache.set(`key ${i}`, i, { ttl: 100 });
    const { usedBytes } = cache.stats();
    await vi.waitUntil(() => cache.stats().expired === 1000, { timeout: 10_000, interval: 20 });
    expect(cache.size).toBe(0);
    expect(cache.stats().usedBytes).toBeLessThan(usedBytes);
    expect(cache.checkIntegrity()).toBeUndefined();
  });

  it('loses it in the tick after the one in which it expired', () => {
    vi.useFakeTimers({ now: 1000 * TICK_MS });
    using cache = openCache({ memory: 8 * MIB });
    for (let i = 0; i < 5000; i++) cache.set(`key ${i}`, i, { ttl: 1000 });
    cache.set('stays', 1);
    vi.advanceTimersByTime(999);
    expect(cache.size).toBe(5001);
    vi.advanceTimersByTime(TICK_MS + 50);
    expect(cache.size).toBe(1);
    expect(cache.stats()).toMatchObject({ expired: 5000, evictions: 0 });
  });

  it('has a timer until it is closed', () => {
    vi.useFakeTimers();
    const cache = openCache({ memory: 8 * MIB });
    vi.advanceTimersByTime(10_000);
    expect(vi.getTimerCount()).toBe(1);
    cache.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('lets the process end', () => {
    const program = `
      import { openCache } from ${JSON.stringify(import.meta.resolve('#engine/index.js'))};
      const cache = openCache();
      for (let i = 0; i < 20000; i++) cache.set('key ' + i, i, { ttl: 1 });
      cache.set('key', 1, { ttl: '1h' });
      console.log('done');`;
    const args = ['--input-type=module', '--eval', program];
    const { stdout, status } = spawnSync(process.execPath, args, { timeout: 30_000 });
    expect(String(stdout)).toBe('done\n');
    expect(status).toBe(0);
  });
});

describe('the timer', () => {
  it('ends when the arena was closed by others', () => {
    vi.useFakeTimers();
    const arena = createArena();
    startUpkeep(arena);
    vi.advanceTimersByTime(2 * TICK_MS);
    expect(vi.getTimerCount()).toBe(1);
    arena.close();
    vi.advanceTimersByTime(2 * TICK_MS);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not keep an arena that nobody has any more', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const held = new WeakRef(makeArena());
    await vi.waitUntil(
      () => {
        collect();
        return held.deref() === undefined;
      },
      { timeout: 10_000, interval: 20 },
    );
  });
});

/** In a function of its own, so that no frame holds it. */
function makeArena(): object {
  const arena = createArena();
  startUpkeep(arena);
  return arena;
}
