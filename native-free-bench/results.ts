/** What every run leaves behind: JSON with the environment that it came from. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from './environment.js';

const FOLDER = fileURLToPath(new URL('../../bench-results/', import.meta.url));

/**
 * Writes a result as JSON.
 * @param path of the file; undefined: `bench-results/DATE.json`
 * @returns where it went
 */
export function saveResult(
  path: string | undefined,
  environment: Environment,
  result: object,
): string {
  const file = path ?? join(FOLDER, `${environment.date.replaceAll(':', '-')}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ environment, ...result }, null, 2)}\n`);
  return file;
}
