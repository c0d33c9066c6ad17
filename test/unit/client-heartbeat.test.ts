/** When the client asks a silent node, and when it gives it up. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Heartbeat } from '#client/heartbeat.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});

afterEach(() => {
  vi.useRealTimers();
});

function start(): { world: { received: number }; heartbeat: Heartbeat; seen: string[] } {
  const seen: string[] = [];
  const world = {
    received: 1,
    ask: () => seen.push('ask'),
    lost: (silentMs: number) => seen.push(`lost after ${silentMs} ms`),
  };
  const heartbeat = new Heartbeat(world);
  heartbeat.start();
  return { world, heartbeat, seen };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it('says nothing while messages come', async () => {
  const { world, seen } = start();
  for (let i = 0; i < 20; i++) {
    await pass(250);
    world.received++;
  }
  expect(seen).toEqual([]);
});

it('asks once after half a second, and gives up a second later', async () => {
  const { seen } = start();
  await pass(740);
  expect(seen).toEqual([]);
  await pass(20);
  expect(seen).toEqual(['ask']);
  await pass(980);
  expect(seen).toEqual(['ask']);
  await pass(20);
  expect(seen).toEqual(['ask', 'lost after 1500 ms']);
  await pass(10_000);
  expect(seen.length).toBe(2);
});

it('asks again and again while there are answers', async () => {
  const { world, seen } = start();
  for (let i = 0; i < 10; i++) {
    await pass(750);
    world.received++;
  }
  expect(seen.length).toBeGreaterThan(5);
  expect(new Set(seen)).toEqual(new Set(['ask']));
});

it('is silent when it was stopped, and begins anew', async () => {
  const { heartbeat, seen } = start();
  await pass(1_500);
  heartbeat.stop();
  await pass(10_000);
  expect(seen).toEqual(['ask']);
  heartbeat.start();
  await pass(400);
  expect(seen).toEqual(['ask']);
  await pass(200);
  expect(seen).toEqual(['ask', 'ask']);
});
