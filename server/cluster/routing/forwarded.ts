import { BROKEN, endOfMany } from '../../../engine/command-walk.js';
import { copyOf } from '../../../engine/copy.js';
import { type FrameFault, isFault } from '../../../engine/frame.js';
import type { FrameRunner } from '../cluster-world.js';
import type { ClusterDesk } from '../desk.js';
import { Service } from '../store.js';
import { Bytes } from './bytes.js';
import { executeSegments } from './execution.js';
import { FrameSurvey } from './frame-survey.js';
import { ALL_HERE } from './placement.js';
import { Segments } from './segment.js';

/** What executes frames, with whatever context it needs. */
export interface ForwardedExecutor {
  execute(frame: Uint8Array, context: undefined): Uint8Array | FrameFault;
}

export class ForwardedFrames implements FrameRunner {
  readonly #executor: ForwardedExecutor;
  readonly #serviceOf: (slot: number) => number;
  readonly #desk: Pick<ClusterDesk, 'forward' | 'wait'>;

  /**
   * @param serviceOf a sum of {@link Service}
   * @param desk that of this node: it answers the WAITs
   */
  constructor(
    executor: ForwardedExecutor,
    serviceOf: (slot: number) => number,
    desk: Pick<ClusterDesk, 'forward' | 'wait'>,
  ) {
    this.#executor = executor;
    this.#serviceOf = serviceOf;
    this.#desk = desk;
  }

  async execute(frame: Uint8Array): Promise<Uint8Array | undefined> {
    return await this.#execute(new FrameSurvey(frame), Service.ACCEPTS);
  }

  async executeInstead(frame: Uint8Array): Promise<Uint8Array | undefined> {
    const survey = new FrameSurvey(frame);
    if (survey.isRead) return await this.#execute(survey, Service.SERVES | Service.REPLICA);
    if (survey.isRepeatable) return await this.#execute(survey, Service.SERVES);
    return undefined;
  }

  slotOf(frame: Uint8Array): number | undefined {
    return new FrameSurvey(frame).slots[0];
  }

  /** @param services one of them is needed of each slot */
  async #execute(survey: FrameSurvey, services: number): Promise<Uint8Array | undefined> {
    const { bytes, start } = survey;
    if (start === BROKEN || endOfMany(bytes, 0, 1) === BROKEN) return undefined;
    if (survey.slots.some((slot) => (this.#serviceOf(slot) & services) === 0)) return undefined;
    const run = (part: Uint8Array) => this.#executor.execute(part, undefined);
    if (!survey.hasWaits) {
      const result = run(bytes);
      return isFault(result) ? undefined : copyOf(result);
    }
    const out = new Bytes();
    out.add(bytes, 0, start);
    const rules = { placement: ALL_HERE, areaBytes: Infinity, answerMoved: undefined };
    const segments = new Segments(bytes.subarray(start), rules);
    await executeSegments(segments, out, { run, desk: this.#desk });
    return out.whole;
  }
}
