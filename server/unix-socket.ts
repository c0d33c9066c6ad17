/** The file of a Unix-domain socket: made room for before listening, taken away afterwards. */
import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { SlabringError } from '../engine/errors.js';

/**
 * Makes room for a socket at `path`: a socket that a killed process left behind is removed.
 * @throws SlabringError `OPTION` when another process listens there, or the path is something else
 */
export async function claimUnixPath(path: string): Promise<void> {
  const stats = statsOf(path);
  if (stats === undefined) return;
  if (!stats.isSocket()) {
    throw new SlabringError('OPTION', `${path} exists and is not a socket; choose another path`);
  }
  const answer = await knock(path);
  if (answer === 'connected') {
    throw new SlabringError('OPTION', `the socket ${path} is in use by another process`);
  }
  // Refused: the file is there and nobody listens. Gone: somebody else has removed it meanwhile.
  if (answer !== 'ECONNREFUSED' && answer !== 'ENOENT') {
    throw new SlabringError('OPTION', `the socket ${path} cannot be used (${answer})`);
  }
  removeIfPresent(path);
}

/**
 * Remembers the socket file that this process has just made.
 * @returns takes the file away, unless it is another's by then
 */
export function ownUnixPath(path: string): () => void {
  const ours = statsOf(path);
  return () => {
    const now = statsOf(path);
    if (ours !== undefined && now?.ino === ours.ino && now.dev === ours.dev) removeIfPresent(path);
  };
}

function statsOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function removeIfPresent(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function knock(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
