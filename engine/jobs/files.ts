/** What `importFile` and `exportFile` have in common: paths and formats. */
import { fileURLToPath } from 'node:url';
import { SlabringError } from '../errors.js';
import { show } from '../units.js';

/** How entries stand in a file. */
export const FILE_FORMATS = ['ndjson', 'msgpack'] as const;
export type FileFormat = (typeof FILE_FORMATS)[number];

const FORMAT_OF_ENDING: Readonly<Record<string, FileFormat>> = {
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  msgpack: 'msgpack',
  mp: 'msgpack',
};

/** @throws SlabringError `OPTION`: that the system does not let a method read or write the file */
export function refuseFile(method: string, verb: string, path: string, error: unknown): never {
  const reason = (error as Error).message;
  throw new SlabringError('OPTION', `${method} cannot ${verb} ${path}: ${reason}`, {
    cause: error,
  });
}

/** @throws SlabringError `OPTION` */
export function readPath(path: string | URL, method: string): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path;
  if (path instanceof URL && path.protocol === 'file:') return fileURLToPath(path);
  throw new SlabringError('OPTION', `${method} takes a path or a file: URL, not ${show(path)}`);
}

/**
 * The format that the options say, else the one that the name of the file says.
 * @throws SlabringError `OPTION`
 */
export function readFormat(format: FileFormat | undefined, path: string): FileFormat {
  if (format === undefined) {
    const byName = FORMAT_OF_ENDING[/\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? ''];
    if (byName !== undefined) return byName;
    throw new SlabringError(
      'OPTION',
      `the name ${show(path)} does not tell its format: it must end in .ndjson, .jsonl, .msgpack ` +
        `or .mp, or format must be 'ndjson' or 'msgpack'`,
    );
  }
  if (FILE_FORMATS.includes(format)) return format;
  throw new SlabringError('OPTION', `format must be 'ndjson' or 'msgpack', not ${show(format)}`);
}
