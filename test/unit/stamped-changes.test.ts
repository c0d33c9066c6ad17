/** `changes()` on a node that is one of several: its records have stamps, and tell the same. */
import { describe, expect, it } from 'vitest';
import type { ArenaSet } from '#engine/arena-set.js';
import { LoggedSet } from '#engine/change.js';
import { Changes } from '#engine/changes.js';
import { LOG_DELETE, LOG_SET, writeRecord } from '#engine/log-record.js';
import { Spaces } from '#engine/space.js';
import { command, integer, str } from '../support/kernel-wire.js';
import { Peer } from '../support/replicas.js';

const NOW_MS = 1_900_000_000_000;

function open(): { peer: Peer; changes: Changes } {
  const peer = new Peer(3, {}, NOW_MS);
  const arenas = [peer.arena];
  const changes = new Changes({
    arenas,
    currentValue: (key) => `what ${key} has now`,
    partitionOf: () => 0,
    spaces: new Spaces({ arenas } as unknown as ArenaSet),
  });
  return { peer, changes };
}

describe('the changes of a node', () => {
  it('are those of any cache', () => {
    const { peer, changes } = open();
    peer.run(
      command('SET', str('a'), integer(1), integer(50)),
      command('EXPIRE', str('a'), integer(70)),
      command('SADD', str('s'), str('x')),
      command('EXPIRE', str('s'), integer(80)),
      command('SADD', str('s'), str('y')),
      command('SREM', str('s'), str('x'), str('y')),
      command('DEL', str('a')),
    );
    peer.arena.clear();
    const told = changes
      .read()
      .map((change) => (change instanceof LoggedSet ? change.toJSON() : change));
    const at = (ms: number) => ({ expiresAt: NOW_MS + ms });
    expect(told.map((change) => ({ ...change, partition: 0, seq: 0 }))).toEqual(
      [
        { type: 'set', key: 'a', value: 1, ...at(50) },
        { type: 'expire', key: 'a', ...at(70) },
        { type: 'set', key: 's', value: 'what s has now' },
        { type: 'expire', key: 's', ...at(80) },
        { type: 'set', key: 's', value: 'what s has now', ...at(80) },
        { type: 'delete', key: 's', reason: 'deleted' },
        { type: 'delete', key: 'a', reason: 'deleted' },
        { type: 'clear' },
      ].map((change) => ({ ...change, partition: 0, seq: 0 })),
    );
  });

  it('are also those that other nodes made', () => {
    const { peer, changes } = open();
    const key = Buffer.from('a');
    const stamp = (BigInt(NOW_MS) << 22n) | 9n;
    const records = [
      writeRecord({ kind: LOG_SET, key, stamp, value: integer(7) }),
      writeRecord({ kind: LOG_DELETE, key, stamp: stamp + 1024n }),
    ];
    peer.replica.applyRecords(Buffer.concat(records), NOW_MS);
    const told = changes.read();
    expect(told).toMatchObject([
      { type: 'set', key: 'a', value: 7 },
      { type: 'delete', key: 'a' },
    ]);
  });

  it('may be those of one type', () => {
    const { peer } = open();
    const changes = new Changes(
      {
        arenas: [peer.arena],
        currentValue: () => undefined,
        partitionOf: () => 0,
        spaces: new Spaces({ arenas: [peer.arena] } as unknown as ArenaSet),
      },
      { types: ['set'], values: false },
    );
    peer.run(command('SADD', str('s'), str('x')), command('DEL', str('s')));
    expect(changes.read()).toMatchObject([{ type: 'set', key: 's', value: undefined }]);
  });
});
