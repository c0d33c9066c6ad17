/** What a connection may do on a node with a token before it has shown it. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Counter, counterRow, createCounters } from '#server/counters.js';
import { NO_TOKEN_TEXT } from '#server/hello.js';
import { HELLO_DEADLINE_MS, MESSAGE_BYTES_BEFORE_HELLO_MAX } from '#server/limits.js';
import type { ServingThread } from '#server/serving-thread.js';
import { Session } from '#server/session.js';

function openSession(tokenDigest: Uint8Array | undefined) {
  const closes: [number, string][] = [];
  const counters = counterRow(createCounters(1), 0);
  const thread = {
    config: { tokenDigest, maxMessageBytes: 8 * 1024 ** 2, maxBacklogBytes: 1024 ** 2 },
    counters,
    executor: { execute: (frame: Uint8Array) => frame },
    sessions: new Set(),
    sessionClosed: () => {},
  } as unknown as ServingThread;
  const session = new Session(thread, {
    send: () => false,
    bufferedBytes: () => 0,
    close: (code, reason) => closes.push([code, reason]),
  });
  return { session, closes, counters };
}

const TOKEN = new Uint8Array(32);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the deadline of HELLO', () => {
  it('closes who does not show the token in time', () => {
    const { closes, counters } = openSession(TOKEN);
    vi.advanceTimersByTime(HELLO_DEADLINE_MS - 1);
    expect(closes).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(closes).toEqual([[1008, NO_TOKEN_TEXT]]);
    expect(counters[Counter.connections]).toBe(0);
  });

  it('is none for who did, for who is gone, and on a node without a token', () => {
    const known = openSession(TOKEN);
    known.session.authenticated = true;
    const gone = openSession(TOKEN);
    gone.session.closed();
    const open = openSession(undefined);
    vi.advanceTimersByTime(10 * HELLO_DEADLINE_MS);
    expect([known.closes, gone.closes, open.closes]).toEqual([[], [], []]);
    expect(gone.counters[Counter.connections]).toBe(0);
  });
});

describe('a message before HELLO', () => {
  it('is refused above its own limit, which ends with HELLO', () => {
    const message = new Uint8Array(MESSAGE_BYTES_BEFORE_HELLO_MAX + 1);
    const stranger = openSession(TOKEN);
    stranger.session.receive(message, true);
    expect(stranger.closes[0]![0]).toBe(1009);
    const known = openSession(TOKEN);
    known.session.authenticated = true;
    known.session.receive(message, true);
    const open = openSession(undefined);
    open.session.receive(message, true);
    expect([...known.closes, ...open.closes]).toEqual([]);
  });
});
