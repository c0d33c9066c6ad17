/** What commands on several sets do beside what the models ask of them (test/model). */
import { describe, expect, it } from 'vitest';
import { COMMANDS, type CommandName } from '#engine/commands.js';
import { KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import { Bench, KIB, MIB } from '../support/kernel-memory.js';
import { array, bin, error, float, integer, NIL, str, type Wire } from '../support/kernel-wire.js';

const command = (name: CommandName, ...args: Wire[]): Wire =>
  array([integer(COMMANDS[name].code), ...args]);

const TOO_LONG = error(KERNEL_ERROR_TEXTS.ERROR_REPLY_SIZE!);

/** Packed, and with nodes of its own. */
describe.each([128, 0])('collections that are packed up to %i items', (packedItems) => {
  const open = (): Bench =>
    new Bench({ memoryBytes: 8 * MIB, policy: 'none', partitions: 2, packedItems });

  it('keep an integer and text of the same bytes apart in the order', () => {
    const bench = open();
    const text = bin(Buffer.of(1));
    const add = (score: number, member: Wire): Wire =>
      bench.one(command('ZADD', str('k'), NIL, integer(score), member));
    add(7, integer(1));
    add(7, text);
    expect(bench.one(command('ZRANK', str('k'), integer(1)))).toEqual(integer(0));
    expect(bench.one(command('ZRANK', str('k'), text))).toEqual(integer(1));
    const union = bench.one(command('ZUNION', str('k'), str('k'), integer(8)));
    expect(union).toEqual(array([integer(1), integer(14), text, integer(14)]));
    bench.one(command('ZREM', str('k'), text));
    add(7, text);
    // Once, this took the other one out of the order.
    add(9, integer(1));
    const all = bench.one(command('ZRANGE', str('k'), integer(0), integer(-1), integer(8)));
    expect(all).toEqual(array([text, integer(7), integer(1), integer(9)]));
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('are read as of one moment when the result takes the place of one of them', () => {
    const bench = open();
    const member = (i: number): Wire => str(`member ${i}`);
    for (let i = 0; i < 500; i++) {
      bench.one(command('ZADD', str('a'), NIL, integer(i), member(i)));
      bench.one(command('SADD', str('b'), member(2 * i)));
    }
    const weights = array([integer(-1), float(0.5)]);
    const store = command('ZINTERSTORE', str('b'), str('a'), str('b'), NIL, weights);
    expect(bench.one(store)).toEqual(integer(250));
    const range = command('ZRANGE', str('b'), integer(0), integer(1), integer(8));
    expect(bench.one(range)).toEqual(
      array([member(498), float(-497.5), member(496), float(-495.5)]),
    );
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});

describe.each([
  ['without scores', []],
  ['with scores', [integer(8)]],
] as const)('a ZUNION %s', (_, flags) => {
  it('fits the reply area or is refused, and either way nothing else is in the reply', () => {
    const bench = new Bench({
      ...{ memoryBytes: 16 * MIB, policy: 'none', partitions: 1, maxValueBytes: 32 * KIB },
    });
    // Those of the second key come before those of the first.
    let refused = 0;
    let most = 0;
    for (let count = 0; refused < 3; count += 450) {
      for (let i = count; i < count + 450; i++) {
        const key = i % 2 === 0 ? 'a' : 'b';
        bench.one(command('ZADD', str(key), NIL, integer(-i), integer(i)));
      }
      const reply = bench.one(command('ZUNION', str('a'), str('b'), ...flags));
      if (reply.equals(TOO_LONG)) {
        refused++;
        continue;
      }
      const expected: Wire[] = [];
      for (let i = count + 449; i >= 0; i--) {
        expected.push(integer(i), ...(flags.length > 0 ? [integer(-i)] : []));
      }
      expect(reply.equals(array(expected))).toBe(true);
      most = Math.max(most, count);
    }
    // Twelve bytes for each in an area of 160 KiB.
    expect(most).toBeGreaterThan(12_000);
    const members = Array.from({ length: 200 }, (__, i) => str('x'.repeat(900) + i));
    for (const member of members) bench.one(command('SADD', str('long'), member));
    expect(bench.one(command('ZUNION', str('long'), str('a')))).toEqual(TOO_LONG);
    expect(bench.one(command('ZUNIONSTORE', str('to'), str('long'), str('a')))).not.toEqual(
      TOO_LONG,
    );
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});
