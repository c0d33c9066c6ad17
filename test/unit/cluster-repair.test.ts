/** Repair between two nodes: what is compared, what is sent, and when it is left alone. */
import { describe, expect, it } from 'vitest';
import { SLOTS } from '#engine/slots.js';
import { type Digests, Kind, type Message } from '#server/cluster/messages.js';
import { Repair } from '#server/cluster/repair.js';
import { Level, Levels, SlotSet } from '#server/cluster/slot-set.js';
import { View } from '#server/cluster/view.js';

/** A node of two that both have all slots. */
function side(digests: BigUint64Array) {
  const levels = new Levels();
  for (let slot = 0; slot < SLOTS; slot++) levels.set(slot, Level.FULL);
  const nodes = ['a', 'b'].map((name) => ({
    ...{ id: name, name, address: name, clientUrl: name, isLive: true, isPlaced: true, levels },
  }));
  const owners = Uint16Array.from({ length: 2 * SLOTS }, (_, i) => i % 2);
  const view = new View(nodes, { names: ['a', 'b'], copies: 2, owners });
  const sent: Message[] = [];
  const slotsSent: SlotSet[] = [];
  const evicted = { count: 0 };
  const repair = new Repair({
    selfId: 'a',
    clock: { now: () => Date.UTC(2030, 0, 1), after: () => () => {} },
    random: () => 0.5,
    store: { digests: async () => digests, evictions: () => evicted.count } as never,
    intervalMs: 60_000,
    view: () => view,
    send: (_, message) => sent.push(message),
    sendSlots: (_, slots) => slotsSent.push(slots),
    onError: (error) => {
      throw error;
    },
  });
  return { repair, sent, slotsSent, evicted };
}

const zeros = () => new BigUint64Array(SLOTS);

/** What a peer with these digests says. */
async function said(digests: BigUint64Array): Promise<Digests> {
  const { repair, sent } = side(digests);
  await repair.compare();
  return { ...(sent[0] as Digests), from: 'b' };
}

describe('repair', () => {
  it('sends nothing where all is equal', async () => {
    const { repair, sent, slotsSent } = side(zeros());
    await repair.answer(await said(zeros()));
    expect([sent, slotsSent]).toEqual([[], []]);
  });

  it('sends a slot that differs, and asks for it', async () => {
    const { repair, sent, slotsSent } = side(zeros());
    const other = zeros();
    other[77] = 5n;
    await repair.answer(await said(other));
    expect(slotsSent.map((slots) => [...slots])).toEqual([[77]]);
    expect(sent).toMatchObject([{ kind: Kind.DIFFERING, slots: SlotSet.of([77]).bytes }]);
    expect(repair.slotsRepaired).toBe(1);
  });

  it('is left alone by a node that evicts, until it does not', async () => {
    const { repair, sent, slotsSent, evicted } = side(zeros());
    const other = zeros();
    other[77] = 5n;
    const message = await said(other);
    evicted.count = 3;
    await repair.answer(message);
    await repair.compare();
    expect([sent, slotsSent, repair.skipped]).toEqual([[], [], 2]);
    await repair.compare();
    expect(sent).toMatchObject([{ kind: Kind.DIGESTS }]);
    await repair.answer(message);
    expect(slotsSent).toHaveLength(1);
  });
});
