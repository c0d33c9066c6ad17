/**
 * Executes request frames on several arenas: the router splits a frame, each arena's kernel
 * executes its part, the router merges the replies. A frame that belongs to one arena alone is
 * that arena's, and nothing is merged.
 */
import type { Arena } from './arena.js';
import type { ArenaSet } from './arena-set.js';
import { SlabringError } from './errors.js';
import {
  answerHostCommand,
  BAD_FRAME_ID,
  DEFAULT_MAX_REPLY_BYTES,
  FrameExecutor,
  type FrameFault,
  type FrameLimits,
  type Frames,
  type HostCommands,
  malformedAt,
  ReplyViews,
} from './frame.js';
import { BLOCK_CONSUMED, BLOCK_REFUSAL, BLOCK_REPLY_BYTES } from './kernel-exports.js';
import {
  HEAD_ENTRIES,
  HEAD_HOST_ARG_COUNT,
  HEAD_HOST_ARGS,
  HEAD_HOST_CODE,
  HEAD_HOST_END,
  HEAD_LANE,
  HEAD_NEXT,
  HEAD_OUT_BYTES,
  HEAD_USED_COUNT,
  LANE_AT,
  LANE_CURSOR,
  LANE_END,
  LANE_START,
  Router,
} from './router.js';

/** What executes frames on a set of arenas. */
export function createExecutor<C>(
  set: ArenaSet,
  host: HostCommands<C>,
  limits: FrameLimits = {},
): Frames<C> {
  return set.routes === undefined
    ? new FrameExecutor(set.arenas[0]!, host, limits)
    : new RoutedExecutor(set, host, limits);
}

/** Where a sub-frame's commands begin, behind its id. */
const SUB_FRAME_START = 1;

class RoutedExecutor<C> implements Frames<C> {
  readonly #arenas: readonly Arena[];
  readonly #router: Router;
  readonly #host: HostCommands<C>;
  readonly #maxReplyBytes: number;
  readonly #now: () => number;
  readonly #executors: readonly FrameExecutor<C>[];
  readonly #views: ReplyViews;
  readonly #isHosts: boolean;
  readonly #sole: number;
  /** Whether an arena has counted the frame at hand. */
  #isCounted = false;

  constructor(set: ArenaSet, host: HostCommands<C>, limits: FrameLimits) {
    const { arenas, facts, handle } = set;
    this.#arenas = arenas;
    this.#router = new Router(arenas.length, facts.areaBytes, handle.routeSeed);
    this.#host = host;
    this.#maxReplyBytes = limits.maxReplyBytes ?? DEFAULT_MAX_REPLY_BYTES;
    this.#now = limits.now ?? Date.now;
    this.#isHosts = limits.isHosts ?? false;
    this.#executors = arenas.map((arena) => new FrameExecutor(arena, host, limits));
    this.#views = new ReplyViews(this.#router.out);
    this.#sole = this.#router.kernel.SPLIT_SOLE.value;
  }

