/**
 * A simulated world: machines with processes, clocks that differ, and a network between them, all
 * in virtual time and from one seed. The same seed and the same calls make the same world, to the
 * last byte. It knows nothing of what runs in it but `Clock`, `Random` and `Transport`.
 */
import type { Address, Random } from '../../server/cluster/ports.js';
import { type ClockFault, Machine } from './machine.js';
import { type LinkProfile, Network } from './network.js';
import { streamOf } from './random.js';
import { Schedule } from './schedule.js';

export interface WorldOptions {
  readonly seed: number;
  /** Of all links. Default: one site, no loss. */
  readonly link?: Partial<LinkProfile>;
  /** Unix time of its beginning. Default: 1 January 2030. */
  readonly epochMs?: number;
}

const EPOCH_MS = Date.UTC(2030, 0, 1);

export class World {
  readonly seed: number;
  /** For what happens in it: when, to whom. */
  readonly random: Random;
  readonly network: Network;
  readonly #schedule = new Schedule();
  readonly #epochMs: number;
  readonly #machines = new Map<Address, Machine>();
  #streams = 0;
  #digest = 0;

  constructor({ seed, link = {}, epochMs = EPOCH_MS }: WorldOptions) {
    this.seed = seed;
    this.#epochMs = epochMs;
    this.random = this.#stream();
    this.network = new Network(this.#schedule, this.#stream(), (from, to, bytes) => {
      this.#digest = (Math.imul(this.#digest, 31) + bytes.length + this.#schedule.nowMs * 64) | 0;
      return this.#machines.get(to)?.receive(from, bytes) ?? false;
    });
    this.network.setProfile(link);
  }

  /** Virtual time since its beginning. */
  get nowMs(): number {
    return this.#schedule.nowMs;
  }

  /** Of all messages that came: two runs with the same one were the same. */
  get digest(): number {
    return this.#digest;
  }

  /** A new machine, with no process on it yet. */
  machine(address: Address, fault: ClockFault = {}): Machine {
    const machine = new Machine(
      address,
      {
        schedule: this.#schedule,
        epochMs: this.#epochMs,
        send: (to, bytes) => this.network.send(address, to, bytes),
        reset: (to) => {
          // A connection is for both ways.
          this.network.reset(address, to);
          this.network.reset(to, address);
        },
        backlogBytes: (to) => this.network.backlogBytes(address, to),
        random: () => this.#stream(),
      },
      fault,
    );
    this.#machines.set(address, machine);
    return machine;
  }

  /** Something that happens so many ms from now. */
  after(delayMs: number, run: () => void): void {
    this.#schedule.at(this.nowMs + delayMs, run);
  }

  /** Lets so much time pass. */
  run(durationMs: number): void {
    const untilMs = this.nowMs + durationMs;
    while (this.#schedule.step(untilMs));
  }

  /**
   * Lets time pass until something is so, looked at every `stepMs`.
   * @returns how long it took; undefined: it was not so within `limitMs`
   */
  runUntil(isSo: () => boolean, limitMs: number, stepMs = 10): number | undefined {
    const startMs = this.nowMs;
    while (!isSo()) {
      if (this.nowMs - startMs >= limitMs) return undefined;
      this.run(stepMs);
    }
    return this.nowMs - startMs;
  }

  /** As `run`, for processes that await: after each event all promises are settled. */
  async runAwaiting(durationMs: number): Promise<void> {
    const untilMs = this.nowMs + durationMs;
    // Timers and sockets of the real world have their turn as well, once.
    await new Promise(setImmediate);
    // Ticks come when no promise has anything to run, and cost less than turns of the event loop.
    do await new Promise(process.nextTick);
    while (this.#schedule.step(untilMs));
  }

  #stream(): Random {
    return streamOf(this.seed, this.#streams++);
  }
}
