/** An arena of a node that is one of several, whose clocks stand still, and what its log says. */
import type { ArenaOptions } from '#engine/arena.js';
import { LogReader } from '#engine/log-reader.js';
import { type LogRecord, readRecord } from '#engine/log-record.js';
import { Bench, Header, PARTITION_BYTES, PARTITIONS, Partition } from './kernel-memory.js';

const LOG_BYTES = 8 * 1024 * 1024;

export class StampedBench extends Bench {
  readonly reader: LogReader;

  constructor(node: number, options: Partial<ArenaOptions> = {}, nowMs?: number) {
    super({ node, ...options });
    if (nowMs !== undefined) this.nowMs = nowMs;
    // As if the arena had been made when its clock stands.
    this.memory.setU64(Header.clock, 0n);
    for (let i = 0; i < this.arena.facts.partitions; i++) {
      this.memory.setU64(PARTITIONS + i * PARTITION_BYTES + Partition.version, 0n);
    }
    const { partitions, memoryBytes } = this.arena.facts;
    this.reader = new LogReader(this.arena, Math.min(LOG_BYTES * partitions, memoryBytes / 8));
  }

  /** The bytes of what was logged since the last call, partition by partition. */
  logged(): Buffer {
    const runs: Buffer[] = [];
    for (let run = this.reader.next(false); run !== undefined; run = this.reader.next(false)) {
      if (run.bytes === undefined) throw new Error('records of the log were lost');
      runs.push(run.bytes);
    }
    return Buffer.concat(runs);
  }

  records(): LogRecord[] {
    return recordsOf(this.logged());
  }
}

/** All records of a run. */
export function recordsOf(bytes: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  for (let at = 0; at < bytes.length; at = records.at(-1)!.end) records.push(readRecord(bytes, at));
  return records;
}
