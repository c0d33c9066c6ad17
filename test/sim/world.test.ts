/** The simulated world itself: time, machines, and how badly its network can treat messages. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { LinkProfile } from '#bench/sim/network.js';
import { Schedule } from '#bench/sim/schedule.js';
import { World } from '#bench/sim/world.js';

let world: World;

/** Sends so many numbered messages from a to b, one a millisecond; what came, and when. */
function sendMany(count: number, link: Partial<LinkProfile>): { number: number; atMs: number }[] {
  world = new World({ seed: 7, link });
  const a = world.machine('a').start();
  const b = world.machine('b').start();
  const came: { number: number; atMs: number }[] = [];
  b.transport.onMessage = (from, bytes) => {
    expect(from).toBe('a');
    came.push({ number: Buffer.from(bytes).readUInt32BE(0), atMs: world.nowMs });
  };
  const bytes = new Uint8Array(4);
  for (let number = 0; number < count; number++) {
    new DataView(bytes.buffer).setUint32(0, number);
    a.transport.send('b', bytes);
    world.run(1);
  }
  world.run(10_000);
  return came;
}

const numbersOf = (came: { number: number }[]): number[] => came.map(({ number }) => number);
const inOrder = Array.from({ length: 1000 }, (_, i) => i);

describe('a link', () => {
  it('takes its time, and keeps what was sent as it was', () => {
    const came = sendMany(1000, { delayMs: 3, jitterMs: 0 });
    expect(numbersOf(came)).toEqual(inOrder);
    expect(came[10]!.atMs).toBe(13);
  });

  it('lets messages overtake each other, or not', () => {
    const jitter = { delayMs: 1, jitterMs: 5, spikes: 0.1, spikeMs: 100 };
    const came = sendMany(1000, jitter);
    expect(numbersOf(came)).not.toEqual(inOrder);
    expect(numbersOf(came).sort((x, y) => x - y)).toEqual(inOrder);
    expect(numbersOf(sendMany(1000, { ...jitter, isOrdered: true }))).toEqual(inOrder);
  });

  it('loses and doubles as many as it is told to', () => {
    const came = sendMany(1000, { loss: 0.2 }).length;
    expect(came).toBeGreaterThan(740);
    expect(came).toBeLessThan(860);
    expect(world.network.counters).toMatchObject({
      sent: 1000,
      delivered: came,
      lost: 1000 - came,
    });
    const doubled = sendMany(1000, { duplicates: 0.3 }).length;
    expect(doubled).toBe(1000 + world.network.counters.duplicated);
    expect(doubled).toBeGreaterThan(1240);
    expect(doubled).toBeLessThan(1360);
  });

  it('takes so many bytes a time, and says what waits', () => {
    world = new World({ seed: 1, link: { bytesPerMs: 10, delayMs: 1, jitterMs: 0 } });
    const a = world.machine('a').start();
    const b = world.machine('b').start();
    const came: number[] = [];
    b.transport.onMessage = () => came.push(world.nowMs);
    a.transport.send('b', new Uint8Array(1000));
    a.transport.send('b', new Uint8Array(500));
    expect(a.transport.backlogBytes('b')).toBe(1500);
    world.run(120);
    expect(a.transport.backlogBytes('b')).toBe(300);
    world.run(1000);
    expect(a.transport.backlogBytes('b')).toBe(0);
    expect(came).toEqual([101, 151]);
  });

  it('may differ from the others, in one direction', () => {
    world = new World({ seed: 1, link: { jitterMs: 0, delayMs: 1 } });
    world.network.setLink('a', 'b', { delayMs: 50 });
    const a = world.machine('a').start();
    const b = world.machine('b').start();
    const came: string[] = [];
    b.transport.onMessage = () => came.push(`b ${world.nowMs}`);
    a.transport.onMessage = () => came.push(`a ${world.nowMs}`);
    a.transport.send('b', new Uint8Array(1));
    b.transport.send('a', new Uint8Array(1));
    world.run(100);
    expect(came).toEqual(['a 1', 'b 50']);
  });
});

