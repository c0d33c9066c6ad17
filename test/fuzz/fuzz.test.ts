/**
 * Runs the fuzzers of the registry. FUZZ_SECONDS=60 runs each for so long, FUZZ_SEED=n repeats a
 * failure, whose message names it (after the same rounds, as targets keep state).
 */
import { describe, expect, test } from 'vitest';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { FUZZERS, type Fuzzer } from './registry.js';

const CHECK_ALL_EVERY = 64;
/** Within so many rounds a fault must have been found. */
const CANARY_ROUNDS = 500;

const seed = process.env.FUZZ_SEED ? Number(process.env.FUZZ_SEED) : freshSeed();
const seconds = Number(process.env.FUZZ_SECONDS ?? 0);

/** Fuzzes for so many rounds, or for FUZZ_SECONDS if that is longer. */
async function fuzz(fuzzer: Fuzzer, rounds: number, canary?: string): Promise<void> {
  const end = Date.now() + (canary ? 0 : 1000 * seconds);
  const target = await fuzzer.open(canary);
  try {
    for (let round = 0; round < rounds || Date.now() < end; round++) {
      try {
        await target.round(new Random(seed + round));
        if (round % CHECK_ALL_EVERY === 0) await target.checkAll();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new Error(`${message} (FUZZ_SEED=${seed}, round ${round})`, { cause: error });
      }
    }
    await target.checkAll();
  } finally {
    await target.close();
  }
}

describe.each(FUZZERS)('$name', (fuzzer) => {
  const timeout = 60_000 + 2000 * seconds;

  test(`smoke (seed ${seed})`, { timeout }, async () => {
    await fuzz(fuzzer, fuzzer.smokeRounds);
  });

  test.each(Object.entries(fuzzer.canaries))('canary: %s', { timeout }, async (canary, words) => {
    await expect(fuzz(fuzzer, CANARY_ROUNDS, canary)).rejects.toThrow(words);
  });
});
