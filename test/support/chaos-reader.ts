/**
 * A reader of the change log in the thread that survives: after each death it must have been told
 * of what is different now, or that it lost changes.
 */
import { type Deaths, FRESH, NEW, NOW_MS, OLD } from './chaos-deaths.js';

const ABSENT = 0;
const POSITION_BYTES = 16;
const LOG_SET = 1;
const LOG_CLEAR = 4;

interface Position {
  readonly number: number;
  readonly address: number;
}

export class DeathReader {
  #positions: Position[] = [];
  /** Times that it was told of losses, and of changes. */
  lost = 0;
  changed = 0;

  attach({ survivor }: Deaths): void {
    const { kernel, slot, facts } = survivor.arena;
    if (kernel.attachLog(slot, 1, NOW_MS) !== 0) throw new Error('no memory for a log');
    this.#positions = Array.from({ length: facts.partitions }, (_, i) => ({
      number: survivor.reply.readDoubleLE(i * POSITION_BYTES),
      address: survivor.reply.readUInt32LE(i * POSITION_BYTES + 8),
    }));
  }

  verify(deaths: Deaths): void {
    const { kernel, slot } = deaths.survivor.arena;
    const { reply } = deaths.survivor;
    this.#positions.forEach(({ number, address }, partition) => {
      const length = kernel.readLog(slot, partition, address, number);
      if (length < 0) this.lost++;
      if (length < 0) return;
      const told = new Map<string, number>();
      let cleared = false;
      for (
        let at = POSITION_BYTES;
        at < POSITION_BYTES + length;
        at += reply.readUInt16LE(at) * 8
      ) {
        this.changed++;
        const kind = reply[at + 4]!;
        if (kind === LOG_CLEAR) {
          cleared = true;
          told.clear();
          continue;
        }
        const keyAt = at + 8 + (reply[at + 5]! & 0x80 ? 8 : 0);
        const key = reply.toString('latin1', keyAt, keyAt + reply.readUInt16LE(at + 2));
        if (kind !== 3) told.set(key, kind);
      }
      for (const key of deaths.keys.filter((one) => one.partition === partition)) {
        const kind = told.get(key.bytes.toString('latin1'));
        const before = key.number < FRESH && !cleared ? OLD : ABSENT;
        const due = kind === undefined ? before : kind === LOG_SET ? NEW : ABSENT;
        const found = deaths.survivor.look(key);
        if (found !== due) {
          throw new Error(`key ${key.number} has ${found}, and the log says ${due}`);
        }
      }
    });
  }
}
