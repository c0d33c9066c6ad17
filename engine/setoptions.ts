/**
 * Reads the options of `set` into what SET takes on the wire: a time to live, flags, a version to
 * compare.
 */
import type { SetOptions, Version } from './api.js';
import { SetFlag } from './commands.js';
import { SlabringError } from './errors.js';
import { checkOptionNames, isVersion, parseDuration, show } from './units.js';

const OPTION_NAMES = [
  'ttl',
  'ifAbsent',
  'ifPresent',
  'keepTtl',
  'ifVersion',
] as const satisfies readonly (keyof SetOptions)[];

/**
 * The arguments of SET after key and value. One is reused for every call, so that a `set` allocates
 * nothing.
 */
export class SetArguments {
  /** 0: no expiry. */
  ttlMs = 0;
  /** A sum of {@link SetFlag}. */
  flags = 0;
  /** Counts only with {@link SetFlag.IF_VERSION}. */
  version: Version = 0;

  /**
   * Reads `options`; an entry whose options give no `ttl` gets `defaultTtlMs`.
   * @throws SlabringError `OPTION`, naming the option; the arguments are then not to be used
   */
  read(options: SetOptions | undefined, defaultTtlMs: number): this {
    if (options !== undefined) return this.#readGiven(options, defaultTtlMs);
    this.flags = 0;
    this.version = 0;
    this.ttlMs = defaultTtlMs;
    return this;
  }

  #readGiven(options: SetOptions, defaultTtlMs: number): this {
    checkSetOptionNames(options);
    // All of the caller's code, getters, runs before anything is written here: it may call `set`.
    const { ttl, ifAbsent, ifPresent, keepTtl, ifVersion } = options;
    this.flags = 0;
    this.version = 0;
    this.ttlMs = ttl === undefined ? defaultTtlMs : parseDuration(ttl, 'ttl');
    if (readSwitch(ifAbsent, 'ifAbsent')) this.flags |= SetFlag.NX;
    if (readSwitch(ifPresent, 'ifPresent')) this.flags |= SetFlag.XX;
    if (readSwitch(keepTtl, 'keepTtl')) this.flags |= SetFlag.KEEP_TTL;
    if (ifVersion !== undefined) {
      if (!isVersion(ifVersion)) {
        throw new SlabringError(
          'OPTION',
          `ifVersion must be a version that getVersioned returned, not ${show(ifVersion)}`,
        );
      }
      this.flags |= SetFlag.IF_VERSION;
      this.version = ifVersion;
    }
    if (this.flags & SetFlag.KEEP_TTL) {
      // The default stays: for a key that is not there, and has none to keep.
      if (ttl !== undefined)
        throw new SlabringError('OPTION', 'ttl and keepTtl exclude each other');
    }
    if (this.flags & SetFlag.NX && this.flags & (SetFlag.XX | SetFlag.IF_VERSION)) {
      const other = this.flags & SetFlag.XX ? 'ifPresent' : 'ifVersion';
      throw new SlabringError('OPTION', `ifAbsent and ${other} exclude each other`);
    }
    return this;
  }
}

/**
 * `checkOptionNames` without its list work, for options that are right: this runs once per `set`.
 */
function checkSetOptionNames(options: SetOptions): void {
  if (typeof options === 'object' && options !== null) {
    let known = true;
    for (const name in options) {
      known &&=
        name === 'ttl' ||
        name === 'ifAbsent' ||
        name === 'ifPresent' ||
        name === 'keepTtl' ||
        name === 'ifVersion';
    }
    if (known) return;
  }
  checkOptionNames(options, OPTION_NAMES, 'set');
}

function readSwitch(value: boolean | undefined, option: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value === true;
  throw new SlabringError('OPTION', `${option} must be true or false, not ${show(value)}`);
}
