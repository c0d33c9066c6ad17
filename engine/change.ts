/** What `cache.changes()` tells. */
import type { Buffer } from 'node:buffer';

/** What all changes have. */
export interface ChangeBase {
  /** The namespace of the key; of a `clear`, the one that was cleared. Absent: none. */
  readonly namespace?: string | undefined;
  /** The part of the cache that it happened in. Only changes of one partition have an order. */
  readonly partition: number;
  /**
   * One more than that of the partition's change before, unless an `overrun` lies between, or
   * changes of a namespace that came before its clear. The clear of a namespace has a number that
   * another change may have too.
   */
  readonly seq: number;
}

/** A value was stored, or a list, set, hash or sorted set changed. */
export interface SetChange extends ChangeBase {
  readonly type: 'set';
  /** Text where its bytes are UTF-8, else a Buffer. */
  readonly key: string | Buffer;
  /**
   * Decoded when it is first read. Where the log has no room for the value (key and value together
   * above 16 KB): the value that the key has now, `undefined` when it is gone by now. Also
   * `undefined` with `values: false`, and of a list, set, hash or sorted set.
   */
  readonly value: unknown;
  /** Unix time in ms; `undefined`: it does not expire. */
  readonly expiresAt: number | undefined;
}

/** An entry is gone. */
export interface DeleteChange extends ChangeBase {
  readonly type: 'delete';
  readonly key: string | Buffer;
  /** By a command, because its time was up, or because room was needed. */
  readonly reason: 'deleted' | 'expired' | 'evicted';
}

/** An entry has another time of expiry, or none any more. */
export interface ExpireChange extends ChangeBase {
  readonly type: 'expire';
  readonly key: string | Buffer;
  readonly expiresAt: number | undefined;
}

/**
 * All entries of the partition are gone; or those of a namespace, in all partitions, and then all
 * changes of it that follow, in any partition, came after that.
 */
export interface ClearChange extends ChangeBase {
  readonly type: 'clear';
}

/**
 * The changes of the partition from `seq` to `lastSeq` are lost: this reader was too slow, or
 * something happened that the log cannot hold. What follows is what happened after them.
 */
export interface OverrunChange extends ChangeBase {
  readonly type: 'overrun';
  readonly lastSeq: number;
}

export type Change = SetChange | DeleteChange | ExpireChange | ClearChange | OverrunChange;

/** A value stored, which is decoded when somebody wants it. */
export class LoggedSet implements SetChange {
  readonly type = 'set';
  readonly partition: number;
  readonly seq: number;
  readonly namespace?: string | undefined;
  readonly key: string | Buffer;
  readonly expiresAt: number | undefined;
  #decode: (() => unknown) | undefined;
  #value: unknown;

  constructor(
    base: ChangeBase,
    key: string | Buffer,
    expiresAt: number | undefined,
    decode: () => unknown,
  ) {
    this.partition = base.partition;
    this.seq = base.seq;
    if (base.namespace !== undefined) this.namespace = base.namespace;
    this.key = key;
    this.expiresAt = expiresAt;
    this.#decode = decode;
  }

  get value(): unknown {
    if (this.#decode !== undefined) {
      this.#value = this.#decode();
      this.#decode = undefined;
    }
    return this.#value;
  }

  /** What `JSON.stringify` shows: accessors are no properties of its own. */
  toJSON(): object {
    const { type, partition, seq, namespace, key, value, expiresAt } = this;
    const base = namespace === undefined ? { partition, seq } : { partition, seq, namespace };
    return { type, ...base, key, value, expiresAt };
  }
}
