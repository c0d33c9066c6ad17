/** Membership, one case at a time, in a simulated world. */
import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { Cluster, type ClusterNode } from '#bench/sim/cluster.js';
import { World } from '#bench/sim/world.js';
import type { MembershipEvent } from '#server/cluster/membership/events.js';
import { Health } from '#server/cluster/membership/health.js';
import { LAN, LOCAL, PRESETS, retransmitsOf } from '#server/cluster/membership/presets.js';
import { Suspicion } from '#server/cluster/membership/suspicion.js';
import { Timers } from '#server/cluster/membership/timers.js';
import { MESSAGE_BYTES_MAX, unpackMessage } from '#server/cluster/membership/wire.js';

let cluster: Cluster;
let nodes: ClusterNode[];

/** All settled, clocks exact. */
function settle(count: number): void {
  cluster = new Cluster({ seed: 1, nodes: count, skewMs: 0 });
  nodes = cluster.nodes;
  cluster.start();
  cluster.world.run(1000);
  expect(cluster.settle(3000)).toBeDefined();
}

function textsOf(type: MembershipEvent['type'], node: ClusterNode): string[] {
  return cluster
    .said(type)
    .filter((happening) => happening.node === node.name)
    .map(({ event }) => ('text' in event ? event.text : ''));
}

describe('a member', () => {
  beforeEach(() => settle(4));

  it('tells all others its meta, once it changes', () => {
    const before = nodes[1]!.membership.version;
    nodes[0]!.membership.setMeta(Buffer.from('v2'));
    cluster.world.run(1000);
    for (const node of nodes) {
      expect(node.membership.members.get('node-0')!.meta).toEqual(new Uint8Array([0x76, 0x32]));
    }
    expect(cluster.said('updated').length).toBe(3);
    expect(nodes[1]!.membership.version).toBe(before + 1);
    expect(() => nodes[0]!.membership.setMeta(new Uint8Array(257))).toThrow(
      'meta has 257 bytes; it may have up to 256',
    );
  });

  it('leaves when enough were told, and is not looked for after it', async () => {
    const left = nodes[0]!.membership.leave();
    expect(nodes[0]!.membership.leave()).toBe(left);
    await cluster.world.runAwaiting(LAN.leaveTimeoutMs / 4);
    await left;
    nodes[0]!.membership.stop();
    nodes[0]!.crash();
    for (const node of nodes.slice(1)) expect(node.stateOf('node-0')).toBe('left');
    const reconnects = (): number => nodes[1]!.membership.counters.reconnects;
    const before = reconnects();
    cluster.world.run(10_000);
    // But for the seed, which node-0 was for all.
    expect(reconnects() - before).toBeLessThanOrEqual(11);
    expect(cluster.said('dead')).toEqual([]);
    nodes[0]!.start();
    nodes[0]!.join(nodes[1]!);
    expect(cluster.settle(3000)).toBeDefined();
  });

  it('that did nothing wrong costs little: messages are short, no bytes are for nothing', () => {
    const sent = (): number => cluster.world.network.counters.bytes;
    const before = sent();
    cluster.world.run(10_000);
    // 5 probes and 5 answers a second and node, of about 50 bytes, and a sync.
    expect((sent() - before) / 10 / nodes.length).toBeLessThan(1000);
  });

  it('forgets who is dead, after long', () => {
    cluster = new Cluster({ seed: 2, nodes: 3, preset: { ...LAN, deadKeptMs: 30_000 } });
    nodes = cluster.nodes;
    cluster.start();
    cluster.world.run(3000);
    nodes[2]!.crash();
    cluster.world.run(10_000);
    expect(nodes[0]!.stateOf('node-2')).toBe('dead');
    cluster.world.run(60_000);
    expect(nodes[0]!.membership.members.size).toBe(2);
  });

  it('that is a stranger to whom it probes is asked who it is', () => {
    const stranger = cluster.world.machine('10.9.9.9:7708').start();
    const messages: string[] = [];
    stranger.transport.onMessage = (_, bytes) => {
      const message = unpackMessage(bytes);
      messages.push(typeof message === 'string' ? message : message.kind);
    };
    const { membership } = nodes[0]!;
    let ping: Uint8Array | undefined;
    const { network } = cluster.world;
    const { send } = network;
    network.send = (from, to, bytes) => {
      const message = unpackMessage(bytes);
      if (typeof message !== 'string' && message.target === membership.self.id) ping ??= bytes;
      send.call(network, from, to, bytes);
    };
    cluster.world.run(1000);
    const forged = Buffer.from(ping!);
    // Another id of the same length.
    forged.write('?', forged.indexOf(unpackSender(forged)));
    stranger.transport.send(nodes[0]!.machine.address, forged);
    cluster.world.run(100);
    expect(messages.sort()).toEqual(['ack', 'syncRequest']);
  });

  it('counts and drops what makes no sense', () => {
    const { membership } = nodes[0]!;
    membership.receive('10.0.0.9:1', Uint8Array.of(1, 2, 3));
    membership.receive('10.0.0.9:1', new Uint8Array(0));
    expect(membership.counters.malformed).toBe(2);
    expect(textsOf('warning', nodes[0]!)[0]).toMatch(/^a message makes no sense: /);
  });

  it('sends no message above its limit but syncs', () => {
    let longest = 0;
    const { network } = cluster.world;
    const { send } = network;
    network.send = (from, to, bytes) => {
      const message = unpackMessage(bytes);
      if (typeof message === 'string') throw new Error(message);
      if (!message.kind.startsWith('sync')) longest = Math.max(longest, bytes.length);
      send.call(network, from, to, bytes);
    };
    for (let round = 0; round < 20; round++) {
      for (const node of nodes) node.membership.setMeta(new Uint8Array(256).fill(round));
      cluster.world.run(50);
    }
    expect(longest).toBeGreaterThan(1000);
    expect(longest).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
  });

  it('sends nothing after it stopped, and its promises end', async () => {
    const joined = nodes[0]!.membership.join(['10.9.9.9:1']);
    nodes[0]!.membership.stop();
    expect(await joined).toBe(false);
    expect(await nodes[0]!.membership.join(['10.0.0.1:7708'])).toBe(false);
    await nodes[0]!.membership.leave();
    const { sent } = nodes[0]!.membership.counters;
    const before = structuredClone(sent);
    nodes[0]!.membership.setMeta(Uint8Array.of(1));
    cluster.world.run(5000);
    expect(sent).toEqual(before);
  });
});

