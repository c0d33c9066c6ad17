/** When a server that says nothing may be stopped, and when it counts as lost. */
import { expect, it } from 'vitest';
import { Silence } from '#client/silence.js';

it('is suspect a tenth of a second after the first frame that had no answer', () => {
  const silence = new Silence(1_000);
  silence.begin(1);
  expect(silence.isSuspect(5_000)).toBe(false);
  silence.sent(5_000);
  silence.sent(5_090);
  expect(silence.isSuspect(5_100)).toBe(false);
  expect(silence.isSuspect(5_101)).toBe(true);
  silence.heard();
  expect(silence.isSuspect(6_000)).toBe(false);
});

it('is not while four round trips would take longer', () => {
  const silence = new Silence(1_000);
  silence.begin(80);
  silence.sent(0);
  expect(silence.isSuspect(320)).toBe(false);
  expect(silence.isSuspect(321)).toBe(true);
});

it('is an outage five seconds after the first frame that passed its deadline', () => {
  const silence = new Silence(1_000);
  silence.missed(100);
  silence.missed(900);
  expect(silence.outage(5_100)).toBeUndefined();
  expect(silence.outage(5_101)).toMatchObject({ code: 'CONNECTION' });
});
