/** What is sent again to a peer, and when. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Window } from '#server/cluster/window.js';
import { HandClock } from '../support/peer-nodes.js';

const RESEND_MS = 500;

let clock: HandClock;
let window: Window;
/** Numbers of batches. */
let sent: number[];
let free: number[];

beforeEach(() => {
  clock = new HandClock();
  sent = [];
  free = [];
  window = new Window({
    ...{ clock, resendMs: RESEND_MS, neverResends: false },
    send: ({ bytes }) => sent.push(bytes[0]!),
    giveBack: (bytes) => free.push(bytes[0]!),
  });
});

/** Batches with these numbers, up to 255. */
function send(from: number, to: number): void {
  for (let i = from; i <= to; i++) window.send({ bytes: Uint8Array.of(i), frontBytes: 0 }, i);
}

/** What is sent while this happens. */
function during(happen: () => void): number[] {
  sent.length = 0;
  happen();
  return [...sent];
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('what a peer does not answer', () => {
  it('is sent again after a while, a few at a time, and later each time', () => {
    expect(during(() => send(1, 20))).toEqual(range(1, 20));
    expect(window.bytes).toBe(20);
    expect(during(() => clock.pass(RESEND_MS - 1))).toEqual([]);
    expect(during(() => clock.pass(1))).toEqual(range(1, 16));
    expect(during(() => clock.pass(2 * RESEND_MS - 1))).toEqual([]);
    expect(during(() => clock.pass(1))).toEqual(range(1, 16));
    clock.pass(2_000 + 4_000);
    expect(during(() => clock.pass(4_999))).toEqual([]);
    expect(during(() => clock.pass(1))).toEqual(range(1, 16));
  });

  it('is not sent again while answers come, or when it was answered', () => {
    send(1, 3);
    for (const applied of [1, 2, 3]) {
      clock.pass(RESEND_MS - 1);
      expect(during(() => window.advance(applied))).toEqual([]);
    }
    expect(during(() => clock.pass(10_000))).toEqual([]);
    expect(window.bytes).toBe(0);
  });

  it('goes on with all that was under way then, as answers come', () => {
    send(1, 40);
    clock.pass(RESEND_MS);
    send(41, 42);
    expect(during(() => window.advance(1))).toEqual([17]);
    expect(during(() => window.advance(16))).toEqual(range(18, 32));
    // These had come after all.
    expect(during(() => window.advance(34))).toEqual(range(35, 40));
    expect(during(() => window.advance(40))).toEqual([]);
    expect(during(() => clock.pass(RESEND_MS))).toEqual([41, 42]);
  });

  it('is forgotten when the peer is given up', () => {
    send(1, 3);
    window.clear();
    expect(window.bytes).toBe(0);
    expect(during(() => clock.pass(10_000))).toEqual([]);
  });
});

describe('a peer that says something again', () => {
  it('is sent it soon, but not often', () => {
    send(1, 2);
    window.heard();
    clock.pass(RESEND_MS + 2 * RESEND_MS + 4 * RESEND_MS);
    expect(sent).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
    expect(during(() => window.heard())).toEqual([]);
    clock.pass(RESEND_MS);
    expect(during(() => window.heard())).toEqual([1, 2]);
    expect(during(() => window.heard())).toEqual([]);
    // And then as in the beginning.
    expect(during(() => clock.pass(2 * RESEND_MS))).toEqual([1, 2]);
    window.advance(2);
    expect(during(() => window.heard())).toEqual([]);
  });
});

it('gives back the memory of what cannot be under way any more', () => {
  send(1, 20);
  clock.pass(RESEND_MS);
  send(21, 21);
  window.advance(21);
  expect(free).toEqual([17, 18, 19, 20, 21]);
});
