/** The commands that are about all keys: those that no kernel runs, because they are every arena's. */
import { randomInt } from 'node:crypto';
import type { KeyScanOptions } from './api.js';
import type { ArenaSet } from './arena-set.js';
import type { CommandName } from './commands.js';
import { Desk } from './desk.js';
import { SlabringError } from './errors.js';
import { readCursor, readScanOptions } from './keyoptions.js';
import { countKeys, randomKey, scanPage } from './scan-page.js';

const MOST_UINT32 = 0xffff_ffff;

export class ArenaCommands {
  readonly #set: ArenaSet;
  readonly #desks: readonly Desk[];

  constructor(set: ArenaSet) {
    this.#set = set;
    this.#desks = set.arenas.map((arena) => new Desk(arena));
  }

  /**
   * The reply to one of these commands.
   * @throws SlabringError its error; `UNKNOWN` for any other command
   */
  answer(name: CommandName, args: readonly unknown[]): unknown {
    switch (name) {
      case 'SCAN':
        return this.#scan(args[0], args[1]);
      case 'RANDOMKEY':
        return randomKey(this.#desks, randomInt) ?? null;
      case 'DBSIZE':
        return integer(countKeys(this.#desks));
      case 'FLUSH':
        this.#set.clear();
        return true;
      default:
        throw new SlabringError('UNKNOWN', `${name} is not a command of this node`);
    }
  }

  #scan(cursor: unknown, options: unknown): unknown {
    try {
      const read = readScanOptions(optionsOf(options));
      const page = scanPage(this.#desks, readCursor(cursor), read);
      return [integer(page.cursor), page.keys];
    } catch (error) {
      if (!(error instanceof SlabringError) || error.code !== 'OPTION') throw error;
      throw new SlabringError('SYNTAX', error.message);
    }
  }
}

const OPTION_NAMES: readonly string[] = ['match', 'count', 'type'];

/** nil as if absent, the map and each of its values. Names come from anybody: none is worked on. */
function optionsOf(options: unknown): KeyScanOptions | undefined {
  if (options === undefined || options === null) return undefined;
  if (typeof options !== 'object' || Array.isArray(options) || ArrayBuffer.isView(options)) {
    throw new SlabringError('SYNTAX', 'SCAN takes a cursor and a map {match?, count?, type?}');
  }
  if (!Object.keys(options).every((name) => OPTION_NAMES.includes(name))) {
    throw new SlabringError('SYNTAX', `SCAN has the options ${OPTION_NAMES.join(', ')}`);
  }
  const given = Object.entries(options).filter(([, value]) => value !== null);
  return Object.fromEntries(given) as KeyScanOptions;
}

/** msgpackr writes numbers above 32 bits as floats. */
function integer(value: number): number | bigint {
  return value > MOST_UINT32 ? BigInt(value) : value;
}
