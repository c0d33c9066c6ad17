/** What a client in a cluster may choose: how sure a write is, and where reads go. */
import type { Duration } from '../engine/api.js';
import { CONCERNS, type Concern } from '../engine/cluster-view.js';
import { SlabringError } from '../engine/errors.js';
import { checkOptionNames, parseDuration, show } from '../engine/units.js';

const READS = ['primary', 'nearest', 'any'] as const;
export type ReadFrom = (typeof READS)[number];

/**
 * Options of `connect`, `new Client`, and `with`. Every one may be left out; on a node that is in
 * no cluster they change nothing.
 */
export interface SessionOptions {
  /**
   * How many owners of a key must have a write before its promise resolves: `'none'`, the node that
   * ran it; `'one'` more; `'quorum'`, most of them; `'all'`. When they do not have it within
   * `deadline`, the promise is rejected with `UNAVAILABLE`, though the write was done. Default:
   * `'none'`.
   */
  concern?: Concern;
  /**
   * How long a write waits for its concern. Must be below `timeout`. Default: 500 ms, or half of
   * `timeout` where that is less.
   */
  deadline?: Duration;
  /**
   * Which owner answers reads of one key: `'primary'`, the one that runs the writes; `'nearest'`,
   * the one with the shortest round trip; `'any'`, one after the other. Others than the primary may
   * be behind it, by milliseconds as a rule. Default: `'primary'`.
   */
  read?: ReadFrom;
  /**
   * When a read of one key has no answer after this long, a second owner is asked, and the first
   * answer counts. 0: never. Default: 0.
   */
  hedge?: Duration;
  /**
   * Reads keys where the client, or anything that its `with` returned, wrote to their slot within
   * the last 10 s, whatever `read` and `hedge` say. Writes count from the first call that asks for
   * this. Default: false.
   */
  readYourWrites?: boolean;
}

export interface SessionSettings {
  readonly concern: Concern;
  readonly deadlineMs: number;
  readonly read: ReadFrom;
  readonly hedgeMs: number;
  readonly readYourWrites: boolean;
}

export const SESSION_OPTIONS: readonly (keyof SessionOptions)[] = [
  'concern',
  'deadline',
  'read',
  'hedge',
  'readYourWrites',
];

/** So that a caller hears UNAVAILABLE before the command's own deadline says TIMEOUT. */
const DEADLINE_MS = 500;

/** @throws SlabringError `OPTION`, naming the option */
export function readSessionOptions(options: SessionOptions, timeoutMs: number): SessionSettings {
  const most = timeoutMs > 0 ? timeoutMs : Number.POSITIVE_INFINITY;
  const deadlineMs =
    options.deadline === undefined
      ? Math.min(DEADLINE_MS, Math.ceil(most / 2))
      : parseDuration(options.deadline, 'deadline');
  if (options.deadline !== undefined && deadlineMs >= most) {
    throw new SlabringError(
      'OPTION',
      `deadline (${deadlineMs} ms) must be below timeout (${timeoutMs} ms)`,
    );
  }
  const { readYourWrites = false } = options;
  if (typeof readYourWrites !== 'boolean') {
    const message = `readYourWrites must be true or false, not ${show(readYourWrites)}`;
    throw new SlabringError('OPTION', message);
  }
  return {
    concern: oneOf('concern', options.concern ?? 'none', CONCERNS),
    deadlineMs,
    read: oneOf('read', options.read ?? 'primary', READS),
    hedgeMs: parseDuration(options.hedge ?? 0, 'hedge'),
    readYourWrites,
  };
}

/** @throws SlabringError `OPTION` for what is no option of `with` */
export function checkSessionOptions(options: SessionOptions): void {
  checkOptionNames(options, SESSION_OPTIONS, 'with');
}

/** Whether a session does anything that a plain client does not. */
export function isPlain({ concern, read, hedgeMs }: SessionSettings): boolean {
  return concern === 'none' && read === 'primary' && hedgeMs === 0;
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  const list = allowed.map((one) => `'${one}'`).join(', ');
  throw new SlabringError('OPTION', `${name} must be one of ${list}, not ${show(value)}`);
}
