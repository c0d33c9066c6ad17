/** What the client makes of a view and of the beginnings of commands. */
import { describe, expect, it } from 'vitest';
import type { ClusterNode } from '#client/cluster-node.js';
import { readHead } from '#client/command-head.js';
import { hedge } from '#client/hedge.js';
import { Routes } from '#client/routes.js';
import { FrameWriter } from '#client/writer.js';
import { type ClusterView, NO_NODE } from '#engine/cluster-view.js';
import { COMMANDS } from '#engine/commands.js';
import { SlabringError } from '#engine/errors.js';
import { SLOTS, slotOfText } from '#engine/slots.js';
import { emptyView } from '#server/cluster/client-view.js';

const nodeAt = (url: string) => ({ url }) as ClusterNode;

/** A view of three nodes in which each slot has these cells. */
function viewOf(cells: readonly number[], change: Partial<ClusterView> = {}): ClusterView {
  const bytes = Buffer.alloc(SLOTS * cells.length * 2);
  for (let slot = 0; slot < SLOTS; slot++) {
    for (const [i, cell] of cells.entries()) {
      bytes.writeUInt16LE(cell, 2 * (slot * cells.length + i));
    }
  }
  const nodes = ['a', 'b', 'c'].map((name) => ({
    ...{ id: name, name, url: `ws://${name}`, zone: null, live: true },
  }));
  const slots = new Uint8Array(bytes);
  return { name: 'x', version: 1, self: 0, copies: cells.length, nodes, slots, ...change };
}

const urls = (nodes: readonly ClusterNode[]) => nodes.map(({ url }) => url);

describe('routes', () => {
  it('lead to the first node of a slot, and tell all', () => {
    const routes = new Routes(viewOf([2, 0, NO_NODE]), nodeAt);
    expect(routes.runner(0)?.url).toBe('ws://c');
    expect(routes.runner(SLOTS - 1)?.url).toBe('ws://c');
    expect(urls(routes.owners(SLOTS - 1))).toEqual(['ws://c', 'ws://a']);
    expect(routes.meanCopies).toBe(2);
    expect(new Routes(viewOf([NO_NODE]), nodeAt).runner(7)).toBeUndefined();
  });

  it('lead nowhere before the node has joined', () => {
    const routes = new Routes(emptyView('x'), nodeAt);
    expect([routes.nodes, routes.runner(0), routes.owners(SLOTS - 1)]).toEqual([[], undefined, []]);
  });

  it('lead to the node that told of them where clients cannot reach one', () => {
    const view = viewOf([2, 1]);
    const [a, b, c] = view.nodes;
    const known = new Map<string, ClusterNode>();
    const sameAt = (url: string) => known.get(url) ?? known.set(url, nodeAt(url)).get(url)!;
    const routes = new Routes({ ...view, nodes: [a!, b!, { ...c!, url: '' }] }, sameAt);
    expect(urls(routes.owners(3))).toEqual(['ws://a', 'ws://b']);
  });

  it('change for one slot by MOVED', () => {
    const routes = new Routes(viewOf([2, 0, NO_NODE]), nodeAt);
    routes.moved(5, routes.nodes[0]!);
    expect(urls(routes.owners(5))).toEqual(['ws://a', 'ws://c']);
    routes.moved(5, nodeAt('ws://new'));
    expect(urls(routes.owners(5))).toEqual(['ws://new', 'ws://c']);
    expect(urls(routes.owners(4))).toEqual(['ws://c', 'ws://a']);
    expect(urls(routes.owners(6))).toEqual(['ws://c', 'ws://a']);
  });

  it.each([
    ['no slots', viewOf([0], { slots: undefined as never })],
    ['too few slots', viewOf([0], { slots: new Uint8Array(2) })],
    ['no nodes', viewOf([0], { nodes: undefined as never })],
    ['no copies', viewOf([0], { copies: 0, slots: new Uint8Array(0) })],
    ['a node that is not there', viewOf([3])],
  ])('are refused with %s', (_, view) => {
    expect(() => new Routes(view, nodeAt)).toThrow(/the node told a view of its cluster in which/);
  });
});

describe('the head of a command', () => {
  function written(write: (writer: FrameWriter) => void): Uint8Array {
    const writer = new FrameWriter();
    writer.begin(1);
    write(writer);
    return writer.present();
  }

  const keys = ['k', 'k'.repeat(31), 'k'.repeat(32), 'k'.repeat(300), 'é{tag}ü'];

  it.each(keys)('has the slot of the key %s, as text and as bytes', (key) => {
    for (const form of [key, Buffer.from(key)]) {
      const bytes = written((writer) => {
        writer.command(0x11, 20);
        writer.key(form);
        for (let i = 0; i < 19; i++) writer.integer(i);
      });
      expect(readHead(bytes)).toEqual({ code: 0x11, argCount: 20, slot: slotOfText(key) });
    }
  });

  it('has codes of two bytes', () => {
    const bytes = written((writer) => {
      writer.command(0x91, 1);
      writer.key('k');
    });
    expect(readHead(bytes)).toEqual({ code: 0x91, argCount: 1, slot: slotOfText('k') });
  });

  it('has the slot of the first command of a step', () => {
    const bytes = written((writer) => {
      writer.command(COMMANDS.ATOMIC.code, 2);
      writer.array(1);
      writer.command(0x11, 2);
      writer.key('k');
      writer.integer(1);
      writer.array(0);
    });
    const { code } = COMMANDS.ATOMIC;
    expect(readHead(bytes)).toEqual({ code, argCount: 2, slot: slotOfText('k') });
  });

  it('has no slot where there is no key', () => {
    expect(readHead(written((writer) => writer.command(1, 0)))).toEqual({ code: 1, argCount: 0 });
    const scan = written((writer) => {
      writer.command(COMMANDS.SCAN.code, 1);
      writer.integer(0);
    });
    expect(readHead(scan)).toEqual({ code: COMMANDS.SCAN.code, argCount: 1 });
  });
});

describe('hedge', () => {
  const failing = (code: 'CONNECTION' | 'OVERFLOW' | 'TRYAGAIN') =>
    Promise.reject(new SlabringError(code, 'no'));

  it('asks once, when the first has failed without an answer', async () => {
    let asked = 0;
    const ask = () => {
      asked++;
      return Promise.resolve('second');
    };
    expect(await hedge(Promise.resolve('first'), 1_000, ask)).toBe('first');
    expect(asked).toBe(0);
    for (const code of ['CONNECTION', 'TRYAGAIN'] as const) {
      expect(await hedge(failing(code), 1_000, ask)).toBe('second');
    }
    await expect(hedge(failing('OVERFLOW'), 1_000, ask)).rejects.toMatchObject({
      code: 'OVERFLOW',
    });
    expect(asked).toBe(2);
  });

  it('fails when both do, also where the second cannot be asked', async () => {
    const cannot = () => {
      throw new SlabringError('QUEUEFULL', 'no');
    };
    await expect(hedge(failing('CONNECTION'), 1_000, cannot)).rejects.toThrow('no');
    const both = hedge(failing('CONNECTION'), 1_000, () => failing('CONNECTION'));
    await expect(both).rejects.toMatchObject({ code: 'CONNECTION' });
  });
});
