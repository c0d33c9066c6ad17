/** Sends the commands of handles (engine/handles/runner.ts). */
import type { Key } from '../engine/api.js';
import { COMMANDS, type CommandName, type CommandRow } from '../engine/commands.js';
import type { Page } from '../engine/handles/replies.js';
import {
  ArrayHead,
  countArguments,
  OtherKey,
  type Reading,
  type Runner,
} from '../engine/handles/runner.js';
import { needsPacking, packValue } from './codec.js';
import type { Sender } from './sender.js';
import type { FrameWriter } from './writer.js';

export class ClientRunner implements Runner<'async'> {
  readonly #sender: Sender;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  run<T>(
    command: CommandName,
    key: Key,
    args: () => readonly unknown[],
    read: Reading<T>,
    nothing?: T,
  ): Promise<T> {
    try {
      const list = args();
      const packed = packAll(list);
      if (nothing !== undefined && list.length === 0) return Promise.resolve(nothing);
      const row: CommandRow = COMMANDS[command];
      const others = row.manyKeys === undefined ? undefined : keysIn(list);
      const writer = this.#sender.open(row.code, key, others);
      writer.command(row.code, 1 + countArguments(list));
      writer.key(key);
      for (let i = 0; i < list.length; i++) writeArgument(writer, list[i], packed?.[i]);
    } catch (error) {
      return this.#sender.abandon(error);
    }
    return this.#sender.commit(read) as Promise<T>;
  }

  runKeyless<T>(
    command: CommandName,
    count: number,
    args: () => readonly unknown[],
    read: Reading<T>,
  ): Promise<T> {
    try {
      const list = args();
      const packed = packAll(list);
      const { code } = COMMANDS[command];
      const keys = keysIn(list);
      const writer = this.#sender.open(code, keys[0], keys.slice(1));
      writer.command(code, count);
      for (let i = 0; i < list.length; i++) writeArgument(writer, list[i], packed?.[i]);
    } catch (error) {
      return this.#sender.abandon(error);
    }
    return this.#sender.commit(read) as Promise<T>;
  }

  async *walk<T>(page: (cursor: number) => Promise<Page<T>>): AsyncGenerator<T, void, undefined> {
    let cursor = 0;
    do {
      const found = await page(cursor);
      yield* found.items;
      cursor = found.cursor;
    } while (cursor !== 0);
  }
}

function keysIn(args: readonly unknown[]): Key[] {
  return args.filter((arg) => arg instanceof OtherKey).map(({ key }) => key);
}

/** The bytes of those that need packing; undefined: there are none. */
export function packAll(args: readonly unknown[]): (Uint8Array | undefined)[] | undefined {
  let all: (Uint8Array | undefined)[] | undefined;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (!needsPacking(arg) || arg instanceof OtherKey || arg instanceof ArrayHead) continue;
    all ??= [];
    // A copy, which a Buffer's own slice would not be: it is valid only until the next is packed.
    all[i] = new Uint8Array(packValue(arg));
  }
  return all;
}

/** @param packed the bytes of a value that needs packing */
export function writeArgument(
  writer: FrameWriter,
  value: unknown,
  packed: Uint8Array | undefined,
): void {
  if (packed !== undefined) writer.packed(packed);
  else if (value instanceof OtherKey) writer.key(value.key);
  else if (value instanceof ArrayHead) writer.array(value.length);
  else writer.value(value);
}
