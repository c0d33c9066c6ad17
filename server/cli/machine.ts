/**
 * What the command-line tools ask of the machine: programs on PATH, CPU time of a process, pinning
 * to cores.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SlabringError } from '../../engine/errors.js';

/** `/proc/PID/stat` counts in USER_HZ, which is 100 on every Linux that Node runs on. */
const CPU_TICKS_PER_SECOND = 100;

/** The full path of a program on PATH, or undefined. */
export function findProgram(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder: the next one.
    }
  }
  return undefined;
}

/**
 * CPU seconds (user and system, all threads) that a process has used so far; undefined where /proc
 * cannot say.
 */
export function cpuSeconds(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // The process is gone.
    return undefined;
  }
  // The program's name, in parentheses, may hold blanks: count from behind it. utime is field 14 of
  // the line, stime 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CPU_TICKS_PER_SECOND;
}

/** Why processes cannot be pinned to cores here, as a sentence; undefined when they can. */
export function whyNoPinning(): string | undefined {
  if (process.platform !== 'linux') return '--pin works on Linux only: it uses taskset.';
  if (findProgram('taskset') === undefined) {
    return '--pin needs taskset on PATH: install util-linux (apt-get install util-linux).';
  }
  return undefined;
}

/**
 * Moves this process with all its threads to one core.
 * @throws SlabringError `UNAVAILABLE` when taskset refuses, with what it said
 */
export function pinSelf(core: string): void {
  const result = spawnSync('taskset', ['-a', '-c', '-p', core, `${process.pid}`], {
    encoding: 'utf8',
  });
  if (result.status !== 0) {
    throw new SlabringError(
      'UNAVAILABLE',
      `taskset could not move the loader to core ${core}: ${result.stderr.trim()}`,
    );
  }
}
