/** How fast a node is with a replica beside it, and alone, in turns; and what each process used. */
import { Loader } from '../../server/cli/load/loader.js';
import { KEY_BYTES, Reel, writeKey } from '../../server/cli/load/reel.js';
import { SlabringProtocol } from '../../server/cli/load/slabring.js';
import type { ServerProcess } from '../../server/cli/processes.js';
import { uniformSequence } from '../fixture.js';
import { cpuNsOf, drained, keysOfPrimary, type Nodes, sentBytesOf } from './nodes.js';

export interface ReplicationPlan {
  readonly keys: number;
  readonly valueBytes: number;
  readonly pipeline: number;
  readonly connections: number;
  readonly rounds: number;
  readonly seconds: number;
}

export const WORKS = ['SET', 'GET'] as const;
export type Work = (typeof WORKS)[number];

/** One slice. Times are CPU times, for each operation. */
export interface Sample {
  readonly opsPerSecond: number;
  readonly nodeNs: number;
  readonly loaderNs: number;
  /** The rest is of a node with a replica, until that has everything. */
  readonly replicaNs: number;
  readonly sentBytes: number;
  /** Changes were lost from the log, or too many were under way: a scan had to find them. */
  readonly isScanned: boolean;
}

/** Rounds of one kind of work; at the same place of both lists stand slices of one round. */
export interface ReplicationRow {
  readonly work: Work;
  readonly alone: readonly Sample[];
  readonly replicated: readonly Sample[];
}

/** Commands of a reel that is sent over and over. */
const COMMANDS = 1 << 18;
const FILL_PIPELINE = 512;
const WARM_UP_SECONDS = 1;
const HOST = '127.0.0.1';

/** What loads one node. */
class Bed {
  readonly #node: ServerProcess;
  readonly #primary: ServerProcess | undefined;
  readonly #replica: ServerProcess | undefined;
  readonly #loader: Loader;
  readonly #reels: Record<Work, Reel>;

  private constructor(nodes: Nodes, isAlone: boolean, loader: Loader, reels: Record<Work, Reel>) {
    this.#node = isAlone ? nodes.alone : nodes.primary;
    this.#primary = isAlone ? undefined : nodes.primary;
    this.#replica = isAlone ? undefined : nodes.replica;
    this.#loader = loader;
    this.#reels = reels;
  }

  /** Stores all keys, and warms up. */
  static async open(nodes: Nodes, isAlone: boolean, plan: ReplicationPlan): Promise<Bed> {
    const { pipeline, connections, valueBytes } = plan;
    const protocol = new SlabringProtocol(HOST);
    const { url } = isAlone ? nodes.alone : nodes.primary;
    const target = { host: HOST, port: Number(new URL(url).port) };
    const loader = await Loader.open({ target, protocol, connections, inFlight: 1 });
    const keys = keysOfPrimary(plan.keys, textOf);
    const filled = new Reel(keys, ofKind(plan.keys, 'SET'), FILL_PIPELINE, valueBytes, protocol);
    const { replies } = await loader.sendOnce(filled);
    if (replies.errors > 0) throw new Error(`a key was not stored: ${replies.firstError}`);
    const drawn = uniformSequence(COMMANDS, plan.keys).map((place) => keys[place]!);
    const reelOf = (work: Work) =>
      new Reel(drawn, ofKind(COMMANDS, work), pipeline, valueBytes, protocol);
    const bed = new Bed(nodes, isAlone, loader, { SET: reelOf('SET'), GET: reelOf('GET') });
    for (const work of WORKS) await bed.measure(work, WARM_UP_SECONDS);
    return bed;
  }

  /** @throws Error where a reply was wrong */
  async measure(work: Work, seconds: number): Promise<Sample> {
    const sentBefore = this.#primary ? await sentBytesOf(this.#primary) : 0;
    const before = [this.#nodeNs(), this.#replicaNs(), loaderNs()] as const;
    const result = await this.#loader.sendFor(this.#reels[work], seconds);
    const loaderAfterNs = loaderNs();
    const { isScanned } = this.#primary ? await drained(this.#primary) : { isScanned: false };
    const sentAfter = this.#primary ? await sentBytesOf(this.#primary) : 0;
    const { operations, replies } = result;
    if (replies.errors + replies.misses > 0) {
      throw new Error(`${work}: ${replies.misses} keys lost, ${replies.firstError ?? 'no error'}`);
    }
    return {
      opsPerSecond: operations / result.seconds,
      nodeNs: (this.#nodeNs() - before[0]) / operations,
      replicaNs: (this.#replicaNs() - before[1]) / operations,
      loaderNs: (loaderAfterNs - before[2]) / operations,
      sentBytes: (sentAfter - sentBefore) / operations,
      isScanned,
    };
  }

  close(): void {
    this.#loader.close();
  }

  #nodeNs(): number {
    return cpuNsOf(this.#node);
  }

  #replicaNs(): number {
    return this.#replica ? cpuNsOf(this.#replica) : 0;
  }
}

/** Measures both in turns, each other round in the other order. */
export async function measureReplication(
  nodes: Nodes,
  plan: ReplicationPlan,
  tell: (text: string) => void,
): Promise<ReplicationRow[]> {
  tell('storing the keys');
  const alone = await Bed.open(nodes, true, plan);
  const replicated = await Bed.open(nodes, false, plan);
  const rows = WORKS.map((work) => ({
    ...{ work, alone: [] as Sample[], replicated: [] as Sample[] },
  }));
  for (let round = 0; round < plan.rounds; round++) {
    for (const { work, ...lists } of rows) {
      tell(`${work}, round ${round + 1} of ${plan.rounds}`);
      const order = round % 2 === 0 ? (['alone', 'replicated'] as const) : REVERSED;
      for (const which of order) {
        const bed = which === 'alone' ? alone : replicated;
        lists[which].push(await bed.measure(work, plan.seconds));
      }
    }
  }
  alone.close();
  replicated.close();
  return rows;
}

const REVERSED = ['replicated', 'alone'] as const;

function textOf(key: number): string {
  const bytes = Buffer.alloc(KEY_BYTES);
  writeKey(bytes, 0, key);
  return bytes.toString('latin1');
}

/** As a reel wants them: 1 for each command that writes. */
function ofKind(count: number, work: Work): Uint8Array {
  return new Uint8Array(count).fill(work === 'SET' ? 1 : 0);
}

function loaderNs(): number {
  const { user, system } = process.cpuUsage();
  return 1000 * (user + system);
}
