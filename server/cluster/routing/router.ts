/**
 * Completes the frames of clients that name keys of other nodes: has the commands executed where
 * their keys are, and puts the replies together.
 */
import { Buffer } from 'node:buffer';
import type { ArenaSet } from '../../../engine/arena-set.js';
import { BROKEN, endOfMany } from '../../../engine/command-walk.js';
import type { Elsewhere } from '../../../engine/elsewhere.js';
import type { FrameFault, Frames } from '../../../engine/frame.js';
import { malformedAt } from '../../../engine/frame-fault.js';
import { LONG_FRAME_COMMANDS_MAX, tooManyCommands } from '../../../engine/long-frame.js';
import { SlotTable } from '../../../engine/slot-table.js';
import type { ClusterDesk } from '../desk.js';
import { Bytes } from './bytes.js';
import { executeSegments } from './execution.js';
import { ClusterPlacement } from './placement.js';
import { moved } from './refusals.js';
import { Segments } from './segment.js';

/**
 * How often commands are tried again that no node took, while nodes do not agree: four times within
 * some 400 ms, since views differ for as long as gossip takes.
 */
const TRIES = 4;
const AGAIN_MS = 25;

/** What a client said of itself in HELLO. */
export interface RoutingClient {
  /** It finds the nodes of keys by itself, and is told where it is wrong. */
  readonly routes: boolean;
  /** The services that let its reads run: of `Access` in slot-table.ts. */
  readonly access: number;
  /** Its connection is gone: it gets no replies. */
  readonly isClosed: boolean;
}

export class FrameRouter<C extends RoutingClient> {
  readonly #desk: ClusterDesk;
  readonly #executor: Frames<C>;
  readonly #table: SlotTable;
  readonly #areaBytes: number;

  /** @throws SlabringError `OPTION` when the arenas were made without `slots` */
  constructor(desk: ClusterDesk, executor: Frames<C>, set: ArenaSet) {
    this.#desk = desk;
    this.#executor = executor;
    this.#table = new SlotTable(set);
    this.#areaBytes = set.facts.areaBytes;
  }

  /**
   * Executes what was not executed of a client's frame. What this node runs in front of the first
   * WAIT has run, and what others run has been sent to them, when the call returns.
   * @param frameBytes the length of the whole frame
   * @returns a fault, and then nothing was done; or the reply frame. It never rejects
   */
  complete(elsewhere: Elsewhere, frameBytes: number, client: C): FrameFault | Promise<Buffer> {
    const { rest, reply } = elsewhere;
    const bytes = Buffer.from(rest.buffer, rest.byteOffset, rest.byteLength);
    const fault = this.#faultOf(bytes, frameBytes);
    if (fault) return fault;
    const out = new Bytes();
    out.add(Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength));
    return this.#execute(bytes, out, client, TRIES);
  }

  /** @param tries how often what fails may be tried again */
  async #execute(bytes: Buffer, out: Bytes, client: C, tries: number): Promise<Buffer> {
    const segments = new Segments(bytes, {
      placement: new ClusterPlacement(this.#desk, this.#table, client.access),
      areaBytes: this.#areaBytes,
      answerMoved: client.routes ? (slot, node) => moved(slot, node, this.#desk.view) : undefined,
    });
    await executeSegments(segments, out, {
      run: (frame) => this.#executor.execute(frame, client),
      desk: this.#desk,
      isWanted: () => !client.isClosed,
      ...(tries > 0 && {
        again: async (commands) => {
          const more = new Bytes();
          more.addInteger(1);
          return this.#execute(commands, more, client, tries - 1);
        },
        delayMs: AGAIN_MS * 2 ** (TRIES - tries),
      }),
    });
    return out.whole;
  }

  #faultOf(bytes: Buffer, frameBytes: number): FrameFault | undefined {
    let commands = 0;
    for (let at = 0; at < bytes.length; commands++) {
      const end = endOfMany(bytes, at, 1);
      if (end === BROKEN) return malformedAt(frameBytes - bytes.length + at);
      at = end;
    }
    const isLong = frameBytes > this.#areaBytes;
    return isLong && commands > LONG_FRAME_COMMANDS_MAX
      ? tooManyCommands(this.#areaBytes)
      : undefined;
  }
}
