/** What one node sends another: order, loss, doubles, the window, refusals, and beginning anew. */
import { describe, expect, it } from 'vitest';
import { World } from '#bench/sim/world.js';
import { type Ack, type Batch, decodeMessage } from '#server/cluster/messages.js';
import { PeerReceiver } from '#server/cluster/receiver.js';
import { DEFAULT_SENDER_LIMITS, PeerSender } from '#server/cluster/sender.js';
import { SlotSet } from '#server/cluster/slot-set.js';
import { Service } from '#server/cluster/store.js';
import { MemoryStore, slotOfKey } from '../sim/memory-store.js';

/** A sender and a receiver, and what is on the way between them. */
function pair({ windowBytes = 10_000 } = {}) {
  const world = new World({ seed: 1 });
  const { clock } = world.machine('10.0.0.1:1').start();
  const store = new MemoryStore({
    ...{ node: 1, now: () => clock.now(), logRecords: 100, tombstoneMs: 1_000 },
    pause: async () => {},
  });
  const messages: Uint8Array[] = [];
  const sent: Batch[] = [];
  const answers: Ack[] = [];
  const applied: string[] = [];
  let session = 0;
  const sender = new PeerSender({
    ...{ clock, store, selfId: 'a' },
    limits: { ...DEFAULT_SENDER_LIMITS, windowBytes },
    send: (bytes) => {
      messages.push(bytes);
      sent.push(decodeMessage(Uint8Array.from(bytes)) as Batch);
    },
    newSession: () => ++session,
    onProgress: () => {},
  });
  const fetches: ((isThere: boolean) => void)[] = [];
  const newReceiver = () =>
    new PeerReceiver({
      selfId: 'b',
      apply: (records) => {
        const text = Buffer.from(records).toString();
        applied.push(text);
        const refused = text.startsWith('old') ? 1 : 0;
        return { refused, missing: text.startsWith('large') ? [records] : [] };
      },
      fetch: () => new Promise((resolve) => fetches.push(resolve)),
      answer: (ack) => answers.push(structuredClone(ack)),
      onPulled: () => {},
    });
  const write = (text: string) => {
    sender.add(Buffer.from(text));
    sender.flush();
  };
  sender.start();
  return { world, sender, store, newReceiver, write, messages, sent, answers, applied, fetches };
}

