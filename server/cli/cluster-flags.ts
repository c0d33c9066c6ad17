/** The options of `slabring serve` that make the node one of a cluster. */
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SlabringError } from '../../engine/errors.js';
import type { ClusterNodeOptions } from '../cluster/config.js';
import type { LinkTls } from '../cluster/links/options.js';
import { PRESETS, type PresetName } from '../cluster/membership/presets.js';
import { duration, wholeNumber } from './arguments.js';

export interface ClusterFlags {
  cluster?: string;
  join?: string;
  replicas?: number;
  clusterSecret?: string;
  peerHost?: string;
  peerPort?: number;
  advertise?: string;
  nodeName?: string;
  zone?: string;
  weight?: number;
  clusterPreset?: PresetName;
  replaceAfter?: number;
  minOwners?: number;
  repairInterval?: number;
  tombstones?: number;
  leaveTimeout?: number;
  peerCert?: string;
  peerKey?: string;
  peerCa?: string;
}

export function addClusterOptions(command: Command): void {
  command
    .option('--cluster <name>', 'make the node one of the cluster of this name')
    .option(
      '--join <seeds>',
      'where other nodes are: host:port,... of peer ports, dns:NAME:PORT, or file:PATH ' +
        '(default: nowhere, it is the first)',
    )
    .option(
      '--replicas <number>',
      'copies of each key besides the first, at most 7; the same on all nodes (default: 1)',
      wholeNumber(0, 7),
    )
    .addOption(
      new Option(
        '--cluster-secret <secret>',
        'what all nodes of the cluster know; others can see it in ps',
      ).env('SLABRING_CLUSTER_SECRET'),
    )
    .option(
      '--peer-port <number>',
      'TCP port for other nodes; 0 takes a free one (default: --port and 10000, or less 10000 ' +
        'where that is above 65535)',
      wholeNumber(0, 65_535),
    )
    .option('--peer-host <address>', 'address to listen on for other nodes (default: --host)')
    .option('--advertise <host>', 'host by which clients and nodes reach it (default: --host)')
    .option('--node-name <name>', 'its place on the ring, kept over restarts (default: host:port)')
    .option('--zone <name>', 'copies of one key go to different zones, as far as there are')
    .option('--weight <number>', "its share of the keys beside the others' (default: 1)", number)
    .addOption(
      new Option('--cluster-preset <name>', 'how soon nodes count as dead (default: lan)').choices(
        Object.keys(PRESETS),
      ),
    )
    .option(
      '--replace-after <time>',
      'how long a dead node keeps its place, such as 30s (default) or 5m',
      duration,
    )
    .option(
      '--min-owners <number>',
      'live owners without which a key is not served (default: 1)',
      wholeNumber(1, 8),
    )
    .option('--repair-interval <time>', 'how often copies are compared (default: 1m)', duration)
    .option('--tombstones <time>', 'how long deletions are remembered (default: 10m)', duration)
    .option(
      '--leave-timeout <time>',
      'time for handing keys over at the end (default: 10s)',
      duration,
    )
    .option('--peer-cert <file>', 'PEM certificate shown to other nodes; with key and ca')
    .option('--peer-key <file>', 'its key')
    .option('--peer-ca <file>', 'PEM certificates that have signed those of other nodes');
}

/** What options of a cluster are called on the command line, where it is not the same. */
const FLAGS: Readonly<Record<string, string>> = {
  ...{ name: 'cluster', secret: 'clusterSecret', preset: 'clusterPreset' },
  ...{ 'tls.cert': 'peerCert', 'tls.key': 'peerKey', 'tls.ca': 'peerCa' },
};

/** An error as who has typed the flags knows what it is about. */
export function inFlags(message: string): string {
  return message.replace(/(?<![\w.'])cluster\.([a-z]+(\.[a-z]+)?)\b/gi, (_, option: string) =>
    flag(FLAGS[option] ?? option),
  );
}

function flag(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * The options of the cluster, of those of `serve`.
 * @param isTyped whether a flag stands on the command line: the environment may hold a secret for
 *   other nodes
 * @throws SlabringError `OPTION`
 */
export async function readClusterFlags(
  flags: ClusterFlags,
  isTyped: (name: string) => boolean = () => true,
): Promise<ClusterNodeOptions | undefined> {
  const { cluster: name, clusterSecret, clusterPreset, peerCert, peerKey, peerCa } = flags;
  const { join, replicas, peerHost, peerPort, advertise, nodeName, zone, weight } = flags;
  const { replaceAfter, minOwners, repairInterval, tombstones, leaveTimeout } = flags;
  const options = {
    ...{ join, replicas, peerHost, peerPort, advertise, nodeName, zone, weight },
    ...{ replaceAfter, minOwners, repairInterval, tombstones, leaveTimeout },
  };
  if (name === undefined) {
    const all = { ...options, clusterSecret, clusterPreset, peerCert, peerKey, peerCa };
    const given = Object.entries(all).find(([key, value]) => value !== undefined && isTyped(key));
    if (given === undefined) return undefined;
    throw new SlabringError('OPTION', `${flag(given[0])} needs --cluster NAME`);
  }
  const tls = await readTls(peerCert, peerKey, peerCa);
  return { name, ...options, secret: clusterSecret, preset: clusterPreset, tls };
}

async function readTls(cert?: string, key?: string, ca?: string): Promise<LinkTls | undefined> {
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (cert === undefined || key === undefined || ca === undefined) {
    const text = '--peer-cert, --peer-key and --peer-ca go together';
    throw new SlabringError('OPTION', text);
  }
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, 'utf8');
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SlabringError('OPTION', `${path} cannot be read: ${reason}`, { cause });
    }
  };
  return { cert: await read(cert), key: await read(key), ca: await read(ca) };
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new InvalidArgumentError('It must be a number.');
  return value;
}
