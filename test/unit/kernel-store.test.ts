/** The arenas of nodes as the cluster's logic sees them: what one ships the other has. */
import { afterEach, describe, expect, it } from 'vitest';
import { ArenaSet, type ArenaSetOptions } from '#engine/arena-set.js';
import { readCacheOptions } from '#engine/config.js';
import type { Frames } from '#engine/frame.js';
import { createExecutor } from '#engine/routed-frame.js';
import { SLOTS, slotOfText } from '#engine/slots.js';
import { KernelStore } from '#server/cluster/kernel-store.js';
import { SlotSet } from '#server/cluster/slot-set.js';
import { Service, type Shipment } from '#server/cluster/store.js';
import { command, integer, str, type Wire } from '../support/kernel-wire.js';
import { recordsOf } from '../support/stamped-arena.js';

const NOW = Date.UTC(2030, 0, 1);

class Node {
  nowMs = NOW;
  readonly arenas: ArenaSet;
  readonly store: KernelStore;
  readonly #executor: Frames<undefined>;

  constructor(node: number, options: Partial<ArenaSetOptions> = {}) {
    const { arena } = readCacheOptions({ memory: '32mb', maxNamespaces: 0 });
    this.arenas = ArenaSet.create({ ...arena, slots: true, node, ...options });
    const now = () => this.nowMs;
    this.store = new KernelStore(this.arenas, { logBytes: 4 * 1024 * 1024, now });
    this.#executor = createExecutor<undefined>(this.arenas, () => null, { now });
    for (let slot = 0; slot < SLOTS; slot++) this.store.setSlot(slot, Service.SERVES, 1, 0);
  }

