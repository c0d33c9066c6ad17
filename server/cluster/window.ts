/**
 * The batches that were sent to one peer and are not known to be applied there, and when they are
 * sent again: the first of them after a while without an answer, and then, as answers come, one
 * after the other all that were under way at that time, as a way that was cut has lost them all.
 */
import type { SealedBatch } from './batch-records.js';
import type { Clock } from './ports.js';

/** Batches that are sent again at once; the others follow when these are answered. */
const RESEND_BATCHES = 16;
const RESEND_MS_MAX = 5_000;

interface Sent extends SealedBatch {
  readonly number: number;
  /** It may be under way still when it was answered. */
  isResent: boolean;
}

export interface WindowWorld {
  readonly clock: Clock;
  /** How long an answer may take before batches are sent again; doubled until one comes. */
  readonly resendMs: number;
  send(batch: SealedBatch): void;
  /** The memory of a batch is free again. */
  giveBack(bytes: Uint8Array): void;
  /** For tests of tests. */
  readonly neverResends: boolean;
}

export class Window {
  readonly #world: WindowWorld;
  /** Oldest first. */
  #sent: Sent[] = [];
  #bytes = 0;
  #resendAfterMs: number;
  #cancel: (() => void) | undefined;
  /** Unix time. */
  #resentAtMs = 0;
  /** What was sent up to this one may be lost: it is being sent again. */
  #lostTo = 0;
  /** Of these, what has been sent again. */
  #resentTo = 0;

  constructor(world: WindowWorld) {
    this.#world = world;
    this.#resendAfterMs = world.resendMs;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Sends a batch; numbers grow by one. */
  send(batch: SealedBatch, number: number): void {
    this.#sent.push({ ...batch, number, isResent: false });
    this.#bytes += batch.bytes.length;
    this.#world.send(batch);
    this.#wait();
  }

  /** The peer has applied all batches up to this one, which is later than it was. */
  advance(applied: number): void {
    const kept = this.#sent.findIndex(({ number }) => number > applied);
    const gone = this.#sent.splice(0, kept < 0 ? this.#sent.length : kept);
    for (const { bytes, isResent } of gone) {
      this.#bytes -= bytes.length;
      if (!isResent) this.#world.giveBack(bytes);
    }
    this.#resendAfterMs = this.#world.resendMs;
    this.#stopWaiting();
    if (applied < this.#lostTo) this.#resend();
    this.#wait();
  }

  /** Something came from the peer: it need not be waited for as long as one that is silent. */
  heard(): void {
    const { clock, resendMs } = this.#world;
    const isPatient = this.#resendAfterMs > resendMs && this.#cancel !== undefined;
    if (!isPatient || Math.abs(clock.now() - this.#resentAtMs) < resendMs) return;
    this.#resendAfterMs = resendMs;
    this.#stopWaiting();
    this.#onSilence();
  }

  clear(): void {
    this.#stopWaiting();
    this.#sent = [];
    this.#bytes = 0;
    this.#lostTo = 0;
    this.#resendAfterMs = this.#world.resendMs;
  }

  #wait(): void {
    if (this.#cancel || this.#sent.length === 0 || this.#world.neverResends) return;
    this.#cancel = this.#world.clock.after(this.#resendAfterMs, () => {
      this.#cancel = undefined;
      this.#onSilence();
    });
  }

  #stopWaiting(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #onSilence(): void {
    this.#resendAfterMs = Math.min(2 * this.#resendAfterMs, RESEND_MS_MAX);
    this.#resentAtMs = this.#world.clock.now();
    this.#lostTo = this.#sent.at(-1)!.number;
    this.#resentTo = 0;
    this.#resend();
    this.#wait();
  }

  #resend(): void {
    for (const sent of this.#sent.slice(0, RESEND_BATCHES)) {
      if (sent.number <= this.#resentTo) continue;
      if (sent.number > this.#lostTo) return;
      this.#resentTo = sent.number;
      sent.isResent = true;
      this.#world.send(sent);
    }
  }
}
