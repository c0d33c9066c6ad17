/**
 * What holds the entries whose memory is measured, each in a process of its own: a server that is
 * filled over its socket, or an embedded cache.
 */
import { SlabringError } from '../../engine/errors.js';
import { fill, readBack } from '../../server/cli/load/fill.js';
import { Loader } from '../../server/cli/load/loader.js';
import type { LoadProtocol } from '../../server/cli/load/protocol.js';
import { SlabringProtocol } from '../../server/cli/load/slabring.js';
import { memcachedProtocol, respProtocol } from '../../server/cli/load/text.js';
import {
  type ServerProcess,
  startMemcached,
  startRedis,
  startSlabring,
} from '../../server/cli/processes.js';
import { Unavailable } from '../case.js';
import { KEY_BYTES } from '../fixture.js';
import { VALUE_BYTES } from '../kinds.js';
import { startEmbedded } from './embedded.js';

/** Keys have {@link KEY_BYTES} and values {@link VALUE_BYTES}. */
export const PAYLOAD_BYTES = KEY_BYTES + VALUE_BYTES;

/** A process that holds entries. */
export interface Holder {
  readonly version: string;
  readonly pid: number;
  /** Stores every entry. */
  fill(): Promise<void>;
  /**
   * Reads every entry and compares its bytes.
   * @returns how many it were
   * @throws when one is missing or wrong
   */
  readBack(): Promise<number>;
  /** Ends the process. */
  stop(): Promise<void>;
}

export interface HolderKind {
  readonly name: string;
  /**
   * Starts an empty one that has room for so many entries.
   * @throws Unavailable when it is not on this machine
   */
  start(entries: number): Promise<Holder>;
}

const MIB = 2 ** 20;
const CONNECTIONS = 4;
/** Frames in flight on each connection. */
const IN_FLIGHT = 2;

/** More than any of them needs for an entry. The budget is a limit; RSS is what is touched of it. */
export function budgetOf(entries: number): number {
  return 64 * MIB + entries * 160;
}

function serverKind(
  name: string,
  start: (entries: number) => Promise<ServerProcess>,
  protocol: LoadProtocol,
): HolderKind {
  return {
    name,
    async start(entries) {
      const server = await orUnavailable(start(entries));
      const { hostname, port } = new URL(server.url);
      const target = { host: hostname, port: Number(port) };
      let loader: Loader;
      try {
        const sockets = { connections: CONNECTIONS, inFlight: IN_FLIGHT };
        loader = await Loader.open({ target, protocol, ...sockets });
      } catch (error) {
        await server.stop();
        throw error;
      }
      const filling = { name, loader, protocol, keys: entries, valueBytes: VALUE_BYTES };
      return {
        version: server.version,
        pid: server.pid,
        fill: () => fill(filling),
        async readBack() {
          await readBack(filling);
          return entries;
        },
        async stop() {
          loader.close();
          await server.stop();
        },
      };
    },
  };
}

async function orUnavailable<T>(starting: Promise<T>): Promise<T> {
  try {
    return await starting;
  } catch (error) {
    if (error instanceof SlabringError && error.code === 'UNAVAILABLE') {
      throw new Unavailable(error.message);
    }
    throw error;
  }
}

/** All that can be measured, ours first. */
export const HOLDERS: readonly HolderKind[] = [
  { name: 'slabring/adaptive', start: (entries) => startEmbedded('adaptive', entries) },
  { name: 'slabring/none', start: (entries) => startEmbedded('none', entries) },
  serverKind(
    'slabring-serve/adaptive',
    (entries) => startSlabring(['--memory', `${budgetOf(entries)}`, '--threads', '1']),
    new SlabringProtocol('127.0.0.1'),
  ),
  serverKind('redis', () => startRedis(1), respProtocol(VALUE_BYTES)),
  serverKind(
    'memcached',
    (entries) => startMemcached(1, budgetOf(entries), CONNECTIONS),
    memcachedProtocol(VALUE_BYTES),
  ),
];
