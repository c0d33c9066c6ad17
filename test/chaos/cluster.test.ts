/**
 * A cluster of real nodes that fail one at a time, under load: CLUSTER_SECONDS=600 so long,
 * CLUSTER_SEED=n the same choices again. `npm run test:cluster` gives each node a network of its
 * own, so that ways between them are cut, too.
 */
import { cpus, loadavg } from 'node:os';
// Sleeps: each place says why time must pass.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ClusterClients, COUNTS, LOOSE, STABLE } from '../support/cluster-clients.js';
import type { Line } from '../support/cluster-line.js';
import { ClusterNetwork } from '../support/cluster-network.js';
import {
  availabilitiesOf,
  availabilityOf,
  ClusterOrdeal,
  wrongsOf,
} from '../support/cluster-ordeal.js';
import { ClusterProcesses, copiesOf } from '../support/cluster-processes.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { WireError } from '../support/wire.js';

const seconds = Number(process.env.CLUSTER_SECONDS ?? 0);
const seed = Number(process.env.CLUSTER_SEED ?? freshSeed());
/** Calls per second of all clients together. */
const rate = Number(process.env.CLUSTER_RATE ?? 200);
/** Of those that go through any node, and of ours. */
const EACH_CLIENTS = 3;
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const GUEST = 'f';
/** The copy check looks at what is at least 5 s old. */
const SETTLED_MS = 6_000;
/** What users are promised; a busy machine is let off so much more (see the report). */
const OUTAGE_MAX_MS = 2_000;
const FRAME_COMMANDS = 60;
/** Starting five nodes and comparing everything, on a slow machine. */
const BESIDE_MS = 240_000;

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

function report(text: string): void {
  process.stdout.write(`  ${text}\n`);
}

async function each(line: Line, commands: readonly (readonly unknown[])[]): Promise<unknown[]> {
  const replies: unknown[] = [];
  for (let at = 0; at < commands.length; at += FRAME_COMMANDS) {
    replies.push(...(await line.call(commands.slice(at, at + FRAME_COMMANDS), 20_000)));
  }
  return replies;
}

/** Keys whose copies are not the same on all nodes that have one. */
async function differences(cluster: ClusterProcesses, keys: readonly string[]): Promise<string[]> {
  const copies = await copiesOf(
    cluster.all,
    keys.map((key) => ['GET', key]),
  );
  return keys.flatMap((key, i) => {
    const there = [...copies].flatMap(([name, replies]) => {
      const reply = replies[i];
      return reply instanceof WireError ? [] : [`${name}: ${reply}`];
    });
    const values = new Set(there.map((text) => text.slice(text.indexOf(':'))));
    // What a node has beside, it will drop.
    const isRight = values.size === 1 && there.length >= 3;
    return isRight ? [] : [`${key} ${there.join(', ')}`];
  });
}

test(
  'nodes that fail one at a time lose nothing, and are missed for moments',
  async () => {
    report(
      `CLUSTER_SEED=${seed}, Node ${process.version}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}`,
    );
    const random = new Random(seed);
    const network = ClusterNetwork.isPossible ? new ClusterNetwork() : undefined;
    for (const name of [...NAMES, GUEST]) await network?.add(name);
    report(network ? 'with cuts of the network' : 'without cuts: npm run test:cluster has them');
    const args = ['--repair-interval', '10s', '--replace-after', '30s', '--leave-timeout', '5s'];
    const cluster = await ClusterProcesses.of('ordeal', NAMES, {
      ...{ replicas: 2, args },
      ...(network && { network }),
    });
    try {
      const line = await cluster.get('a').line();
      await each(
        line,
        range(STABLE).map((i) => ['SET', `stable:${i}`, i]),
      );
      await each(
        line,
        range(STABLE).map((i) => ['WAIT', `stable:${i}`, 'all', 20_000]),
      );
      const running = () => cluster.all.filter(({ url }) => url !== '');
      const clients = new ClusterClients(running, random);
      await clients.start(EACH_CLIENTS, (2 * EACH_CLIENTS * 1_000) / rate);
      const onMend = () => clients.turnOver();
      const ordeal = new ClusterOrdeal(cluster, random, { network, guest: GUEST, onMend });
      const startedMs = performance.now();
      let failures = 0;
      const fewest = seconds > 0 ? 0 : 2;
      let broken: unknown;
      try {
        while (failures < fewest || performance.now() - startedMs < 1_000 * seconds) {
          await ordeal.next(failures++);
        }
      } catch (error) {
        broken = error;
      }
      await clients.end();
      const { calls } = clients;
      const ranMs = performance.now() - startedMs;
      for (const text of ordeal.felt(calls)) report(text);
      report(
        `${failures} failures in ${(ranMs / 1_000).toFixed(0)} s, load ${loadavg()[0]!.toFixed(1)}`,
      );
      report(`succeeded: ${availabilityOf(calls)}`);
      for (const text of availabilitiesOf(calls)) report(text);
      for (const text of wrongsOf(calls)) report(text);
      report(`stale reads: ${clients.stale}`);
      for (const {
        name,
        process: { stderr },
      } of cluster.all) {
        if (stderr) report(`${name}: ${stderr.trimEnd().split('\n').slice(-5).join('; ')}`);
      }
      if (broken) throw broken;

      // Sleeps: the check looks at what is older only.
      await delay(SETTLED_MS);
      const reader = await cluster.all[0]!.line();
      const sure = await each(
        reader,
        range(clients.sure).map((i) => ['GET', `sure:${i}`]),
      );
      const lost = range(clients.sure).flatMap((i) => clients.lost(i, sure[i]) ?? []);
      const last = range(clients.sure).filter((i) => clients.isLastAcknowledged(i, sure[i])).length;
      report(`sure: ${last} of ${clients.sure} are what a quorum had last`);
      const stable = await each(
        reader,
        range(STABLE).map((i) => ['GET', `stable:${i}`]),
      );
      const missing = range(STABLE).filter((i) => stable[i] !== i);
      const differing = await differences(cluster, [
        ...range(clients.sure).map((i) => `sure:${i}`),
        ...range(COUNTS).map((i) => `count:${i}`),
        ...range(LOOSE).map((i) => `loose:${i}`),
        ...range(STABLE).map((i) => `stable:${i}`),
      ]);
      const checks = await Promise.all(cluster.all.map((node) => node.check()));
      for (const { compared, differing, alone, silent, differences } of checks.slice(0, 1)) {
        report(
          `check: ${compared} compared, ${differing} differ, ${alone} alone, silent ${silent}`,
        );
        for (const one of differences.slice(0, 10)) report(JSON.stringify(one));
      }
      expect({ lost, missing, differing }).toEqual({ lost: [], missing: [], differing: [] });
      expect(checks.map(({ differing, silent }) => [differing, silent.length])).toEqual(
        checks.map(() => [0, 0]),
      );
      const misses = calls.filter(({ wrong }) => wrong === 'missed').length;
      expect(misses).toBe(0);
      const outageMs = ordeal.outageMs(calls, 'read', /^(kill|SIGSTOP)/);
      report(`longest outage of reads after kill and SIGSTOP: ${outageMs.toFixed(0)} ms`);
      if (loadavg()[0]! <= 2 * cpus().length) expect(outageMs).toBeLessThan(OUTAGE_MAX_MS);
    } finally {
      await cluster.end();
      network?.end();
    }
  },
  1_000 * seconds + BESIDE_MS + 120_000,
);
