/** The version of this software, as its package says. */
import { readFileSync } from 'node:fs';

const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');

export const SOFTWARE_VERSION = (JSON.parse(manifest) as { version: string }).version;
