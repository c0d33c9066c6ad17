/**
 * All fuzzers. Each is run by fuzz.test.ts: a short smoke test with every run of the tests,
 * FUZZ_SECONDS for longer, and a canaries, in which the target has a fault that the fuzzer must
 * find.
 */
import type { Random } from '../support/fuzz-random.mjs';
import { framesBeforeHello } from './before-hello.js';
import { commandMeaning } from './command-meaning.js';
import { frameBytes, longFrameBytes } from './frame-bytes.js';
import { peerLinkFuzzers } from './peer-links.js';
import { socketFuzzers } from './socket.js';

/** What is being fuzzed, open. */
export interface FuzzTarget {
  /**
   * One random input.
   * @throws Error when what came of it breaks a rule
   */
  round(random: Random): Promise<void> | void;
  /** The rules that are too dear for each round; also checked now and then. */
  checkAll(): Promise<void> | void;
  close(): Promise<void> | void;
}

export interface Fuzzer {
  readonly name: string;
  /** Rounds of the smoke test: a second or two. */
  readonly smokeRounds: number;
  /** Faults that the target can be opened with, and what the fuzzer must say to each of them. */
  readonly canaries: Readonly<Record<string, RegExp>>;
  open(canary?: string): Promise<FuzzTarget> | FuzzTarget;
}

export const FUZZERS: readonly Fuzzer[] = [
  frameBytes,
  longFrameBytes,
  framesBeforeHello,
  ...commandMeaning,
  ...socketFuzzers,
  ...peerLinkFuzzers,
];
