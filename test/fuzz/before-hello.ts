/**
 * Frames on a connection that has not shown its token: every command but HELLO is answered NOAUTH
 * and none touches the cache, whatever the bytes are. From a HELLO with the right token on, the
 * rest of the frame runs.
 */
import { Packr } from 'msgpackr';
import { COMMANDS } from '#engine/commands.js';
import { type FrameFault, isFault } from '#engine/frame.js';
import { counterRow, createCounters } from '#server/counters.js';
import { executeBeforeHello } from '#server/guard.js';
import { hostCommands } from '#server/hello.js';
import { digestToken } from '#server/options.js';
import type { ServingThread } from '#server/serving-thread.js';
import type { Session } from '#server/session.js';
import { FuzzArena } from '../support/fuzz-arena.js';
import { hostileFrame, randomCommand, withoutFlush } from '../support/fuzz-frames.js';
import type { Random } from '../support/fuzz-random.mjs';
import { checkReplies, errorCode, judgeFrame, shorten } from '../support/fuzz-replies.js';
import type { Fuzzer, FuzzTarget } from './registry.js';

const KIB = 1024;
const ARENA = { memoryBytes: 4096 * KIB, partitions: 1, policy: 'none', maxValueBytes: 96 * KIB };
const TOKEN = 'a token that no fuzzer finds';
const HELLO = [COMMANDS.HELLO.code, { token: TOKEN }];

const CANARIES = {
  'commands run before HELLO': /answered without NOAUTH|has changed the cache|NOAUTH up to reply/,
  'any HELLO lets in': /was let in without the token/,
};

class FramesBeforeHello implements FuzzTarget {
  readonly #canary: string | undefined;
  readonly #target: FuzzArena<Session>;
  readonly #session: Session;

  constructor(canary?: string) {
    this.#canary = canary;
    this.#session = { authenticated: false } as Session;
    this.#target = new FuzzArena({ ...ARENA, policy: 'none' }, (name, args, session) => {
      if (canary === 'any HELLO lets in') session.authenticated = true;
      return host(name, args, session);
    });
    // As much of a serving thread and of a session as HELLO looks at.
    const thread = {
      arenas: this.#target.set,
      config: { tokenDigest: digestToken(TOKEN), maxMessageBytes: 1, maxBacklogBytes: 1 },
      facts: { software: '0.0.0', nodeId: 'fuzz' },
      counters: counterRow(createCounters(1), 0),
    } as unknown as ServingThread;
    const host = hostCommands(thread);
  }

  round(random: Random): void {
    if (random.chance(0.1)) this.#greet(random);
    else this.#refuse(hostileFrame(random));
  }

  /** A stranger's frame. */
  #refuse(frame: Buffer): void {
    const before = this.#counts();
    const result = this.#execute(frame);
    const where = `frame ${shorten(frame)}`;
    if (this.#session.authenticated) throw new Error(`it was let in without the token, ${where}`);
    if (this.#counts() !== before) throw new Error(`a stranger has changed the cache, ${where}`);
    const request = judgeFrame(frame);
    if (isFault(result)) {
      const isTooMuch = request.commands.length > 1024 || frame.length > this.#target.frameBytesMax;
      const isRight = result.closeCode === 1007 || result.closeCode === 1009;
      if (isRight && (request.isBroken || isTooMuch)) return;
      throw new Error(`refused with ${result.closeCode} ${result.reason}, ${where}`);
    }
    if (request.isBroken) throw new Error(`answered, not refused, ${where}`);
    for (const [i, reply] of checkReplies(request, Buffer.from(result)).entries()) {
      const command = request.commands[i]!;
      if (errorCode(reply) !== 'NOAUTH' && !isHello(command)) {
        throw new Error(`command ${shorten(command)} was answered without NOAUTH, ${where}`);
      }
    }
  }

  /** A frame with the right HELLO in the midst of other commands. */
  #greet(random: Random): void {
    const commands = (count: number) =>
      Array.from({ length: count }, () => withoutFlush(randomCommand(random)));
    const before = commands(random.below(4)).filter((command) => !isHello(command));
    const after = commands(random.below(4));
    const hello = new Packr({ useRecords: false }).pack(HELLO);
    const frame = Buffer.concat([Buffer.of(1), ...before, hello, ...after]);
    if (frame.length > this.#target.frameBytesMax) return;
    const result = this.#execute(frame);
    this.#session.authenticated = false;
    if (isFault(result)) throw new Error(`HELLO was refused: ${result.reason}`);
    const replies = checkReplies(judgeFrame(frame), Buffer.from(result));
    const refused = replies.map((reply) => errorCode(reply) === 'NOAUTH').lastIndexOf(true);
    if (refused !== before.length - 1) {
      throw new Error(
        `NOAUTH up to reply ${refused}, HELLO is ${before.length}: ${shorten(frame)}`,
      );
    }
  }

  #execute(frame: Buffer): Uint8Array | FrameFault {
    const { executor } = this.#target;
    if (this.#canary !== 'commands run before HELLO') {
      // In no cluster nothing is elsewhere.
      const session = this.#session;
      return executeBeforeHello(executor, frame, session, false) as Uint8Array | FrameFault;
    }
    const result = executor.execute(frame, this.#session);
    // A view of the reply area, which the next look at the counters overwrites.
    return isFault(result) ? result : Buffer.from(result);
  }

  /** What reads and writes count, as text. */
  #counts(): string {
    const { hits, misses, sets, deletes, entries } = this.#target.arena.stats();
    return [hits, misses, sets, deletes, entries].join();
  }

  checkAll(): void {
    this.#target.check();
  }

  close(): void {
    this.#target.close();
  }
}

/**
 * Whether it could be a HELLO in any form: what these commands are answered is the host's matter.
 */
function isHello(command: Buffer): boolean {
  return command.includes(COMMANDS.HELLO.code) || /hello/i.test(command.toString('latin1'));
}

export const framesBeforeHello: Fuzzer = {
  name: 'frames before HELLO',
  smokeRounds: 400,
  canaries: CANARIES,
  open: (canary) => new FramesBeforeHello(canary),
};