  execute(frame: Uint8Array, context: C): Uint8Array | FrameFault {
    const { kernel, head, frame: area } = this.#router;
    // Refused for its length, which is the same in all arenas.
    if (frame.length > area.length) return this.#executors[0]!.execute(frame, context);
    area.set(frame);
    const outcome = kernel.splitFrame(0, frame.length);
    if (outcome === this.#sole) return this.#executors[head[HEAD_LANE]!]!.execute(frame, context);
    return this.#executeSplit(outcome, frame, context);
  }

  #executeSplit(first: number, frame: Uint8Array, context: C): Uint8Array | FrameFault {
    const { kernel, head } = this.#router;
    if (first === kernel.SPLIT_BAD_FRAME_ID.value) return BAD_FRAME_ID;
    const parts = new Parts(this.#router);
    this.#isCounted = false;
    let outcome = first;
    for (;;) {
      if (head[HEAD_ENTRIES]! > 0) this.#runEntries(parts);
      if (outcome === kernel.SPLIT_DONE.value) break;
      let next = head[HEAD_NEXT]!;
      if (outcome === kernel.SPLIT_MALFORMED.value) {
        if (!this.#isCounted) this.#countFrame();
        return malformedAt(next);
      }
      const isHosts = outcome === kernel.SPLIT_HOST_COMMAND.value;
      if (isHosts && parts.totalBytes <= this.#maxReplyBytes) {
        parts.takeOut();
        parts.add(this.#runHostCommand(context));
        next = head[HEAD_HOST_END]!;
      }
      if (next === frame.length) break;
      if (parts.totalBytes > this.#maxReplyBytes) {
        const fault = this.#refuse(frame, next, parts);
        if (fault) return fault;
        break;
      }
      outcome = kernel.splitFrame(next, frame.length);
    }
    if (!this.#isCounted) this.#countFrame();
    return parts.isEmpty ? this.#views.of(head[HEAD_OUT_BYTES]!) : parts.concat();
  }

  /** Has the arenas execute what the frame was split into, and merges their replies. */
  #runEntries(parts: Parts): void {
    const { kernel, head, used, lanes, bytes } = this.#router;
    const nowMs = this.#now();
    const count = head[HEAD_USED_COUNT]!;
    for (let i = 0; i < count; i++) {
      const index = used[i]!;
      const lane = lanes[index]!;
      const start = lane[LANE_START]! >>> 0;
      this.#arenas[index]!.request.set(bytes.subarray(start, lane[LANE_CURSOR]! >>> 0));
      // The first one begins the frame, and its replies with an id; the others go on with one.
      const isFirst = !this.#isCounted;
      this.#isCounted = true;
      this.#runLane(index, isFirst ? 0 : SUB_FRAME_START, nowMs);
      if (isFirst) lane[LANE_AT]! += SUB_FRAME_START;
    }
    let isRefusing = false;
    for (;;) {
      const outcome = kernel.mergeReplies();
      if (outcome === kernel.MERGE_DONE.value) break;
      if (outcome === kernel.MERGE_OUT_FULL.value) {
        parts.takeOut();
        continue;
      }
      const index = head[HEAD_LANE]!;
      const { block } = this.#arenas[index]!;
      if (parts.totalBytes > this.#maxReplyBytes) {
        block[BLOCK_REFUSAL] = kernel.ERROR_REPLY_TOO_LARGE.value;
        isRefusing = true;
      }
      this.#runLane(index, block[BLOCK_CONSUMED]!, nowMs);
    }
    if (isRefusing) for (const { block } of this.#arenas) block[BLOCK_REFUSAL] = 0;
  }

  /** Executes an arena's sub-frame from `start` on, and brings the replies into the router. */
  #runLane(index: number, start: number, nowMs: number): void {
    const { kernel, slot, reply, block } = this.#arenas[index]!;
    const lane = this.#router.lanes[index]!;
    const length = lane[LANE_CURSOR]! - lane[LANE_START]!;
    if (this.#isHosts) kernel.execHost(slot, start, length, nowMs);
    else kernel.exec(slot, start, length, nowMs);
    const replyBytes = block[BLOCK_REPLY_BYTES]!;
    // An area holds the largest reply, so each call answers one command at least.
    if (replyBytes === 0) throw new SlabringError('INTERNAL', 'an arena did not go on');
    const at = this.#router.replyAddress(index);
    this.#router.bytes.set(reply.subarray(0, replyBytes), at);
    lane[LANE_AT] = at;
    lane[LANE_END] = at + replyBytes;
  }

  #runHostCommand(context: C): Uint8Array {
    const { head, frame } = this.#router;
    return answerHostCommand(
      this.#host,
      head[HEAD_HOST_CODE]!,
      head[HEAD_HOST_ARG_COUNT]!,
      frame.slice(head[HEAD_HOST_ARGS], head[HEAD_HOST_END]),
      context,
    );
  }

  /** Has every command from `start` on answered with TOOLARGE, by the first arena. */
  #refuse(frame: Uint8Array, start: number, parts: Parts): FrameFault | undefined {
    const { kernel, slot, request, reply, block } = this.#arenas[0]!;
    parts.takeOut();
    request.set(frame);
    block[BLOCK_CONSUMED] = start;
    block[BLOCK_REFUSAL] = kernel.ERROR_REPLY_TOO_LARGE.value;
    let outcome: number;
    do {
      outcome = kernel.exec(slot, block[BLOCK_CONSUMED]!, frame.length, this.#now());
      parts.add(reply.slice(0, block[BLOCK_REPLY_BYTES]));
    } while (outcome === kernel.EXEC_REPLY_FULL.value);
    block[BLOCK_REFUSAL] = 0;
    const isMalformed = outcome === kernel.EXEC_MALFORMED.value;
    return isMalformed ? malformedAt(block[BLOCK_CONSUMED]!) : undefined;
  }

  /** Counts a frame that no arena saw anything of. */
  #countFrame(): void {
    const { kernel, slot, request } = this.#arenas[0]!;
    request[0] = 1;
    kernel.exec(slot, 0, 1, 0);
  }
}

/** A reply that does not come in one piece. */
class Parts {
  readonly #router: Router;
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(router: Router) {
    this.#router = router;
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** Of all parts and what was merged behind them. */
  get totalBytes(): number {
    return this.#bytes + this.#router.head[HEAD_OUT_BYTES]!;
  }

  add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#bytes += part.length;
  }

  /** Makes a part of what was merged, and room for more. */
  takeOut(): void {
    const { head, out } = this.#router;
    this.add(out.slice(0, head[HEAD_OUT_BYTES]));
    head[HEAD_OUT_BYTES] = 0;
  }

  concat(): Uint8Array {
    this.takeOut();
    return Buffer.concat(this.#parts, this.#bytes);
  }
}
