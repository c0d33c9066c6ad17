/**
 * Executes request frames on several arenas: the router splits a frame, each arena's kernel
 * executes its part, the router merges the replies. A frame that belongs to one arena alone is
 * that arena's, and nothing is merged.
 */
import type { Arena } from './arena.js';
import type { ArenaSet } from './arena-set.js';
import { copyOf, copyTo } from './copy.js';
import { Elsewhere } from './elsewhere.js';
import { SlabringError } from './errors.js';
import {
  answerHostCommand,
  FrameExecutor,
  type FrameLimits,
  type Frames,
  GO_ON_START,
  type HostCommands,
  ReplyViews,
} from './frame.js';
import { BAD_FRAME_ID, type FrameFault, isFault, malformedAt } from './frame-fault.js';
import { BLOCK_CONSUMED, BLOCK_REFUSAL, BLOCK_REPLY_BYTES } from './kernel-exports.js';
import type { LargeCommands } from './large-command.js';
import { executeLongFrame, type LongFrameRunner, type RunEnd } from './long-frame.js';
import { ReplyParts, type ValueRoom } from './reply-parts.js';
import type { Routes } from './route.js';
import {
  HEAD_ENTRIES,
  HEAD_HOST_ARG_COUNT,
  HEAD_HOST_ARGS,
  HEAD_HOST_CODE,
  HEAD_HOST_END,
  HEAD_LANE,
  HEAD_MERGED,
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

class RoutedExecutor<C> implements Frames<C>, LongFrameRunner<C> {
  readonly areaBytes: number;
  readonly frameBytesMax: number;
  readonly maxReplyBytes: number;
  readonly #arenas: readonly Arena[];
  readonly #routes: Routes;
  readonly #router: Router;
  readonly #host: HostCommands<C>;
  readonly #now: () => number;
  readonly #executors: readonly FrameExecutor<C>[];
  readonly #views: ReplyViews;
  readonly #isHosts: boolean;
  readonly #sole: number;
  readonly #largeValue: number;
  /** Whether an arena has counted the frame at hand. */
  #isCounted = false;
  /** Of the long frame at hand: as of `executeWhereServed`; 0: all its commands are run here. */
  #access = 0;
  /** By arena: whether it has come to a command whose reply is too large for an area. */
  readonly #hasStopped: boolean[];

  constructor(set: ArenaSet, host: HostCommands<C>, limits: FrameLimits) {
    const { arenas, facts, handle } = set;
    this.#arenas = arenas;
    this.#routes = set.routes!;
    this.#router = new Router(arenas.length, facts.areaBytes, handle.routeSeed);
    this.#host = host;
    this.#now = limits.now ?? Date.now;
    this.#isHosts = limits.isHosts ?? false;
    this.#executors = arenas.map((arena) => new FrameExecutor(arena, host, limits));
    this.#views = new ReplyViews(this.#router.out);
    this.#hasStopped = arenas.map(() => false);
    this.#sole = this.#router.kernel.SPLIT_SOLE.value;
    this.#largeValue = this.#router.kernel.EXEC_LARGE_VALUE.value;
    const { areaBytes, frameBytesMax, maxReplyBytes } = this.#executors[0]!;
    this.areaBytes = areaBytes;
    this.frameBytesMax = frameBytesMax;
    this.maxReplyBytes = maxReplyBytes;
  }

  execute(frame: Uint8Array, context: C): Uint8Array | FrameFault {
    const { kernel, head, frame: area } = this.#router;
    if (frame.length > area.length) {
      // Without an access nothing is elsewhere.
      return executeLongFrame(frame, this, context) as Uint8Array | FrameFault;
    }
    copyTo(area, frame);
    const outcome = kernel.splitFrame(0, frame.length);
    if (outcome === this.#sole) return this.#executors[head[HEAD_LANE]!]!.execute(frame, context);
    const parts = new Parts(this.#router);
    this.#isCounted = false;
    const fault = this.#executeSplit(outcome, frame, 0, parts, context);
    if (fault) return fault;
    return parts.isEmpty ? this.#views.of(head[HEAD_OUT_BYTES]!) : parts.concat();
  }

  executeWhereServed(
    frame: Uint8Array,
    context: C,
    access: number,
  ): Uint8Array | FrameFault | Elsewhere {
    if (frame.length > this.areaBytes) {
      this.#access = access;
      try {
        return executeLongFrame(frame, this, context);
      } finally {
        this.#access = 0;
      }
    }
    const end = this.#findElsewhere(frame, 0, access);
    if (end === frame.length) return this.execute(frame, context);
    const result = this.execute(frame.subarray(0, end), context);
    if (isFault(result)) return result;
    return new Elsewhere(copyOf(result), copyOf(frame.subarray(end)));
  }

  /** Where the first command begins that is not run here; the end of `bytes` if all are. */
  #findElsewhere(bytes: Uint8Array, start: number, access: number): number {
    const { kernel, slot, request } = this.#arenas[0]!;
    copyTo(request, bytes, start);
    return kernel.findElsewhere(slot, start, start + bytes.length, access) - start;
  }

  isElsewhere(key: Uint8Array): boolean {
    const { kernel, slot, request } = this.#arenas[0]!;
    if (this.#access === 0) return false;
    copyTo(request, key);
    return kernel.isKeyServed(slot, key.length) === 0;
  }

  newReply(): ReplyParts {
    return new Parts(this.#router);
  }

  begin(bytes: Uint8Array, reply: ReplyParts, context: C): RunEnd {
    const end = this.#access === 0 ? bytes.length : this.#findElsewhere(bytes, 0, this.#access);
    const stopped = this.#begin(bytes.subarray(0, end), reply, context);
    return stopped ?? (end < bytes.length ? end : undefined);
  }

  goOn(bytes: Uint8Array, reply: ReplyParts, context: C): RunEnd {
    const isRefused = this.#access === 0 || reply.totalBytes > this.maxReplyBytes;
    const end = isRefused ? bytes.length : this.#findElsewhere(bytes, GO_ON_START, this.#access);
    if (end === 0) return 0;
    const stopped = this.#goOn(bytes.subarray(0, end), reply, context);
    return stopped ?? (end < bytes.length ? end : undefined);
  }

  #begin(bytes: Uint8Array, reply: ReplyParts, context: C): RunEnd {
    const { kernel, head, frame: area } = this.#router;
    copyTo(area, bytes);
    const outcome = kernel.splitFrame(0, bytes.length);
    this.#isCounted = outcome === this.#sole;
    if (!this.#isCounted) return this.#executeSplit(outcome, bytes, 0, reply as Parts, context);
    // The id that the router began the replies with is the arena's to give.
    head[HEAD_OUT_BYTES] = 0;
    return this.#executors[head[HEAD_LANE]!]!.begin(bytes, reply, context);
  }

  #goOn(bytes: Uint8Array, reply: ReplyParts, context: C): FrameFault | undefined {
    const { kernel, frame: area } = this.#router;
    copyTo(area, bytes, GO_ON_START);
    const parts = reply as Parts;
    if (reply.totalBytes > this.maxReplyBytes) {
      return this.#refuse(bytes, GO_ON_START, GO_ON_START, parts);
    }
    const outcome = kernel.splitFrame(GO_ON_START, GO_ON_START + bytes.length);
    return this.#executeSplit(outcome, bytes, GO_ON_START, parts, context);
  }

  largeCommandsOf(key: Uint8Array): LargeCommands {
    return this.#executors[this.#routes.arenaOf(key)]!.largeCommandsOf();
  }

  /**
   * Executes what the router began to split: `bytes`, which stand in its frame area from `offset`
   * on.
   */
  #executeSplit(
    first: number,
    bytes: Uint8Array,
    offset: number,
    parts: Parts,
    context: C,
  ): FrameFault | undefined {
    const { kernel, head } = this.#router;
    if (first === kernel.SPLIT_BAD_FRAME_ID.value) return BAD_FRAME_ID;
    const length = offset + bytes.length;
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
      if (isHosts && parts.totalBytes <= this.maxReplyBytes) {
        parts.add(this.#runHostCommand(context));
        next = head[HEAD_HOST_END]!;
      }
      if (next === length) break;
      if (parts.totalBytes > this.maxReplyBytes) {
        const fault = this.#refuse(bytes, offset, next, parts);
        if (fault) return fault;
        break;
      }
      outcome = kernel.splitFrame(next, length);
    }
    if (!this.#isCounted) this.#countFrame();
    return undefined;
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
      copyTo(this.#arenas[index]!.request, bytes.subarray(start, lane[LANE_CURSOR]! >>> 0));
      // The first one begins the frame, and its replies with an id; the others go on with one.
      const isFirst = !this.#isCounted;
      this.#isCounted = true;
      this.#hasStopped[index] = this.#runLane(index, isFirst ? 0 : GO_ON_START, nowMs);
      if (isFirst) lane[LANE_AT]! += GO_ON_START;
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
      if (parts.totalBytes > this.maxReplyBytes) {
        block[BLOCK_REFUSAL] = kernel.ERROR_REPLY_TOO_LARGE.value;
        isRefusing = true;
      }
      const hasStopped =
        (this.#hasStopped[index]! && !isRefusing) ||
        this.#runLane(index, block[BLOCK_CONSUMED]!, nowMs);
      this.#hasStopped[index] = false;
      if (hasStopped) this.#runLarge(index, parts);
    }
    if (isRefusing) for (const { block } of this.#arenas) block[BLOCK_REFUSAL] = 0;
  }

  /**
   * Executes an arena's sub-frame from `start` on, and brings the replies into the router. True
   * when there are none, because the reply to the command at hand is too large for an area.
   */
  #runLane(index: number, start: number, nowMs: number): boolean {
    const { kernel, slot, reply, block } = this.#arenas[index]!;
    const lane = this.#router.lanes[index]!;
    const length = lane[LANE_CURSOR]! - lane[LANE_START]!;
    const outcome = this.#isHosts
      ? kernel.execHost(slot, start, length, nowMs)
      : kernel.exec(slot, start, length, nowMs);
    const replyBytes = block[BLOCK_REPLY_BYTES]!;
    const hasStopped = outcome === this.#largeValue;
    // Each call answers one command at least, or is told that it is the host's.
    if (replyBytes === 0 && !hasStopped) {
      throw new SlabringError('INTERNAL', 'an arena did not go on');
    }
    const at = this.#router.replyAddress(index);
    copyTo(this.#router.bytes, reply.subarray(0, replyBytes), at);
    lane[LANE_AT] = at;
    lane[LANE_END] = at + replyBytes;
    return hasStopped;
  }

  /** The next reply is an arena's, and a large value: takes what was merged, and puts it behind. */
  #runLarge(index: number, parts: Parts): void {
    const { head, lanes, bytes } = this.#router;
    const { block } = this.#arenas[index]!;
    const lane = lanes[index]!;
    const subFrame = bytes.subarray(lane[LANE_START]! >>> 0, lane[LANE_CURSOR]! >>> 0);
    block[BLOCK_CONSUMED] = this.#executors[index]!.runLarge(subFrame, 0, parts);
    head[HEAD_MERGED]!++;
  }

  #runHostCommand(context: C): Uint8Array {
    const { head, frame } = this.#router;
    return answerHostCommand(
      this.#host,
      head[HEAD_HOST_CODE]!,
      head[HEAD_HOST_ARG_COUNT]!,
      copyOf(frame.subarray(head[HEAD_HOST_ARGS], head[HEAD_HOST_END])),
      context,
    );
  }

  /**
   * Has every command from `start` on answered with TOOLARGE, by the first arena; `bytes` stand at
   * `offset`.
   */
  #refuse(bytes: Uint8Array, offset: number, start: number, parts: Parts): FrameFault | undefined {
    const { kernel, slot, request, reply, block } = this.#arenas[0]!;
    const length = offset + bytes.length;
    copyTo(request, bytes, offset);
    block[BLOCK_CONSUMED] = start;
    block[BLOCK_REFUSAL] = kernel.ERROR_REPLY_TOO_LARGE.value;
    let outcome: number;
    do {
      outcome = kernel.exec(slot, block[BLOCK_CONSUMED]!, length, this.#now());
      parts.add(copyOf(reply.subarray(0, block[BLOCK_REPLY_BYTES])));
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

/** A reply the last part of which lies in the router, merged. */
class Parts extends ReplyParts {
  readonly #router: Router;

  constructor(router: Router) {
    super();
    this.#router = router;
  }

  /** Of all parts and what was merged behind them. */
  override get totalBytes(): number {
    return super.totalBytes + this.#router.head[HEAD_OUT_BYTES]!;
  }

  override add(part: Uint8Array): void {
    this.takeOut();
    super.add(part);
  }

  override roomFor(valueBytes: number): ValueRoom {
    this.takeOut();
    return super.roomFor(valueBytes);
  }

  /** Makes a part of what was merged, and room for more. */
  takeOut(): void {
    const { head, out } = this.#router;
    const merged = copyOf(out.subarray(0, head[HEAD_OUT_BYTES]));
    head[HEAD_OUT_BYTES] = 0;
    super.add(merged);
  }

  override concat(): Uint8Array {
    this.takeOut();
    return super.concat();
  }
}
