/**
 * Runs the commands of handles (handles/runner.ts) on the memory of this thread's cache: each is a
 * frame of its own.
 */
import { Buffer } from 'node:buffer';
import type { Key } from './api.js';
import { type Packed, packValue } from './codec.js';
import { COMMANDS, type CommandName } from './commands.js';
import type { Desk } from './desk.js';
import type { Page } from './handles/replies.js';
import {
  ArrayHead,
  countArguments,
  OtherKey,
  type Reading,
  type Runner,
} from './handles/runner.js';
import { ReplyCursor } from './reply.js';
import { REPLY_START, type Single } from './single.js';
import type { Structures } from './structures.js';

/** No key: any arena will do, and any member of a cluster. */
const NO_KEY = '';

/** Where a key belongs; they throw when the cache has been closed. */
export interface KeyDesks {
  readonly deskFor: (key: Key) => Desk;
  readonly deskToWrite: (key: Key) => Desk;
}

export class CacheRunner implements Runner<'sync'> {
  readonly #single: Single;
  readonly #structures: Structures | undefined;
  readonly #desks: KeyDesks;

  constructor(single: Single, structures: Structures | undefined, desks: KeyDesks) {
    this.#single = single;
    this.#structures = structures;
    this.#desks = desks;
  }

  run<T>(
    command: CommandName,
    key: Key,
    args: () => readonly unknown[],
    read: Reading<T>,
    nothing?: T,
  ): T {
    const list = args();
    const packed = this.#pack(list);
    // All code of the caller has run by now.
    const deskFor = this.#deskFor(command);
    const desk = deskFor(key);
    if (nothing !== undefined && list.length === 0) return nothing;
    const frame = this.#single.begin(desk, command, key, 1 + countArguments(list));
    return this.#finish(frame, desk, list, packed, read, deskFor);
  }

  runKeyless<T>(
    command: CommandName,
    count: number,
    args: () => readonly unknown[],
    read: Reading<T>,
  ): T {
    const list = args();
    const packed = this.#pack(list);
    const first = list.find((arg) => arg instanceof OtherKey);
    const deskFor = this.#deskFor(command);
    const desk = deskFor(first?.key ?? NO_KEY);
    const frame = this.#single.beginKeyless(desk, command, count);
    return this.#finish(frame, desk, list, packed, read, deskFor);
  }

  *walk<T>(page: (cursor: number) => Page<T>): Generator<T, void, undefined> {
    let cursor = 0;
    do {
      const found = page(cursor);
      yield* found.items;
      cursor = found.cursor;
    } while (cursor !== 0);
  }

  #finish<T>(
    frame: Single,
    desk: Desk,
    list: readonly unknown[],
    packed: (Packed | undefined)[] | undefined,
    read: Reading<T>,
    deskFor: (key: Key) => Desk,
  ): T {
    for (let i = 0; i < list.length; i++) {
      const arg = list[i];
      if (arg instanceof OtherKey) frame.key(arg.key, deskFor(arg.key));
      else if (arg instanceof ArrayHead) frame.array(arg.length);
      else frame.value(arg, packed?.[i]);
    }
    const end = frame.run();
    return read(new ReplyCursor(desk.reply, REPLY_START, end, this.#structures));
  }

  #deskFor(command: CommandName): (key: Key) => Desk {
    return COMMANDS[command].write ? this.#desks.deskToWrite : this.#desks.deskFor;
  }

  /** The values that must be packed, in memory of their own; undefined: there are none. */
  #pack(args: readonly unknown[]): (Packed | undefined)[] | undefined {
    let all: (Packed | undefined)[] | undefined;
    for (let i = 0; i < args.length; i++) {
      const arg = args[i];
      if (arg instanceof OtherKey || arg instanceof ArrayHead) continue;
      const packed = packValue(arg, this.#structures);
      if (packed === undefined) continue;
      const bytes = Buffer.from(packed.bytes.subarray(packed.start, packed.end));
      all ??= [];
      all[i] = { bytes, start: 0, end: bytes.length, hasRecords: packed.hasRecords };
    }
    return all;
  }
}