describe('a stream', () => {
  it('is applied in its order and once, in whatever order and however often it comes', () => {
    const { newReceiver, write, sent, answers, applied } = pair();
    const receiver = newReceiver();
    for (const text of ['1', '2', '3']) write(text);
    for (const i of [2, 2, 1, 0, 1]) receiver.take(sent[i]!);
    expect(applied).toEqual(['1', '2', '3']);
    expect(answers.map((ack) => ack.applied)).toEqual([0, 0, 0, 3, 3]);
  });

  it('is sent again until it is answered, and then no more', () => {
    const { world, sender, newReceiver, write, sent, answers } = pair();
    write('1');
    world.run(600);
    expect(sent.map(({ number }) => number)).toEqual([1, 1]);
    newReceiver().take(sent[0]!);
    sender.acknowledge(answers[0]!);
    world.run(10_000);
    expect(sent).toHaveLength(2);
    expect(sender.isIdle).toBe(true);
  });

  it('makes messages in memory of others that were answered, unless they were sent twice', () => {
    const { world, sender, newReceiver, messages, write, sent, answers } = pair({
      windowBytes: 1e7,
    });
    const receiver = newReceiver();
    const take = () => {
      receiver.take(sent.at(-1)!);
      sender.acknowledge(answers.at(-1)!);
    };
    for (let i = 0; i < 2; i++) write(`${i}`.repeat(50_000));
    expect(messages[1]!.buffer).not.toBe(messages[0]!.buffer);
    for (const batch of [...sent]) receiver.take(batch);
    sender.acknowledge(answers.at(-1)!);
    write('2'.repeat(50_000));
    expect(messages[2]!.buffer).toBe(messages[1]!.buffer);
    world.run(600);
    expect(sent).toHaveLength(4);
    take();
    write('3'.repeat(50_000));
    expect(messages[4]!.buffer).toBe(messages[0]!.buffer);
    take();
    write('4'.repeat(50_000));
    expect(messages[5]!.buffer).toBe(messages[0]!.buffer);
  });

  it('ends where the window is full', () => {
    const { sender, write, sent } = pair({ windowBytes: 200 });
    write('x'.repeat(300));
    expect(sender.isStreaming).toBe(false);
    write('y');
    expect(sent).toHaveLength(1);
  });

  it('keeps writes apart from what a scan finds, some of which will have been beaten', () => {
    const { world, sender, store, sent } = pair();
    store.setSlot(slotOfKey('k'), Service.SERVES, 0, 0);
    store.run({ op: 'set', key: 'k', value: 'found' }, Service.SERVES);
    sender.add(Buffer.from('write'));
    sender.send(SlotSet.all(), 0n);
    world.run(10);
    const texts = sent.map(({ records }) => Buffer.from(records).toString());
    expect(texts).toEqual(['write', expect.stringContaining('found')]);
    expect([sender.written, sender.sealed]).toEqual([1, 2]);
  });

  it('of a peer that was away has all writes when the scan has ended', () => {
    const { world, sender, newReceiver, sent, answers } = pair();
    sender.fallBehind();
    sender.recover(SlotSet.all());
    sender.add(Buffer.from('write'));
    sender.flush();
    expect([sender.written, sender.writtenBefore]).toEqual([1, Number.POSITIVE_INFINITY]);
    world.run(100);
    const receiver = newReceiver();
    for (const batch of sent) receiver.take(batch);
    for (const ack of answers) sender.acknowledge(ack);
    expect(sender.writtenBefore).toBeLessThanOrEqual(sender.sealed);
  });

  it('does not count what a newer write has beaten', () => {
    const { sender, newReceiver, write, sent, answers } = pair();
    const receiver = newReceiver();
    write('old');
    write('new');
    for (const batch of sent) receiver.take(batch);
    sender.acknowledge(answers.at(-1)!);
    expect(sender.hasTaken(1, 1)).toBe('refused');
    expect(sender.hasTaken(1, 2)).toBe('taken');
    expect(sender.hasTaken(2, 2)).toBe('refused');
  });

  it('is complete when large values are there, and begins anew when they do not come', async () => {
    const { sender, newReceiver, write, sent, answers, fetches } = pair();
    const receiver = newReceiver();
    write('large 1');
    write('large 2');
    for (const batch of sent) receiver.take(batch);
    sender.acknowledge(answers.at(-1)!);
    expect(sender.hasTaken(1, 1)).toBe('waiting');
    fetches[0]!(true);
    await Promise.resolve();
    sender.acknowledge(answers.at(-1)!);
    expect(sender.hasTaken(1, 1)).toBe('taken');
    fetches[1]!(false);
    await Promise.resolve();
    sender.acknowledge(answers.at(-1)!);
    expect(sender.isStreaming).toBe(false);
  });

  it('begins anew with a peer that has forgotten what it had answered', () => {
    const { sender, newReceiver, write, sent, answers } = pair();
    write('1');
    newReceiver().take(sent[0]!);
    sender.acknowledge(answers[0]!);
    write('2');
    newReceiver().take(sent[1]!);
    sender.acknowledge(answers[1]!);
    expect(sender.isStreaming).toBe(false);
  });

  it('forgets what it did not finish to send', () => {
    const { sender } = pair();
    sender.meet(SlotSet.of([1, 2]));
    expect([...sender.met]).toEqual([1, 2]);
    sender.fallBehind();
    expect([...sender.met]).toEqual([]);
  });
});
