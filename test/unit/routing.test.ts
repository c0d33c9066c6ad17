/** Commands on keys that are (also) on other nodes of a cluster. */
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { COMMANDS, type CommandRow } from '#engine/commands.js';
import { SlabringError } from '#engine/errors.js';
import { Service } from '#engine/slot-table.js';
import { SLOTS } from '#engine/slots.js';
import { longestForwardMs } from '#server/cluster/forwarder.js';
import { ForwardedFrames } from '#server/cluster/routing/forwarded.js';
import { type FakeConnection, NodesInThread } from '../support/cluster-nodes.js';
import {
  array,
  bin,
  command,
  error,
  FALSE,
  frame,
  integer,
  NIL,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';
import { slotOf } from '../support/slot-twin.js';

const cluster = new NodesInThread();
/** All keys are on its only node. */
const alone = new NodesInThread({ nodes: 1 });
afterAll(() => {
  cluster.close();
  alone.close();
});

const [first, second] = cluster.nodes as [(typeof cluster.nodes)[0], (typeof cluster.nodes)[0]];

/** A key that a node has, another one for each name. */
function keyOn(node: number, name = 'key'): Wire {
  for (let i = 0; ; i++) {
    const key = `${name}:${i}`;
    if (slotOf(Buffer.from(key)) % 3 === node) return str(key);
  }
}
/** Of a short key. */
const slotIn = (key: Wire) => slotOf(key.subarray(1));

const HERE = keyOn(0);
const THERE = keyOn(1);
const BEYOND = keyOn(2);
const PONG = str('PONG');
const named = (name: string, ...args: Wire[]) => array([str(name), ...args]);
const CROSS_NODE = error(
  'CROSSSLOT the keys lie on several nodes of the cluster; a common {tag} puts them on one',
);
const NOWHERE = (slot: number) => error(`TRYAGAIN no node serves slot ${slot} now`);

let client: FakeConnection;
beforeEach(() => {
  for (const { set, desk } of cluster.nodes) {
    set.clear();
    desk.forwards.length = 0;
    desk.waits.length = 0;
  }
  alone.nodes[0]!.set.clear();
  client = first.connect();
});
afterEach(() => client.session.closed());

async function runOn(connection: FakeConnection, commands: readonly Wire[]): Promise<Wire[]> {
  const [id, ...replies] = valuesOf(await connection.call(frame(7, ...commands)));
  expect(id).toEqual(integer(7));
  return replies;
}

const run = (...commands: Wire[]) => runOn(client, commands);

describe('a frame with keys of other nodes', () => {
  it('is answered as a whole, in the order of its commands', async () => {
    expect(
      await run(
        command('PING'),
        command('SET', THERE, integer(1)),
        command('SET', HERE, integer(2)),
        named('set', BEYOND, integer(3)),
        command('GET', THERE),
        command('GET', BEYOND),
        command('GET', HERE),
        command('INCR', THERE),
        NIL,
        command('PING'),
      ),
    ).toEqual([
      ...[PONG, TRUE, TRUE, TRUE, integer(1), integer(3), integer(2), integer(2)],
      error('SYNTAX a command is an array of a code or a name and its arguments'),
      PONG,
    ]);
  });

  it('goes to each node in one frame', async () => {
    const keys = [THERE, BEYOND, HERE, THERE, BEYOND, BEYOND];
    await run(...keys.map((key) => command('INCR', key)));
    expect(first.desk.forwards).toEqual([
      { node: 1, frame: frame(1, command('INCR', THERE), command('INCR', THERE)), waitMs: 0 },
      { node: 2, frame: frame(1, ...[1, 2, 3].map(() => command('INCR', BEYOND))), waitMs: 0 },
    ]);
  });

  it('may be a long one', async () => {
    const keys = Array.from({ length: 60_000 }, (_, i) => str(`number ${i % 1000} of some`));
    const replies = await run(...keys.map((key) => command('INCR', key)));
    expect(replies).toEqual(keys.map((_, i) => integer(1 + Math.floor(i / 1000))));
  });

  it('is refused where a long one is refused', async () => {
    // Each command is as short as can be, and wrong.
    const commands = Buffer.alloc(131_072, 0xc0);
    const value = Buffer.concat([Buffer.from('c6', 'hex'), Buffer.alloc(4), Buffer.alloc(2 ** 20)]);
    value.writeUInt32BE(2 ** 20, 1);
    client.session.receive(frame(7, command('SET', THERE, value), commands), true);
    expect(client.closes).toEqual([
      [1009, 'a message above 1179648 bytes has at most 131072 commands'],
    ]);
    expect(first.desk.forwards).toEqual([]);
  });

  it('of bytes that are none runs up to the first command of another node', () => {
    const good = frame(7, command('SET', HERE, NIL), command('SET', THERE, NIL));
    client.session.receive(Buffer.concat([good, Buffer.of(0x92, 1)]), true);
    expect(client.closes).toEqual([
      [1007, `bytes from ${good.length} on are no whole msgpack value`],
    ]);
    expect(first.desk.forwards).toEqual([]);
    expect(first.set.stats().entries).toBe(1);
  });
});

const KEYED = Object.entries<CommandRow>(COMMANDS).filter(
  ([, row]) => row.firstKey === 0 && !row.host,
);

/** A command with so many arguments, the first of them keys where they may be. */
function commandOf(name: string, row: CommandRow, keys: readonly Wire[]): Wire {
  const { keyStep = 1, lastKey = row.manyKeys === undefined ? 0 : 255 } = row;
  const count = Math.max(row.minArgs, Math.min(row.maxArgs, keys.length * keyStep));
  const args = Array.from({ length: count }, (_, i) => {
    const isKey = i % keyStep === 0 && i <= lastKey;
    return isKey ? (keys[i / keyStep] ?? keys[0]!) : integer(1);
  });
  return named(name, ...args);
}

describe.each(KEYED)('%s', (name, row) => {
  it.each([0, 1, 2])('of a key of node %i is answered as by the node itself', async (node) => {
    const [own] = alone.nodes;
    const other = own!.connect();
    const key = keyOn(node, name);
    const commands = [commandOf(name, row, [key]), named('TYPE', key), command('PING')];
    const replies = await run(...commands);
    // Versions and fences tell the time.
    const isOfTime = row.reply === 'fence';
    expect(replies.slice(isOfTime ? 1 : 0)).toEqual(
      (await runOn(other, commands)).slice(isOfTime ? 1 : 0),
    );
    expect(first.desk.forwards.length).toBe(node === 0 ? 0 : 1);
    other.session.closed();
  });

  if (row.manyKeys === undefined) return;
  it('of keys of several nodes is split, or does nothing', async () => {
    await run(...[HERE, THERE].map((key) => command('SET', key, str('a value'))));
    first.desk.forwards.length = 0;
    const request = commandOf(name, row, [HERE, THERE, BEYOND]);
    const [reply, pong] = await run(request, command('PING'));
    expect(pong).toEqual(PONG);
    if (row.manyKeys === 'apart') expect(reply).toEqual(integer(2));
    else if (name === 'MGET') expect(reply).toEqual(array([str('a value'), str('a value'), NIL]));
    else expect([reply, first.desk.forwards]).toEqual([CROSS_NODE, []]);
  });
});

describe('a command that is split', () => {
  it('has the values in the order of its keys, each as often as it is named', async () => {
    const keys = [BEYOND, THERE, HERE, THERE, keyOn(1, 'absent'), BEYOND, keyOn(2, 'absent'), HERE];
    await run(...[HERE, THERE, BEYOND].map((key) => command('SET', key, array([key, NIL]))));
    const values = keys.map((key, i) => (i === 4 || i === 6 ? NIL : array([key, NIL])));
    expect(await run(named('mget', ...keys), command('PING'))).toEqual([array(values), PONG]);
  });

  it('may have many keys', async () => {
    const keys = Array.from({ length: 70_000 }, (_, i) => str(`many ${i}`));
    await run(...keys.slice(0, 500).map((key) => command('SET', key, key)));
    const [count, values] = await run(named('EXISTS', ...keys), named('MGET', ...keys));
    expect(count).toEqual(integer(500));
    expect(values).toEqual(array(keys.map((key, i) => (i < 500 ? key : NIL))));
  });

  it('does nothing when one of its keys is none', async () => {
    await run(command('SET', HERE, NIL), command('SET', THERE, NIL));
    const [refused, there] = await run(
      named('DEL', HERE, THERE, integer(5)),
      named('EXISTS', HERE, THERE),
    );
    expect(refused).toEqual(error('SYNTAX a key is a str or bin of 1 to 65535 bytes'));
    expect(there).toEqual(integer(2));
  });

  it('is refused when it is longer than any node takes', async () => {
    const keys = Array.from({ length: 20 }, (_, i) => bin(Buffer.alloc(65_000, i)));
    const tooLong = error(
      'TOOLARGE the command is longer than this node takes; only the value of a SET may be so long',
    );
    expect(await run(command('GET', THERE), named('EXISTS', ...keys))).toEqual([NIL, tooLong]);
  });

  it('has the error of a node for its own', async () => {
    const large = Array.from({ length: 2 }, (_, i) => keyOn(1, `large ${i}`));
    const value = Buffer.alloc(700_000, 0x61);
    await run(...large.map((key) => command('SET', key, bin(value))), command('SET', HERE, TRUE));
    const tooLarge = error(
      'TOOLARGE the values are too many for one reply; ask for fewer, or by GET',
    );
    expect(await run(named('MGET', HERE, ...large), command('GET', HERE))).toEqual([
      tooLarge,
      TRUE,
    ]);
  });
});

describe('ATOMIC', () => {
  const atomic = (...args: Wire[]) => named('ATOMIC', ...args);

  it('runs where all its keys are', async () => {
    const good = atomic(array([command('SET', THERE, NIL)]), array([array([THERE, NIL])]));
    expect(await run(good, command('EXISTS', THERE))).toEqual([array([TRUE]), integer(1)]);
    expect(first.desk.forwards.map(({ node }) => node)).toEqual([1]);
  });

  it.each([
    [atomic(array([command('SET', THERE, NIL), command('SET', HERE, NIL)]))],
    [atomic(array([named('MGET', THERE, BEYOND)]))],
    [atomic(array([command('GET', THERE)]), array([array([BEYOND, NIL])]))],
  ])('of keys of several nodes does nothing', async (wrong) => {
    expect(await run(wrong, command('PING'))).toEqual([CROSS_NODE, PONG]);
    expect(first.desk.forwards).toEqual([]);
  });
});

describe('a key', () => {
  afterEach(() => {
    cluster.owners[slotIn(THERE)] = 1;
    cluster.owners[slotIn(HERE)] = 0;
    cluster.serve();
  });

  it.each([-1, 0])('that no node serves is unavailable (primary %i)', async (primary) => {
    cluster.owners[slotIn(THERE)] = primary;
    // Not the first node either, which is only about to.
    expect(
      await run(
        command('GET', THERE),
        named('EXISTS', HERE, THERE),
        named('MGET', BEYOND, THERE),
        command('SET', BEYOND, NIL),
      ),
    ).toEqual([...[1, 2, 3].map(() => NOWHERE(slotIn(THERE))), TRUE]);
  });

  it('that its node does not take is unavailable, with all that was sent along', async () => {
    const refused = error('TRYAGAIN no node takes the key right now');
    cluster.owners[slotIn(BEYOND)] = 0;
    const { primaryOf } = first.desk;
    first.desk.primaryOf = (slot) =>
      slot === slotIn(BEYOND) ? 2 : primaryOf.call(first.desk, slot);
    const other = keyOn(2, 'other');
    expect(
      await run(command('INCR', THERE), command('GET', BEYOND), command('GET', other)),
    ).toEqual([integer(1), refused, refused]);
    first.desk.primaryOf = primaryOf;
    cluster.owners[slotIn(BEYOND)] = 2;
  });
});

describe('a node that does not answer', () => {
  afterEach(() => {
    first.desk.delay = async () => {};
  });

  it('has its commands answered with why, and no others', async () => {
    first.desk.delay = async () => {
      throw new SlabringError('UNAVAILABLE', 'the node that had the key has failed');
    };
    const failed = error('UNAVAILABLE the node that had the key has failed');
    expect(
      await run(
        ...[command('SET', HERE, NIL), command('GET', THERE), command('GET', THERE)],
        ...[named('DEL', HERE, THERE), command('EXISTS', HERE)],
      ),
    ).toEqual([TRUE, failed, failed, failed, integer(0)]);
  });

  it('has what may run twice asked for once more, where it is by then', async () => {
    await run(command('SET', THERE, str('value')));
    const sent = first.desk.forwards.length;
    let failures = 2;
    first.desk.delay = async () => {
      if (failures-- > 0) throw new SlabringError('UNAVAILABLE', 'the node has failed');
    };
    // To two nodes: one frame has a command in it that counts.
    const replies = await run(
      ...[command('GET', THERE), command('DEL', THERE), command('INCR', BEYOND)],
      command('GET', BEYOND),
    );
    const failed = error('UNAVAILABLE the node has failed');
    expect(replies).toEqual([str('value'), integer(1), failed, failed]);
    expect(first.desk.forwards.length - sent).toBe(3);
  });

  it('has any command asked for again that no node has taken', async () => {
    let failures = 3;
    first.desk.delay = async () => {
      if (failures-- > 0) throw new SlabringError('TRYAGAIN', 'no node takes the key right now');
    };
    expect(await run(command('INCR', THERE))).toEqual([integer(1)]);
    failures = 5;
    const refused = error('TRYAGAIN no node takes the key right now');
    expect(await run(command('INCR', THERE))).toEqual([refused]);
  });

  it('has nothing asked for again after a pause of this process', async () => {
    const failed = error('UNAVAILABLE the node has failed');
    for (const [tookMs, reply] of [
      [longestForwardMs(0), NIL],
      [longestForwardMs(0) + 300, failed],
    ] as const) {
      let failures = 1;
      const nowMs = performance.now();
      first.desk.delay = async () => {
        if (failures-- === 0) return;
        vi.spyOn(performance, 'now').mockReturnValue(nowMs + tookMs);
        throw new SlabringError('UNAVAILABLE', 'the node has failed');
      };
      expect(await run(command('GET', THERE))).toEqual([reply]);
      vi.restoreAllMocks();
    }
  });

  it('has nothing asked for again for a client that has gone', async () => {
    for (const code of ['UNAVAILABLE', 'TRYAGAIN'] as const) {
      const gone = first.connect();
      const sent = first.desk.forwards.length;
      first.desk.delay = async () => {
        gone.session.closed();
        throw new SlabringError(code, 'no');
      };
      const ended = vi.spyOn(performance, 'now');
      gone.session.receive(frame(1, command('DEL', THERE)), true);
      // When it was sent, when it failed, and after the wait where nothing was done.
      await vi.waitUntil(() => ended.mock.calls.length === (code === 'TRYAGAIN' ? 4 : 2));
      vi.restoreAllMocks();
      expect(first.desk.forwards.length - sent).toBe(1);
    }
  });

  it('or answers too little is a mistake, and tells so', async () => {
    const forward = first.desk.forward;
    first.desk.forward = async () => frame(1, TRUE, Buffer.of(0x92));
    const cut = error('INTERNAL the reply of the node that has the key is cut off');
    const replies = run(command('GET', THERE), command('GET', HERE), command('GET', THERE));
    first.desk.forward = forward;
    expect(await replies).toEqual([TRUE, NIL, cut]);
  });
});

describe('a client that routes', () => {
  it('is told where keys are, and all other commands run', async () => {
    client.session.routes = true;
    const moved = (key: Wire, node: number) => error(`MOVED ${slotIn(key)} ws://node${node}:7707`);
    expect(
      await run(
        ...[command('SET', HERE, NIL), command('SET', THERE, NIL), command('GET', BEYOND)],
        ...[named('ATOMIC', array([command('GET', THERE)])), named('WAIT', THERE, str('all'))],
        ...[named('SINTER', HERE, THERE), command('PING')],
      ),
    ).toEqual([
      ...[TRUE, moved(THERE, 1), moved(BEYOND, 2), moved(THERE, 1), moved(THERE, 1)],
      ...[CROSS_NODE, PONG],
    ]);
    expect(first.desk.forwards).toEqual([]);
  });

  it('has commands run on a node that it cannot reach', async () => {
    client.session.routes = true;
    const { view } = first.desk;
    const nodes = view.nodes.map((node, index) => (index === 1 ? { ...node, url: '' } : node));
    first.desk.view = { ...view, nodes };
    expect(await run(command('SET', THERE, str('a')), command('GET', BEYOND))).toEqual([
      TRUE,
      error(`MOVED ${slotIn(BEYOND)} ws://node2:7707`),
    ]);
    expect(first.desk.forwards.map(({ node }) => node)).toEqual([1]);
    first.desk.view = view;
  });

  it('has commands on keys of several nodes split like any other', async () => {
    client.session.routes = true;
    expect(await run(named('EXISTS', HERE, THERE))).toEqual([integer(0)]);
    expect(first.desk.forwards.map(({ node }) => node)).toEqual([1]);
  });
});

describe('a client that takes what replicas have', () => {
  const also = keyOn(1, 'not copied');
  afterEach(() => cluster.serve());

  it('has keys read where a copy is, and written where they belong', async () => {
    first.table.setService(slotIn(THERE), Service.READS);
    const read = [command('GET', THERE), named('MGET', HERE, THERE)];
    expect(await run(command('SET', THERE, str('new')), ...read)).toEqual([
      ...[TRUE, str('new'), array([NIL, str('new')])],
    ]);
    const lagging = first.connect();
    await runOn(lagging, [named('HELLO', Buffer.from('81a87265706c69636173c3', 'hex'))]);
    first.desk.forwards.length = 0;
    // There is no copy on this node: nobody replicates here.
    expect(await runOn(lagging, read)).toEqual([NIL, array([NIL, NIL])]);
    expect(first.desk.forwards).toEqual([]);
    // A copy does for what is together, too.
    for (const other of [HERE, THERE]) {
      const union = named('SUNION', THERE, other);
      expect(await runOn(lagging, [command('GET', BEYOND), union])).toEqual([NIL, array([])]);
    }
    expect(first.desk.forwards.splice(0).map(({ node }) => node)).toEqual([2, 2]);
    // Of keys of several nodes only what is not here is asked for.
    expect(await runOn(lagging, [named('MGET', THERE, BEYOND)])).toEqual([array([NIL, NIL])]);
    expect(first.desk.forwards.splice(0).map(({ node }) => node)).toEqual([2]);
    // Of two keys one is not here: both are read where the other is.
    expect(await runOn(lagging, [named('SINTER', THERE, also)])).toEqual([
      error('WRONGTYPE the value is of another type than the command works on'),
    ]);
    expect(first.desk.forwards.map(({ node }) => node)).toEqual([1]);
    expect(await runOn(lagging, [named('DEL', THERE)])).toEqual([integer(1)]);
    lagging.session.closed();
  });
});

describe('WAIT', () => {
  const wait = (key: Wire, concern: string, ...rest: Wire[]) =>
    named('WAIT', key, str(concern), ...rest);

  it('is the end of a frame whose client goes meanwhile', async () => {
    let go = (_owners: number) => {};
    first.desk.waiting = () => new Promise((resolve) => (go = resolve));
    const gone = first.connect();
    const commands = [wait(HERE, 'all'), command('SET', HERE, NIL), command('SET', THERE, NIL)];
    gone.session.receive(frame(1, ...commands), true);
    gone.session.closed();
    go(2);
    await new Promise((resolve) => setImmediate(resolve));
    first.desk.waiting = async () => 2;
    expect(await run(named('EXISTS', HERE), named('EXISTS', THERE))).toEqual([
      ...[integer(0), integer(0)],
    ]);
  });

  it('behind a write asks for the owners that have it', async () => {
    expect(await run(command('SET', HERE, NIL), wait(HERE, 'quorum'), command('PING'))).toEqual([
      ...[TRUE, integer(2), PONG],
    ]);
    expect(first.desk.waits).toEqual([
      { key: HERE.toString('utf8', 1), concern: 'quorum', deadlineMs: 1000 },
    ]);
  });

  it('is for the node that has the key to answer', async () => {
    const commands = [command('SET', THERE, NIL), wait(THERE, 'all', integer(60_000))];
    expect(await run(...commands)).toEqual([TRUE, integer(2)]);
    expect(first.desk.waits).toEqual([]);
    expect(second.desk.waits).toEqual([
      { key: THERE.toString('utf8', 1), concern: 'all', deadlineMs: 60_000 },
    ]);
    expect(first.desk.forwards).toEqual([
      { node: 1, frame: frame(1, ...commands), waitMs: 60_000 },
    ]);
  });

  it('holds up what is behind it in the frame, but not the WAITs next to it', async () => {
    const order: string[] = [];
    let release = (_: number) => {};
    first.desk.waiting = ({ concern }) => {
      order.push(concern);
      return concern === 'all' ? Promise.resolve(3) : new Promise((resolve) => (release = resolve));
    };
    const reply = run(
      ...[command('INCR', HERE), wait(HERE, 'one'), wait(HERE, 'all')],
      ...[command('INCR', HERE), command('INCR', THERE), wait(HERE, 'all')],
    );
    expect(order).toEqual(['one', 'all']);
    // A later frame does not wait for it.
    const other = first.connect();
    expect(await runOn(other, [command('INCR', HERE)])).toEqual([integer(2)]);
    expect(first.desk.forwards).toEqual([]);
    release(2);
    expect(await reply).toEqual([1, 2, 3, 3, 1, 3].map((number) => integer(number)));
    expect(order).toEqual(['one', 'all', 'all']);
    other.session.closed();
    first.desk.waiting = async () => 2;
  });

  it('tells of too few owners, and of what is wrong with it', async () => {
    first.desk.waiting = async () => {
      throw new SlabringError('UNAVAILABLE', 'the write is with 1 of 2 owners after 5 ms');
    };
    const concern = error('SYNTAX a concern is one of none, one, quorum, all');
    const deadline = error('SYNTAX a deadline is nil or an integer of 1 to 60000 milliseconds');
    expect(
      await run(
        ...[wait(HERE, 'one', integer(5)), wait(HERE, 'none'), wait(HERE, 'One')],
        ...[named('WAIT', HERE, NIL), wait(THERE, 'all', integer(0)), wait(HERE, 'all', NIL)],
        ...[wait(HERE, 'all', integer(60_001)), wait(HERE, 'all', TRUE), named('WAIT', HERE)],
        ...[named('WAIT', integer(1), str('all')), command('PING')],
      ),
    ).toEqual([
      error('UNAVAILABLE the write is with 1 of 2 owners after 5 ms'),
      ...[integer(1), concern, concern, deadline],
      error('UNAVAILABLE the write is with 1 of 2 owners after 5 ms'),
      ...[deadline, deadline],
      error('SYNTAX wrong number of arguments; docs/PROTOCOL.md has the table'),
      error('SYNTAX a key is a str or bin of 1 to 65535 bytes'),
      PONG,
    ]);
    first.desk.waiting = async () => 2;
  });

  it('is where a frame ends that has too much in its replies', async () => {
    const get = command('GET', THERE);
    const value = bin(Buffer.alloc(1_800_000, 0x61));
    await run(command('SET', THERE, value));
    const gets = Array.from({ length: 40 }, () => get);
    const replies = await run(...gets, wait(HERE, 'all'), get, wait(HERE, 'all'));
    const tooLarge = error(
      'TOOLARGE the replies to this frame are too long already; this command was not run',
    );
    expect(replies[0]!.equals(value)).toBe(true);
    // The node that has the key has stopped before.
    expect(replies.slice(-5)).toEqual([...[tooLarge, tooLarge, integer(2), tooLarge, tooLarge]]);
    expect(first.desk.waits.length).toBe(1);
  });

  it('may come in 64 rows in a frame, and once for each slot in all', async () => {
    const busy = error('BUSY a frame may hold 64 rows of WAITs, and 16384 WAITs in all');
    const rows = Array.from({ length: 65 }, () => [command('PING'), wait(HERE, 'one')]).flat();
    const replies = await run(...rows, wait(THERE, 'one'), command('PING'));
    expect(replies.slice(0, -4)).toEqual(
      Array.from({ length: 64 }, () => [PONG, integer(2)]).flat(),
    );
    expect(replies.slice(-4)).toEqual([PONG, busy, busy, PONG]);
    const row = Array.from({ length: SLOTS + 1 }, () => wait(HERE, 'one'));
    const [last, ...others] = (await run(...row)).reverse();
    expect(last).toEqual(busy);
    expect(others.every((reply) => reply.equals(integer(2)))).toBe(true);
  });
});

describe('a frame that another node has forwarded', () => {
  const { peerExecutor, desk } = second;
  const serviceOf = (slot: number) => services.get(slot) ?? (cluster.owners[slot] === 1 ? 4 : 0);
  const services = new Map<number, number>();
  const frames = new ForwardedFrames(peerExecutor, serviceOf, desk);
  const execute = (bytes: Wire) => frames.execute(bytes);

  it('is executed if all its keys are accepted', async () => {
    const reply = await execute(frame(9, command('SET', THERE, NIL), command('PING')));
    expect(reply).toEqual(frame(9, TRUE, PONG));
    for (const wrong of [
      command('GET', HERE),
      named('EXISTS', THERE, HERE),
      named('ATOMIC', array([command('GET', THERE)]), array([array([HERE, NIL])])),
      named('WAIT', HERE, str('all')),
    ]) {
      const refused = frame(9, command('SET', keyOn(1, 'new'), NIL), wrong);
      expect(await execute(refused)).toBeUndefined();
    }
    expect(second.set.stats().entries).toBe(1);
  });

  it.each(['', '00', 'c1', '0192', '019210', '01c1', '01dfffffffff'])(
    'is refused when its bytes are none (%s)',
    async (hex) => {
      expect(await execute(Buffer.from(hex, 'hex'))).toBeUndefined();
    },
  );

  it("is executed in another node's stead if that may be", async () => {
    const [slot, other] = [slotIn(THERE), slotIn(HERE)];
    const instead = (...commands: Wire[]) => frames.executeInstead(frame(9, ...commands));
    const wait = (key: Wire) => named('WAIT', key, str('one'));
    const set = command('SET', THERE, integer(1));
    expect(await instead(command('GET', THERE))).toBeUndefined();
    // As on a replica.
    services.set(slot, 2).set(other, 2);
    expect(await instead(command('GET', THERE))).toEqual(frame(9, NIL));
    expect(await instead(command('MGET', THERE, HERE))).toEqual(frame(9, array([NIL, NIL])));
    expect(await instead(set)).toBeUndefined();
    expect(await instead(command('GET', THERE), wait(THERE))).toBeUndefined();
    // Its own by now.
    services.set(slot, 3);
    expect(await instead(set, wait(THERE))).toEqual(frame(9, TRUE, integer(2)));
    expect(await instead(wait(THERE), set)).toBeUndefined();
    expect(await instead(set, wait(HERE))).toBeUndefined();
    expect(await instead(set, command('INCR', THERE))).toBeUndefined();
    const once = command('SET', THERE, NIL, NIL, integer(1));
    expect(await instead(once)).toBeUndefined();
    expect(await instead(Buffer.of(0x92, 0x10))).toBeUndefined();
    expect(frames.slotOf(frame(9, command('PING'), set))).toBe(slot);
    expect(frames.slotOf(frame(9, command('PING')))).toBeUndefined();
    services.clear();
  });

  it('may wait', async () => {
    const wait = named('WAIT', THERE, str('one'));
    const set = (...args: Wire[]) => command('SET', THERE, ...args);
    const reply = await execute(frame(9, set(NIL), wait, set(NIL, NIL, integer(1)), wait));
    expect(reply).toEqual(frame(9, TRUE, integer(2), FALSE, integer(2)));
    expect(desk.waits.length).toBe(2);
  });
});
