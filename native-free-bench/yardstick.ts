/**
 * The C yardstick (baseline/staged-get.c) as a contestant: compiled where there is a compiler,
 * driven over its stdin.
 */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../server/cli/machine.js';
import {
  type Clock,
  type Contestant,
  type Finish,
  type Gate,
  type Slice,
  Unavailable,
} from './case.js';
import type { Scale } from './fixture.js';
import { Frames, fillFrames } from './frames.js';

const SOURCE = fileURLToPath(
  new URL('../../native-free-bench/baseline/staged-get.c', import.meta.url),
);
const PROGRAM = fileURLToPath(new URL('./baseline/staged-get', import.meta.url));
const NS_PER_MS = 1e6;

/**
 * Sets the C program up with the same keys, frames and values as the kernel.
 * @throws Unavailable without a C compiler
 */
export async function openYardstick(
  frames: Frames,
  scale: Scale,
  clock: Clock,
): Promise<Contestant> {
  compile();
  const yardstick = new Yardstick(frames, scale, clock);
  await yardstick.setUp();
  return yardstick;
}

/** What C compilers are called, the preferred one first; `CC` comes before them. */
const COMPILERS = ['gcc', 'cc', 'clang'];

/**
 * Compiles unless what was compiled last is newer than the source.
 * @throws Unavailable without a compiler, or when it does not compile here
 */
export function compile(program = PROGRAM): void {
  const builtMs = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (builtMs > statSync(SOURCE).mtimeMs) return;
  const { CC } = process.env;
  const compiler = (CC ? [CC] : COMPILERS).find((name) => findProgram(name) !== undefined);
  if (compiler === undefined) {
    throw new Unavailable(`there is no C compiler on PATH (${CC ? CC : COMPILERS.join(', ')})`);
  }
  mkdirSync(dirname(program), { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  try {
    execFileSync(compiler, ['-O2', '-march=native', '-o', unfinished, SOURCE], { stdio: 'pipe' });
  } catch (error) {
    throw new Unavailable((error as Error).message);
  }
  renameSync(unfinished, program);
}

class Yardstick implements Contestant {
  readonly #frames: Frames;
  readonly #reads: Frames;
  readonly #scale: Scale;
  readonly #folder: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  constructor(frames: Frames, scale: Scale, clock: Clock) {
    this.#frames = frames;
    this.#reads =
      frames.kind === 'get' ? frames : new Frames('get', frames.indices, frames.perFrame);
    this.#scale = scale;
    this.#folder = mkdtempSync(join(tmpdir(), 'slabring-bench-c-'));
    this.#child = spawn(PROGRAM, ['serve', `${scale.keys}`, clock], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    // A program that ended is told by the answer that does not come.
    this.#child.stdin.on('error', () => {});
    this.#lines = createInterface(this.#child.stdout);
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  async setUp(): Promise<void> {
    const fill = fillFrames(this.#frames.kind, this.#scale.keys);
    const wrong = await this.#compare(fill);
    if (wrong !== undefined) throw new Error(`C did not take its keys: ${wrong}`);
  }

  async gate(): Promise<Gate> {
    const wrong = (await this.#compare(this.#frames)) ?? (await this.#compare(this.#reads));
    await this.#load(this.#frames);
    return { wrong, checksum: checksumOf(this.#frames, this.#scale) };
  }

  async slice(ms: number): Promise<Slice> {
    const framesPerBatch = this.#scale.batch / this.#frames.perFrame;
    const answer = await this.#ask(`slice ${ms * NS_PER_MS} ${framesPerBatch}`);
    const [ns, batches, wrongBatches] = answer.split(' ').map(Number) as [number, number, number];
    const operations = batches * this.#scale.batch;
    return { nsPerOp: ns / operations, batches, operations, wrongBatches };
  }

  async finish(): Promise<Finish> {
    try {
      return { wrong: await this.#compare(this.#reads), facts: {} };
    } finally {
      this.#child.stdin.end();
      this.#lines.close();
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  /** Runs frames once; whether their replies were the expected ones, byte for byte. */
  async #compare(frames: Frames): Promise<string | undefined> {
    await this.#load(frames);
    const got = Number(await this.#ask('hash'));
    let expected = FNV_START;
    for (let i = 0; i < frames.count; i++) expected = fnv(expected, frames.reply(i));
    return got === expected >>> 0 ? undefined : `the replies to the ${frames.kind} frames differ`;
  }

  async #load(frames: Frames): Promise<void> {
    const path = join(this.#folder, 'frames');
    writeFileSync(path, encode(frames));
    const loaded = Number(await this.#ask(`load ${path}`));
    if (loaded !== frames.count) throw new Error(`C read ${loaded} of ${frames.count} frames`);
  }

  async #ask(question: string): Promise<string> {
    this.#child.stdin.write(`${question}\n`);
    const { done, value } = await this.#answers.next();
    if (done) throw new Error(`the C yardstick ended at '${question.split(' ')[0]}'`);
    return value;
  }
}

/**
 * What the program loads: for each frame its length and its reply's mark, both little-endian
 * uint32, and its bytes.
 */
function encode(frames: Frames): Buffer {
  const marks = frames.replyMarks();
  const frameBytes = frames.at(0).length;
  const file = Buffer.allocUnsafe(frames.count * (8 + frameBytes));
  for (let i = 0; i < frames.count; i++) {
    const at = i * (8 + frameBytes);
    file.writeUInt32LE(frameBytes, at);
    file.writeUInt32LE(marks[i]!, at + 4);
    file.set(frames.at(i), at + 8);
  }
  return file;
}

/** The checksum that `TimedWork` makes of the same batches. */
function checksumOf(frames: Frames, scale: Scale): number {
  const marks = frames.replyMarks();
  const framesPerBatch = scale.batch / frames.perFrame;
  let checksum = 0;
  for (let at = 0; at < marks.length; at += framesPerBatch) {
    let sum = 0;
    for (let i = 0; i < framesPerBatch; i++) sum += marks[at + i]!;
    checksum = (Math.imul(checksum, 31) + sum) >>> 0;
  }
  return checksum;
}

const FNV_START = 0x811c9dc5;

/** FNV-1a, 32 bits. */
function fnv(start: number, bytes: Uint8Array): number {
  let hash = start;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}
