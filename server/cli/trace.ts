/**
 * Access traces: `NAME.u32` or `NAME.u32.gz`, one little-endian uint32 per access (an object's
 * number), in order.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { SlabringError } from '../../engine/errors.js';
import { show } from '../../engine/units.js';

export interface Trace {
  /** The file's name without folder and extension. */
  readonly name: string;
  /** The object of each access. */
  readonly ids: Uint32Array;
  /** The size in bytes of the object of each access, when asked for. */
  readonly sizes: Uint32Array | undefined;
}

/**
 * Traces in the repository that can be named without a path; the npm package does not carry them.
 */
export const SHIPPED_TRACES = ['cache2k-web07', 'nasa-http-19950801'] as const;

const SHIPPED_FOLDER = new URL('../../../test/fixtures/traces/', import.meta.url);

/**
 * Reads a trace: the path of a file, or the name of a shipped one. `withSizes` also reads
 * `NAME.size.u32[.gz]` beside it; `limit` keeps the first accesses only.
 * @throws SlabringError `OPTION` when a file is missing or is no trace
 */
export function readTrace(
  pathOrName: string,
  { withSizes = false, limit = Number.POSITIVE_INFINITY } = {},
): Trace {
  const path = findTrace(pathOrName);
  const ids = readWords(path);
  if (ids.length === 0) throw new SlabringError('OPTION', `the trace ${path} has no accesses`);
  const end = Math.min(ids.length, limit);
  const name = basename(path).replace(/\.u32(\.gz)?$/, '');
  return {
    name,
    ids: ids.subarray(0, end),
    sizes: withSizes ? readSizes(path, ids.length).subarray(0, end) : undefined,
  };
}

/** The number of different objects in a trace. */
export function countObjects(ids: Uint32Array): number {
  return new Set(ids).size;
}

function findTrace(pathOrName: string): string {
  if (existsSync(pathOrName)) return pathOrName;
  if ((SHIPPED_TRACES as readonly string[]).includes(pathOrName)) {
    const path = fileURLToPath(new URL(`${pathOrName}.u32.gz`, SHIPPED_FOLDER));
    if (existsSync(path)) return path;
    throw new SlabringError(
      'OPTION',
      `the trace ${pathOrName} comes with the repository, not with the npm package; ` +
        'give the path of a trace file',
    );
  }
  throw new SlabringError(
    'OPTION',
    `there is no trace ${show(pathOrName)}: give the path of a .u32 or .u32.gz file, ` +
      `or one of ${SHIPPED_TRACES.join(', ')}`,
  );
}

function readSizes(tracePath: string, accesses: number): Uint32Array {
  const stem = tracePath.replace(/\.u32(\.gz)?$/, '');
  const path = [`${stem}.size.u32.gz`, `${stem}.size.u32`].find(existsSync);
  if (path === undefined) {
    throw new SlabringError(
      'OPTION',
      `--sizes needs the file ${basename(stem)}.size.u32.gz beside the trace; ` +
        'without --sizes all values have --value-size bytes',
    );
  }
  const sizes = readWords(path);
  if (sizes.length !== accesses) {
    throw new SlabringError(
      'OPTION',
      `${path} has ${sizes.length} sizes for a trace of ${accesses} accesses; ` +
        'there must be one per access',
    );
  }
  return sizes;
}

function readWords(path: string): Uint32Array {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new SlabringError('OPTION', `cannot read ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (path.endsWith('.gz')) {
    try {
      bytes = gunzipSync(bytes);
    } catch (cause) {
      throw new SlabringError('OPTION', `${path} is not a gzip file`, { cause });
    }
  }
  if (bytes.length % 4 !== 0) {
    throw new SlabringError(
      'OPTION',
      `${path} has ${bytes.length} bytes: a trace is a row of 4-byte numbers, ` +
        'so its length is a multiple of 4',
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // The file is little-endian and may lie unaligned in its buffer: read it word by word.
  return Uint32Array.from({ length: bytes.length / 4 }, (_, word) =>
    view.getUint32(4 * word, true),
  );
}