describe('a network', () => {
  let came: string[];
  let say: (from: string, to: string) => void;

  beforeEach(() => {
    world = new World({ seed: 1 });
    came = [];
    const names = ['a', 'b', 'c'];
    const processes = new Map(names.map((name) => [name, world.machine(name).start()]));
    for (const [name, { transport }] of processes) {
      transport.onMessage = (from) => came.push(from + name);
    }
    say = (from, to) => processes.get(from)!.transport.send(to, new Uint8Array(1));
  });

  function allSay(): string {
    came.length = 0;
    for (const from of 'abc') for (const to of 'abc') if (from !== to) say(from, to);
    world.run(100);
    return came.sort().join(' ');
  }

  it('splits, also around what is on its way, and heals', () => {
    say('a', 'b');
    world.network.split(['a'], ['b', 'c']);
    expect(allSay()).toBe('bc cb');
    world.network.split(['a', 'b']);
    expect(allSay()).toBe('ab ac ba bc ca cb');
    world.network.heal();
    expect(allSay()).toBe('ab ac ba bc ca cb');
  });

  it('is cut in one direction', () => {
    world.network.cut('a', 'b');
    expect(allSay()).toBe('ac ba bc ca cb');
    world.network.heal();
    expect(allSay()).toBe('ab ac ba bc ca cb');
  });
});

describe('a machine', () => {
  beforeEach(() => {
    world = new World({ seed: 1, link: { jitterMs: 0, delayMs: 1 }, epochMs: 1_000_000 });
  });

  it('has a clock of its own: skewed, faster, and timers with it', () => {
    const { clock } = world.machine('a', { skewMs: -500, driftPpm: 100_000 }).start();
    const ran: number[] = [];
    expect(clock.now()).toBe(999_500);
    clock.after(1100, () => ran.push(world.nowMs));
    clock.after(550, () => ran.push(world.nowMs))();
    world.run(2000);
    expect(ran.map(Math.round)).toEqual([1000]);
    expect(clock.now()).toBe(999_500 + 2200);
  });

  it('runs due timers, then what came, when it goes on after a pause', () => {
    const machine = world.machine('a');
    const { clock, transport } = machine.start();
    const other = world.machine('b').start();
    const ran: string[] = [];
    transport.onMessage = () => ran.push('message');
    clock.after(200, () => ran.push('later'));
    clock.after(100, () => {
      ran.push('timer');
      cancel();
    });
    const cancel = clock.after(150, () => ran.push('taken back'));
    machine.pauseFor(300);
    other.transport.send('a', new Uint8Array(1));
    world.run(250);
    expect(ran).toEqual([]);
    expect([machine.isUp, machine.isPaused]).toEqual([true, true]);
    world.run(100);
    expect(ran).toEqual(['timer', 'later', 'message']);
  });

  it('leaves nothing of a process that crashed, and another may start', () => {
    const machine = world.machine('a');
    const first = machine.start();
    const other = world.machine('b').start();
    const ran: string[] = [];
    first.transport.onMessage = () => ran.push('first message');
    first.clock.after(100, () => ran.push('first timer'));
    other.transport.onMessage = () => ran.push('other');
    other.transport.send('a', new Uint8Array(1));
    machine.crash();
    first.transport.send('b', new Uint8Array(1));
    world.run(500);
    const second = machine.start();
    second.transport.onMessage = () => ran.push('second message');
    other.transport.send('a', new Uint8Array(1));
    world.run(500);
    expect(ran).toEqual(['second message']);
    expect(first.random()).not.toBe(second.random());
  });
});

it('events come in order of time, then of scheduling', () => {
  const schedule = new Schedule();
  const ran: number[] = [];
  const times = Array.from({ length: 500 }, (_, i) => (i * 7919) % 97);
  for (const [i, atMs] of times.entries()) schedule.at(atMs, () => ran.push(atMs * 1000 + i));
  while (schedule.step(1000));
  expect(ran).toEqual([...ran].sort((a, b) => a - b));
  expect([ran.length, schedule.nowMs]).toEqual([500, 1000]);
});

it('processes that await have their turn between events', async () => {
  world = new World({ seed: 1 });
  const { clock } = world.machine('a').start();
  const ran: string[] = [];
  const sleep = (ms: number): Promise<void> => new Promise((done) => clock.after(ms, done));
  void (async () => {
    await sleep(10);
    await Promise.resolve();
    ran.push('first');
    await sleep(10);
    ran.push('second');
  })();
  clock.after(10.5, () => ran.push('between'));
  await world.runAwaiting(100);
  expect(ran).toEqual(['first', 'between', 'second']);
  expect(world.nowMs).toBe(100);
});
