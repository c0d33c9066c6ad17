/**
 * Runs a script and times each operation by itself. Slices of it take turns with slices of a loop
 * that does the same without a cache: what that loop sees is the machine's doing, or V8's.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { makeKey } from '../fixture.js';
import { CoreWait, LONG_MS, Probe } from './probe.js';
import { holds, makeValue, type OpenScript, type Operation, type Script } from './script.js';

/** Then the event loop has its turn, and with it the upkeep of the cache. */
const SLICE_MS = 1;

/** What is told apart. */
export const PROBES = ['get', 'set', 'idle loop', 'event loop', 'collections'] as const;
export type ProbeName = (typeof PROBES)[number];

export interface PhaseOutcome {
  readonly probes: Readonly<Record<ProbeName, Probe>>;
  /** What happened to the cache meanwhile. */
  readonly evidence: string;
  /** Values that were read, each compared with what its key should hold. */
  readonly compared: number;
  /** Over them. */
  readonly checksum: number;
}

/**
 * @throws Error when a value is wrong, when what was to be measured did not happen, or the cache is
 *   broken afterwards
 */
export async function runScript(open: OpenScript, entries: number): Promise<PhaseOutcome> {
  const script = open(entries);
  const run = new Run(script);
  try {
    return await run.toEnd();
  } finally {
    run.close();
    script.cache.close();
  }
}

class Run {
  readonly #script: Script;
  readonly #wait = new CoreWait();
  readonly #probes = Object.fromEntries(PROBES.map((name) => [name, new Probe()])) as Record<
    ProbeName,
    Probe
  >;
  readonly #collections: PerformanceObserver;
  readonly #operation: Operation = {
    ...{ isGet: true, index: 0, key: '', valueBytes: 0, mayMiss: false },
    ...{ value: undefined, options: undefined },
  };
  #compared = 0;
  #checksum = 0;
  #idle = 0;

  constructor(script: Script) {
    this.#script = script;
    this.#collections = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) this.#probes.collections.record(duration, 0);
    });
    this.#collections.observe({ entryTypes: ['gc'] });
  }

  async toEnd(): Promise<PhaseOutcome> {
    const { cache } = this.#script;
    while (!this.#script.isDone()) {
      this.#slice();
      this.#idleSlice();
      this.#wait.sinceLastMs();
      const before = performance.now();
      await turn();
      this.#record(this.#probes['event loop'], performance.now() - before);
    }
    const evidence = this.#script.evidence();
    const broken = cache.checkIntegrity();
    if (broken !== undefined) throw new Error(broken);
    return {
      ...{ probes: this.#probes, evidence },
      ...{ compared: this.#compared, checksum: this.#checksum },
    };
  }

  close(): void {
    this.#collections.disconnect();
    this.#wait.close();
  }

  #slice(): void {
    const script = this.#script;
    const { cache } = script;
    const operation = this.#operation;
    const { get, set } = this.#probes;
    this.#wait.sinceLastMs();
    const endMs = performance.now() + SLICE_MS;
    let after = 0;
    while (after < endMs) {
      script.next(operation);
      if (operation.isGet) {
        const before = performance.now();
        const value = cache.getBytes(operation.key);
        after = performance.now();
        this.#record(get, after - before);
        this.#check(value);
      } else {
        const value = operation.value!;
        const before = performance.now();
        const isStored = cache.setBytes(operation.key, value, operation.options);
        after = performance.now();
        this.#record(set, after - before);
        if (!isStored) throw new Error(`key ${operation.index} was not stored`);
      }
    }
  }

  /** The same with the making of keys and values, and nothing behind them. */
  #idleSlice(): void {
    const probe = this.#probes['idle loop'];
    this.#wait.sinceLastMs();
    const endMs = performance.now() + SLICE_MS;
    let after = 0;
    let bytes = 0;
    while (after < endMs) {
      const key = makeKey(this.#idle++);
      const value = makeValue(this.#idle, 32);
      const before = performance.now();
      bytes += key.length + value.length;
      after = performance.now();
      this.#record(probe, after - before);
    }
    if (bytes === 0) throw new Error('the idle loop did nothing');
  }

  #record(probe: Probe, ms: number): void {
    probe.record(ms, ms < LONG_MS ? 0 : Math.min(ms, this.#wait.sinceLastMs()));
  }

  #check(value: Uint8Array | undefined): void {
    const { index, valueBytes, mayMiss } = this.#operation;
    if (value === undefined) {
      if (!mayMiss) throw new Error(`key ${index} is missing`);
      return;
    }
    if (!holds(value, index, valueBytes)) throw new Error(`key ${index} has a wrong value`);
    this.#compared++;
    this.#checksum = (Math.imul(this.#checksum, 31) + value[0]! + value[31]!) >>> 0;
  }
}
