/** Tells clients of another view of the cluster, those that route. */
import { Buffer } from 'node:buffer';
import { Packr } from 'msgpackr';
import type { ClusterView } from '../../../engine/cluster-view.js';
import type { ClusterDesk } from '../desk.js';

/**
 * Views do not come more often than this: when nodes start or fail, one change follows the other,
 * and a view may have some hundred kilobytes.
 */
export const VIEW_PUSH_MS = 250;

/** A push frame begins so. */
const PUSH_ID = 0;

const packr = new Packr({ useRecords: false });

/** Whom a view may be of interest to. */
export interface ViewReader {
  readonly routes: boolean;
  /** Sends a push frame, now or when the client reads again. */
  push(): void;
}

export class ViewPushes {
  readonly #desk: ClusterDesk;
  readonly #readers: Iterable<ViewReader>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The view changed since the last push. */
  #isDue = false;
  #packed: Buffer | undefined;
  #packedView: ClusterView | undefined;

  constructor(desk: ClusterDesk, readers: Iterable<ViewReader>) {
    this.#desk = desk;
    this.#readers = readers;
    desk.onView = () => this.#changed();
  }

  /** The push frame with the present view. */
  get frame(): Buffer {
    const { view } = this.#desk;
    if (this.#packed === undefined || this.#packedView !== view) {
      this.#packedView = view;
      this.#packed = Buffer.concat([Buffer.of(PUSH_ID), packr.pack(['view', view])]);
    }
    return this.#packed;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#desk.onView = () => {};
  }

  #changed(): void {
    this.#isDue = true;
    if (this.#timer === undefined) this.#push();
  }

  #push(): void {
    this.#isDue = false;
    for (const reader of this.#readers) if (reader.routes) reader.push();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isDue) this.#push();
    }, VIEW_PUSH_MS).unref();
  }
}

/** A view as HELLO tells it. */
export function viewFor(view: ClusterView, routes: boolean): ClusterView {
  if (routes) return view;
  const { slots: _, ...facts } = view;
  return facts;
}
