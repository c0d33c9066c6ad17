/** Where the numbers of a report come from. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Environment {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly platform: string;
  readonly arch: string;
  readonly node: string;
  readonly v8: string;
  readonly slabring: string;
  /**
   * Short, with a `+` when files that git knows were changed since. Absent where there is no git.
   */
  readonly commit?: string;
  /** ISO 8601. */
  readonly date: string;
  /**
   * Programs that wanted a core in the last minute: above 0, others were using the machine when the
   * bench began.
   */
  readonly load: number;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export function readEnvironment(): Environment {
  const commit = readCommit();
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 1024 ** 3),
    platform: `${process.platform} ${release()}`,
    arch: process.arch,
    node: process.version,
    v8: process.versions.v8,
    slabring: slabringVersion(),
    ...(commit !== undefined && { commit }),
    date: new Date().toISOString(),
    load: Number(loadavg()[0]!.toFixed(1)),
  };
}

/** The version of this package. */
export function slabringVersion(): string {
  const text = readFileSync(`${ROOT}package.json`, 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function readCommit(): string | undefined {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+';
    return `${git('rev-parse', '--short', 'HEAD')}${changed}`;
  } catch {
    // A tarball, or no git: the version has to say enough.
    return undefined;
  }
}
