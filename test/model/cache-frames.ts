/** Calls that come as commands of frames, as clients send them: of keys in no namespace. */
import { SlabringError } from 'slabring';
import type { ArenaSet } from '#engine/arena-set.js';
import { type Frames, isFault } from '#engine/frame.js';
import { readReply, readVersioned } from '#engine/reply.js';
import { createExecutor } from '#engine/routed-frame.js';
import { openStructures, type Structures } from '#engine/structures.js';
import { frame, valuesOf, type Wire } from '../support/kernel-wire.js';
import { type Call, nextCall, type Source } from './cache-calls.js';
import { outcomeOf } from './cache-model.js';

const MOST_COMMANDS = 60;

export interface Framed {
  readonly call: Call;
  readonly wire: Wire;
}

export class FrameSender {
  readonly #frames: Frames<undefined>;
  readonly #structures: Structures | undefined;
  readonly #source: Source;
  readonly #mostBytes: number;

  constructor(set: ArenaSet, source: Source, mostBytes: number) {
    const refuse = (): never => {
      throw new SlabringError('INTERNAL', 'no command of the host');
    };
    // Dozens of large values may be asked for at once.
    const limits = { maxReplyBytes: Infinity };
    this.#frames = createExecutor<undefined>(set, refuse, limits);
    this.#structures = openStructures(set.arenas[0]!);
    this.#source = source;
    this.#mostBytes = mostBytes;
  }

  /** Calls for one frame; none now and then. */
  next(): Framed[] {
    const framed: Framed[] = [];
    let bytes = 0;
    for (let wanted = this.#source.random.between(1, MOST_COMMANDS); wanted > 0; wanted--) {
      const call = nextCall(this.#source);
      const wire = call.wire?.();
      if (wire === undefined) continue;
      bytes += wire.length;
      if (bytes > this.#mostBytes) break;
      framed.push({ call, wire });
    }
    return framed;
  }

  /** Sends them as one frame, whose clock stands still; the replies, or what they are refused with. */
  send(framed: readonly Framed[]): unknown[] {
    const result = this.#frames.execute(frame(7, ...framed.map(({ wire }) => wire)), undefined);
    if (isFault(result)) throw new Error(result.reason);
    const [, ...replies] = valuesOf(result);
    if (replies.length !== framed.length) throw new Error(`${replies.length} replies`);
    return replies.map((bytes, i) => {
      const read = framed[i]!.call.isVersioned ? readVersioned : readReply;
      return outcomeOf(() => read(bytes, 0, bytes.length, this.#structures));
    });
  }
}