function unpackSender(bytes: Uint8Array): string {
  const message = unpackMessage(bytes);
  return typeof message === 'string' ? message : message.sender;
}

it('who was cut off alone has nobody called dead by others when it is back', () => {
  for (let afterMs = 0; afterMs < 1_000; afterMs += 50) {
    settle(5);
    const [alone, ...others] = nodes as [ClusterNode, ...ClusterNode[]];
    const { network } = cluster.world;
    network.split(
      [alone.machine.address],
      others.map(({ machine }) => machine.address),
    );
    while (!others.some(({ name }) => alone.stateOf(name) === 'dead')) cluster.world.run(10);
    cluster.world.run(afterMs);
    network.heal();
    cluster.world.run(10_000);
    const called = cluster.said('dead').filter(({ node }) => node !== alone.name);
    const names = called.map(({ event }) => 'member' in event && event.member.name);
    expect(new Set(names)).toEqual(new Set([alone.name]));
  }
});

describe('join', () => {
  it('says whether somebody answered, and goes on trying', async () => {
    cluster = new Cluster({ seed: 1, nodes: 2 });
    const [first, second] = cluster.nodes as [ClusterNode, ClusterNode];
    first.start();
    expect(await first.membership.join([first.machine.address])).toBe(false);
    const joined = first.membership.join([second.machine.address]);
    await cluster.world.runAwaiting(LAN.joinTimeoutMs + 1);
    expect(await joined).toBe(false);
    second.start();
    expect(cluster.settle(3000)).toBeDefined();
    const again = first.membership.join([second.machine.address]);
    await cluster.world.runAwaiting(100);
    expect(await again).toBe(true);
  });

  it('does not take the answers of others for those of whom it has asked', async () => {
    settle(3);
    // In one of them the node compares all with a member, as it does at all times.
    const joins: Promise<boolean>[] = [];
    for (let ms = 0; ms < LAN.syncIntervalMs; ms += LAN.joinTimeoutMs) {
      joins.push(nodes[0]!.membership.join(['10.9.9.9:1']));
      await cluster.world.runAwaiting(LAN.joinTimeoutMs + 1);
    }
    expect(await Promise.all(joins)).toEqual(joins.map(() => false));
  });
});

