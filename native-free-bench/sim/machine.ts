/**
 * A machine of the simulated world, with one process on it that gets its clock, its chance and its
 * network from here. The process may be paused, as by SIGSTOP: nothing of it runs, and when it goes
 * on all timers that were due run first, and then it reads the messages that came meanwhile. It may
 * crash: nothing of it ever runs again, and a new one may start.
 */
import type { Address, Clock, Random, Transport } from '../../server/cluster/ports.js';
import type { Schedule } from './schedule.js';

/** How the clock of a machine differs from the world's. */
export interface ClockFault {
  /** It is ahead by so much. */
  readonly skewMs?: number;
  /** It goes faster by so many millionths, timers too. */
  readonly driftPpm?: number;
}

/** What one process gets of its machine. */
export interface Process {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
}

export interface MachineWorld {
  readonly schedule: Schedule;
  /** Unix time of the beginning of the world. */
  readonly epochMs: number;
  readonly send: (to: Address, bytes: Uint8Array) => void;
  readonly reset: (to: Address) => void;
  readonly backlogBytes: (to: Address) => number;
  /** A stream of its own for each process. */
  readonly random: () => Random;
}

/** What waits while the process is paused. */
interface Held {
  readonly timers: (() => void)[];
  readonly messages: (() => void)[];
}

export class Machine {
  readonly address: Address;
  readonly #world: MachineWorld;
  readonly #skewMs: number;
  readonly #rate: number;
  /** Counts processes: what an earlier one left behind does not run. */
  #life = 0;
  #transport: Transport | undefined;
  #held: Held | undefined;
  #pauses = 0;

  constructor(address: Address, world: MachineWorld, fault: ClockFault) {
    this.address = address;
    this.#world = world;
    this.#skewMs = fault.skewMs ?? 0;
    this.#rate = 1 + (fault.driftPpm ?? 0) / 1_000_000;
  }

  /** A process runs here. */
  get isUp(): boolean {
    return this.#transport !== undefined;
  }

  get isPaused(): boolean {
    return this.#held !== undefined;
  }

  /** Unix time, as this machine has it. */
  nowMs(): number {
    return Math.floor(this.#world.epochMs + this.#skewMs + this.#world.schedule.nowMs * this.#rate);
  }

  /** Starts a process; one that runs crashes. */
  start(): Process {
    this.crash();
    const life = ++this.#life;
    const isRunning = (): boolean => this.#life === life && this.isUp;
    const clock: Clock = {
      now: () => this.nowMs(),
      after: (delayMs, run) => this.#after(delayMs, run, isRunning),
    };
    const transport: Transport = {
      send: (to, bytes) => {
        if (isRunning()) this.#world.send(to, bytes);
      },
      reset: (to) => {
        if (isRunning()) this.#world.reset(to);
      },
      backlogBytes: (to) => this.#world.backlogBytes(to),
      onMessage: () => {},
    };
    this.#transport = transport;
    return { clock, random: this.#world.random(), transport };
  }

  crash(): void {
    this.#life++;
    this.#transport = undefined;
    this.#held = undefined;
  }

  /** Nothing of the process runs, until `resume`. */
  pause(): void {
    if (this.isUp) this.#held ??= { timers: [], messages: [] };
    this.#pauses++;
  }

  /** A pause that ends by itself. */
  pauseFor(durationMs: number): void {
    this.pause();
    const pause = this.#pauses;
    const { schedule } = this.#world;
    schedule.at(schedule.nowMs + durationMs, () => {
      if (pause === this.#pauses) this.resume();
    });
  }

  resume(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    const life = this.#life;
    for (const run of [...held.timers, ...held.messages]) if (life === this.#life) run();
  }

  /** A message has come. Whether there is a process that will read it. */
  receive(from: Address, bytes: Uint8Array): boolean {
    const transport = this.#transport;
    if (transport === undefined) return false;
    if (this.#held === undefined) transport.onMessage(from, bytes);
    else this.#held.messages.push(() => transport.onMessage(from, bytes));
    return true;
  }

  #after(delayMs: number, run: () => void, isRunning: () => boolean): () => void {
    const { schedule } = this.#world;
    let isDue = true;
    const fire = (): void => {
      if (!isDue || !isRunning()) return;
      if (this.#held === undefined) {
        isDue = false;
        run();
      } else {
        this.#held.timers.push(fire);
      }
    };
    const event = schedule.at(schedule.nowMs + Math.max(0, delayMs) / this.#rate, fire);
    return () => {
      isDue = false;
      event.run = undefined;
    };
  }
}