  run(...parts: Parameters<typeof command>): Wire {
    const frame = Buffer.concat([Buffer.of(1), command(...parts)]);
    return Buffer.from(this.#executor.execute(frame, undefined) as Uint8Array).subarray(1);
  }

  shipments(): Shipment[] {
    const all: Shipment[] = [];
    for (let one = this.store.ship(); one; one = this.store.ship()) {
      // They hold until the next call.
      all.push({ ...one, lanes: one.lanes.map((lane) => lane && Uint8Array.from(lane)) });
    }
    return all;
  }

  /** Everything that is for a link. */
  shipTo(link: number): Uint8Array {
    return Buffer.concat(this.shipments().flatMap(({ lanes }) => lanes[link] ?? []));
  }

  /** All that it has of these slots, as records. */
  walk(slots: SlotSet, newerThan = 0n): Uint8Array[] {
    const pages: Uint8Array[] = [];
    let cursor = 0;
    do {
      const page = this.store.scan(cursor, slots, newerThan);
      pages.push(page.records);
      cursor = page.cursor;
    } while (cursor !== 0);
    return pages;
  }

  close(): void {
    this.store.close();
    this.arenas.close();
  }
}

const nodes: Node[] = [];
function open(options?: Partial<ArenaSetOptions>): [Node, Node] {
  const pair: [Node, Node] = [new Node(1, options), new Node(2)];
  nodes.push(...pair);
  return pair;
}
afterEach(() => {
  for (const node of nodes.splice(0)) node.close();
});

describe.each([
  ['one arena', {}],
  ['two arenas', { arenas: 2, memoryBytes: 64 * 1024 * 1024 }],
])('a node of %s', (_, options) => {
  it('ships what it writes, and another one has it', async () => {
    const [a, b] = open(options);
    for (let i = 0; i < 500; i++) a.run('SET', str(`key ${i}`), str(`value ${i}`));
    a.run('SADD', str('set'), str('x'));
    a.run('SADD', str('set'), str('y'));
    const applied = b.store.apply(a.shipTo(0));
    expect(applied).toEqual({ refused: 0, missing: [] });
    expect(b.run('GET', str('key 7'))).toEqual(str('value 7'));
    expect(b.run('SCARD', str('set'))).toEqual(integer(2));
    // What came from another node is not sent on.
    expect(b.shipTo(0)).toHaveLength(0);
    const late = a.store.stamp() + 1n;
    expect(await a.store.digests(late)).toEqual(await b.store.digests(late));
  });

  it('ships to more links than there are lanes, more than lanes hold, in order', () => {
    // Seven lanes.
    const [a] = open({ ...options, maxValueBytes: 4096 });
    const LINKS = 20;
    const linksOf = (slot: number) => Math.imul(slot + 1, 0x9e37_79b1) & ((1 << LINKS) - 1);
    for (let slot = 0; slot < SLOTS; slot++)
      a.store.setSlot(slot, Service.SERVES, linksOf(slot), 0);
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
    const values = Array.from({ length: 20 }, (_, i) => `${i} `.padEnd(i === 3 ? 3_000 : 200));
    for (const value of values) for (const key of keys) a.run('SET', str(key), str(value));
    const told = Array.from({ length: LINKS }, () => new Map<string, string>());
    for (const { lanes, streams } of a.shipments()) {
      expect(streams.some(({ isLost }) => isLost)).toBe(false);
      for (const [link, lane] of lanes.entries()) {
        for (const { key, value } of recordsOf(Buffer.from(lane ?? []))) {
          const before = told[link]!.get(`${key}`) ?? '';
          told[link]!.set(`${key}`, before + value.toString('latin1'));
        }
      }
    }
    const all = values.map((value) => str(value).toString('latin1')).join('');
    for (const [link, found] of told.entries()) {
      const own = keys.filter((key) => (linksOf(slotOfText(key)) >> link) & 1);
      expect([...found.keys()].sort()).toEqual(own.sort());
      expect([...found.values()].every((text) => text === all)).toBe(true);
    }
  });

  it('ships to all the same links, and to others from the moment that slots have others', () => {
    const [a] = open(options);
    const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
    const shipped = () => {
      const told: string[][] = [[], []];
      for (const { lanes } of a.shipments()) {
        for (const [link, lane] of lanes.entries()) {
          for (const { key } of recordsOf(Buffer.from(lane ?? []))) told[link]!.push(`${key}`);
        }
      }
      return told.map((list) => list.sort());
    };
    const linkOf = (key: string) => slotOfText(key) & 1;
    const write = () => {
      for (const key of keys) a.run('SET', str(key), str('v'));
    };
    write();
    expect(shipped()).toEqual([[...keys].sort(), []]);
    for (let slot = 1; slot < SLOTS; slot += 2) a.store.setSlot(slot, Service.SERVES, 2, 0);
    write();
    const own = (link: number) => keys.filter((key) => linkOf(key) === link).sort();
    expect(shipped()).toEqual([own(0), own(1)]);
    for (let slot = 0; slot < SLOTS; slot++) a.store.setSlot(slot, Service.SERVES, 2, 0);
    write();
    expect(shipped()).toEqual([[], [...keys].sort()]);
  });

  it('is not brought back what was deleted', () => {
    const [a, b] = open(options);
    a.run('SET', str('k'), str('old'));
    const old = a.shipTo(0);
    b.store.apply(old);
    a.run('DEL', str('k'));
    const deletion = a.shipTo(0);
    b.store.apply(deletion);
    expect(b.run('GET', str('k'))).toEqual(Buffer.of(0xc0));
    for (const node of [a, b]) {
      expect(node.store.apply(old).refused).toBe(1);
      expect(node.run('GET', str('k'))).toEqual(Buffer.of(0xc0));
    }
  });

  it('tells of what it deleted though the change log could not hold it', () => {
    const [a, b] = open(options);
    const keys = Array.from({ length: 400 }, (_, i) => `{${i}}`);
    const all = [...keys, 'set'].map((key) => str(key));
    for (const key of keys) a.run('SET', str(key), str('old'));
    a.run('SADD', str('set'), str('m'));
    const old = a.shipTo(0);
    b.store.apply(old);
    const newerThan = a.store.stamp();
    a.nowMs++;
    for (const key of keys.slice(0, 200)) a.run('DEL', str(key));
    for (const key of keys.slice(200, 300)) a.run('GETDEL', str(key));
    for (const key of keys.slice(300)) a.run('RENAME', str(key), str(`new ${key}`));
    a.run('SREM', str('set'), str('m'));
    // More than the log has room for.
    const filler = str('f'.repeat(8_000));
    for (let i = 0; i < 3_000; i++) a.run('SET', str(`filler ${i % 500}`), filler);
    const streams = new Set(
      a
        .shipments()
        .flatMap(({ streams }) => streams.flatMap(({ isLost, stream }) => (isLost ? stream : []))),
    );
    expect(streams.size).toBe(a.store.streams);
    // As the cluster does then: what is newer than what the other one is known to have.
    for (const records of a.walk(SlotSet.all(), newerThan)) b.store.apply(records);
    for (const node of [a, b]) {
      expect(node.run('EXISTS', ...all)).toEqual(integer(0));
      node.store.apply(old);
      expect(node.run('EXISTS', ...all)).toEqual(integer(0));
      expect(node.run('GET', str('new {399}'))).toEqual(str('old'));
    }
  });

  it('writes after what it applied, however its clock stands', () => {
    const [a, b] = open(options);
    b.nowMs = NOW - 60_000;
    a.run('SET', str('k'), str('a'));
    b.store.apply(a.shipTo(0));
    b.run('SET', str('k'), str('b'));
    expect(a.store.apply(b.shipTo(0)).refused).toBe(0);
    expect(a.run('GET', str('k'))).toEqual(str('b'));
  });

  it('is walked by slots and stamps', () => {
    const [a] = open(options);
    const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
    for (const key of keys) a.run('SET', str(key), str(key));
    const wanted = SlotSet.of(keys.slice(0, 100).map(slotOfText));
    const [, c] = open();
    for (const records of a.walk(wanted)) c.store.apply(records);
    const there = keys.filter((key) => c.run('EXISTS', str(key)).equals(integer(1)));
    expect(there).toEqual(keys.filter((key) => wanted.has(slotOfText(key))));
    expect(Buffer.concat(a.walk(SlotSet.all(), a.store.stamp()))).toHaveLength(0);
  });

  it('forgets slots, and tells nobody', async () => {
    const [a, b] = open(options);
    a.run('SET', str('gone'), str('x'));
    a.run('SET', str('stays'), str('y'));
    b.store.apply(a.shipTo(0));
    await a.store.drop(SlotSet.of([slotOfText('gone')]));
    expect(a.run('EXISTS', str('gone'), str('stays'))).toEqual(integer(1));
    expect(a.shipTo(0)).toHaveLength(0);
    // It may come back.
    for (const records of b.walk(SlotSet.all())) a.store.apply(records);
    expect(a.run('GET', str('gone'))).toEqual(str('x'));
  });

  it('knows where a write stands, and tells when there is more', async () => {
    const [a] = open(options);
    a.shipments();
    const grown = new Promise<void>((resolve) => {
      a.store.onGrowth = resolve;
    });
    a.run('SET', str('k'), str('v'));
    const position = a.store.positionOf(Buffer.from('k'));
    expect(a.store.isShipped(position)).toBe(false);
    await grown;
    const [shipment] = a.shipments();
    const told = { stream: position.stream, to: position.seq, isLost: false };
    expect(shipment!.streams).toEqual([told]);
    expect(a.store.isShipped(position)).toBe(true);
  });
});