describe('one name', () => {
  beforeEach(() => settle(4));

  it('of two living processes is a conflict: the later counts, the earlier keeps still', () => {
    const old = nodes[3]!;
    const rival = cluster.node('node-3', '10.0.7.7:7708');
    const oldId = old.membership.self.id;
    cluster.world.run(1000);
    rival.start();
    rival.join(nodes[0]!);
    cluster.world.run(5000);
    const { id } = rival.membership.self;
    expect(id).not.toBe(oldId);
    for (const node of nodes.slice(0, 3)) {
      expect(node.membership.members.get('node-3')).toMatchObject({ id, state: 'alive' });
    }
    expect(old.membership.isReplaced).toBe(true);
    expect(textsOf('conflict', old)[0]).toMatch(
      /^another process has the name node-3, at 10\.0\.7\.7:7708, and started later \(20/,
    );
    cluster.world.run(30_000);
    const told = nodes.slice(0, 3).flatMap((node) => textsOf('conflict', node));
    expect(told[0]).toMatch(/two processes have the name node-3: at 10\.0\.7\.7:7708, which/);
    // Once the later one is gone, the earlier one is back.
    rival.crash();
    cluster.world.run(10_000);
    expect(old.membership.isReplaced).toBe(false);
    for (const node of nodes.slice(0, 3)) {
      expect(node.membership.members.get('node-3')).toMatchObject({ id: oldId, state: 'alive' });
    }
  });

  it.each(['crashes', 'leaves'])('is back with the earlier of two alone as the later %s', (how) => {
    cluster = new Cluster({ seed: 1, nodes: 1, skewMs: 0 });
    const [old] = cluster.nodes as [ClusterNode];
    old.start();
    cluster.world.run(1000);
    const rival = cluster.node('node-0', '10.0.7.7:7708');
    rival.start();
    rival.join(old);
    cluster.world.run(20_000);
    expect(old.membership.isReplaced).toBe(true);
    expect(rival.membership.isReplaced).toBe(false);
    expect(cluster.said('conflict').map(({ event }) => 'text' in event && event.text)).toEqual([
      expect.stringMatching(/^another process has the name node-0, at 10\.0\.7\.7:7708, and/),
      expect.stringMatching(/^two processes have the name node-0: at .+ and at 10\.0\.0\.0:7708$/),
    ]);
    if (how === 'leaves') void rival.membership.leave();
    cluster.world.run(100);
    rival.crash();
    cluster.world.run(3000);
    expect(old.membership.isReplaced).toBe(false);
    const { id } = old.membership.self;
    expect(old.membership.members.get('node-0')).toMatchObject({ id, state: 'alive' });
  });

  it('of one that lives is found by who asks before it joins, in silence', async () => {
    const rival = cluster.node('node-3', '10.0.7.7:7708');
    cluster.world.run(1000);
    for (const asked of [nodes[0]!, nodes[3]!]) {
      rival.start();
      const found = rival.membership.findNamesake([asked.machine.address]);
      await cluster.world.runAwaiting(1000);
      expect(await found).toEqual({
        ...{ isAnswered: true, namesake: nodes[3]!.membership.self },
      });
    }
    expect(cluster.said('conflict')).toEqual([]);
    expect(nodes.map(({ membership }) => membership.members.get('node-3')!.address)).toEqual(
      Array(4).fill(nodes[3]!.machine.address),
    );
  });

  describe('of one that is no more is free', () => {
    let rival: ClusterNode;
    let address: string;

    beforeEach(() => {
      cluster.world.run(1000);
      rival = cluster.node('node-3', '10.0.7.7:7708');
      ({ address } = nodes[3]!.machine);
      nodes[3]!.crash();
    });

    it('as soon as its machine says so', async () => {
      rival.start();
      const found = rival.membership.findNamesake([nodes[0]!.machine.address]);
      await cluster.world.runAwaiting(50);
      rival.membership.findDeserted(address);
      expect(await Promise.race([found, turn('not yet')])).toEqual({ isAnswered: true });
    });

    it('when it has not answered in the time that a suspect has', async () => {
      rival.start();
      const found = rival.membership.findNamesake([nodes[0]!.machine.address]);
      await cluster.world.runAwaiting(LAN.suspicionMinMs - 50);
      expect(await Promise.race([found, turn('not yet')])).toBe('not yet');
      await cluster.world.runAwaiting(100);
      expect(await Promise.race([found, turn('not yet')])).toEqual({ isAnswered: true });
    });

    it.each(['node-3', 'node-9'])('at once where %s has its address', async (name) => {
      const heir = cluster.node(name, address);
      heir.start();
      const asks = name === 'node-3' ? heir : rival;
      if (asks === rival) rival.start();
      const found = asks.membership.findNamesake([nodes[0]!.machine.address]);
      await cluster.world.runAwaiting(100);
      expect(await Promise.race([found, turn('not yet')])).toEqual({ isAnswered: true });
    });
  });

  it('is not asked for where nobody answers', async () => {
    const lonely = cluster.node('node-4', '10.0.7.8:7708');
    lonely.start();
    expect(await lonely.membership.findNamesake(['10.0.7.8:7708'])).toEqual({ isAnswered: false });
    const found = lonely.membership.findNamesake(['10.0.7.9:7708']);
    await cluster.world.runAwaiting(LAN.joinTimeoutMs + 1);
    expect(await found).toEqual({ isAnswered: false });
  });

  it('belongs to who restarts with a clock set back, once its past life is dead', () => {
    cluster.world.run(1000);
    nodes[3]!.crash();
    const { address } = nodes[3]!.machine;
    const node = cluster.node('node-3', address, { skewMs: -3_600_000 });
    node.start();
    node.join(nodes[0]!);
    cluster.world.run(8000);
    expect(nodes[1]!.membership.members.get('node-3')).toMatchObject({
      ...{ id: node.membership.self.id, state: 'alive' },
    });
    expect(node.membership.isReplaced).toBe(false);
  });
});

describe('a member whose machine says that it is no more', () => {
  beforeEach(() => settle(4));

  it('is dead as soon as it could have denied that', () => {
    const [crashed, ...others] = nodes as [ClusterNode, ...ClusterNode[]];
    crashed.crash();
    const fromMs = cluster.world.nowMs;
    const { address } = crashed.machine;
    for (const { membership } of others) membership.findDeserted(address);
    const isDead = () =>
      others.every(({ membership }) => membership.members.get(crashed.name)?.state === 'dead');
    cluster.world.runUntil(isDead, 3_000);
    expect(cluster.world.nowMs - fromMs).toBeLessThan(LAN.lastCallMs + 50);
    others[0]!.membership.findDeserted('10.9.9.9:1');
  });

  it('denies it where only the network says so', () => {
    const [mistaken, other] = nodes as [ClusterNode, ClusterNode];
    mistaken.membership.findDeserted(other.machine.address);
    cluster.world.run(3_000);
    expect(cluster.said('suspected').length).toBeGreaterThan(0);
    expect(cluster.said('dead')).toEqual([]);
  });
});

describe('a suspicion', () => {
  function suspect(wanted: number) {
    const world = new World({ seed: 1 });
    const { clock } = world.machine('a').start();
    const timers = new Timers(clock, { pulseMs: 1e9, stallMs: 0 }, () => {});
    const ends: number[] = [];
    const calls: number[] = [];
    const times = { minMs: 1000, maxMs: 2000, lastCallMs: 300, wanted };
    const suspicion = new Suspicion(timers, times, 'a', {
      onLastCall: () => calls.push(Math.round(world.nowMs)),
      onTimeout: () => ends.push(Math.round(world.nowMs)),
    });
    return { world, suspicion, calls, ends };
  }

  it('lasts the longest alone, and shorter with each that confirms it', () => {
    const { world, suspicion, calls, ends } = suspect(3);
    expect(suspicion.timeoutMs).toBe(2000);
    expect(suspicion.confirm('a')).toBe(false);
    expect(suspicion.confirm('b')).toBe(true);
    expect(suspicion.timeoutMs).toBe(1500);
    expect(suspicion.confirm('b')).toBe(false);
    world.run(100);
    expect(suspicion.confirm('c')).toBe(true);
    expect(suspicion.timeoutMs).toBeCloseTo(1207.5, 1);
    expect(suspicion.confirm('d')).toBe(true);
    expect(suspicion.confirm('e')).toBe(false);
    world.run(5000);
    expect([calls, ends]).toEqual([[700], [1000]]);
  });

  it('lasts as long as a last call where there is proof', () => {
    const { world, suspicion, calls, ends } = suspect(2);
    world.run(100);
    suspicion.hasten();
    suspicion.hasten();
    expect(suspicion.confirm('b')).toBe(true);
    world.run(5000);
    expect([calls, ends]).toEqual([[100], [400]]);
  });

  it('lasts the least where nobody is to ask, and all of it again after a stall', () => {
    const { world, suspicion, calls, ends } = suspect(0);
    world.run(900);
    suspicion.restart();
    world.run(5000);
    expect([calls, ends]).toEqual([[700, 1600], [1900]]);
  });
});

it('timers see a stall before what was due in it runs, and may take it back', () => {
  const world = new World({ seed: 1 });
  const machine = world.machine('a');
  const { clock } = machine.start();
  const ran: string[] = [];
  const stalls: number[] = [];
  const timers = new Timers(clock, { pulseMs: 100, stallMs: 50 }, (gapMs) => {
    stalls.push(gapMs);
    cancel();
  });
  const pulse = (): void => {
    timers.pulse();
    timers.after(100, pulse);
  };
  pulse();
  const cancel = timers.after(500, () => ran.push('taken back'));
  timers.after(600, () => ran.push('kept'));
  world.run(450);
  machine.pauseFor(1000);
  world.run(2000);
  expect(ran).toEqual(['kept']);
  expect(stalls).toEqual([1050]);
  timers.stop();
  world.run(2000);
  expect(stalls.length).toBe(1);
});

it('health stays between well and worst', () => {
  const health = new Health(8);
  health.add(-1);
  expect(health.factor).toBe(1);
  health.add(20);
  expect([health.score, health.factor]).toEqual([8, 9]);
  health.add(-3);
  expect(health.score).toBe(5);
});

it.each(Object.entries(PRESETS))('the times of %s fit together', (_, preset) => {
  // A helper's answer, and its nack, must be there before the period is over.
  expect(preset.probeTimeoutMs).toBeLessThan(preset.probeIntervalMs / 2);
  expect(preset.gossipIntervalMs).toBeLessThan(preset.probeIntervalMs);
  // A suspect hears of it by gossip, and may lose a few of those messages.
  expect(preset.suspicionMinMs).toBeGreaterThanOrEqual(4 * preset.gossipIntervalMs);
  expect(preset.deadGossipMs).toBeLessThan(preset.deadKeptMs);
  expect(LOCAL.probeIntervalMs).toBeLessThan(LAN.probeIntervalMs);
  expect([retransmitsOf(preset, 5), retransmitsOf(preset, 100)]).toEqual([4, 12]);
});
