/**
 * Any bytes on a node's port: each connection gets replies, error replies or a close as
 * docs/PROTOCOL.md has it, and two well-behaved clients, one at each thread, are served right all
 * the while.
 */
import { type SlabringNode, startNode } from 'slabring/server';
import { FRONT_ENDS } from '../support/front-ends.js';
import type { Random } from '../support/fuzz-random.mjs';
import { Silence } from '../support/fuzz-socket.js';
import { Wire } from '../support/wire.js';
import type { Fuzzer, FuzzTarget } from './registry.js';
import { Attacks } from './socket-attacks.js';

/** Frames of more than one area come to be at this size already. */
const OPTIONS = {
  port: 0,
  memory: '16mb',
  threads: 2,
  maxValue: '64kb',
  maxMessage: '128kb',
  policy: 'none',
} as const;

/** A client that asks for something and gets it. */
class Witness {
  readonly wire: Wire;
  readonly #name: string;
  #count = 0;

  constructor(wire: Wire, name: string) {
    this.wire = wire;
    this.#name = name;
  }

  /** @throws Error when it is not served, or wrongly */
  async check(): Promise<void> {
    const count = ++this.#count;
    const value = `value ${count}`;
    const replies = await this.wire.call(
      ['SET', `${this.#name} value`, value],
      ['INCR', `${this.#name} count`],
      ['GET', `${this.#name} value`],
    );
    const [stored, sum, read] = replies;
    if (stored === true && sum === count && read === value) return;
    throw new Error(`${this.#name} was served ${JSON.stringify(replies)} at its call ${count}`);
  }
}

class SocketTarget implements FuzzTarget {
  static async open(frontEnd: 'uws' | 'ws', canary?: string): Promise<SocketTarget> {
    const target = new SocketTarget(canary);
    const hooks = {
      onWarning: () => {},
      onFailure: (error: Error) => {
        target.#failure = error;
      },
    };
    const node = await startNode({ ...OPTIONS, frontEnd }, hooks);
    target.#node = node;
    for (let i = 0; i < node.threads; i++) {
      const wire = await Wire.open(node.urls[0]!);
      target.#witnesses.push(new Witness(wire, `witness ${i}`));
    }
    target.#attacks = new Attacks(node.port, canary);
    return target;
  }

  readonly #canary: string | undefined;
  readonly #witnesses: Witness[] = [];
  #node!: SlabringNode;
  #attacks!: Attacks;
  #failure: Error | undefined;
  #rounds = 0;

  private constructor(canary?: string) {
    this.#canary = canary;
  }

  async round(random: Random): Promise<void> {
    this.#rounds++;
    await this.#attacks.attack(random);
    if (this.#canary === 'a witness is served wrongly' && this.#rounds === 20) {
      await this.#witnesses[0]!.wire.call(['INCR', 'witness 0 count']);
    }
    if (this.#failure) throw this.#failure;
    await Promise.all(this.#witnesses.map((witness) => witness.check()));
  }

  /** What was closed is gone for the node too, and what is open is all that it has. */
  async checkAll(): Promise<void> {
    const wanted = this.#witnesses.length + this.#attacks.openConnections;
    const url = `${this.#node.urls[0]!.replace('ws:', 'http:')}/stats`;
    for (let end = Date.now() + 10_000; ; ) {
      const stats = await (await fetch(url)).json();
      const { connections } = stats.traffic as { connections: number };
      if (connections === wanted) return;
      if (Date.now() > end) throw new Silence(`${connections} connections instead of ${wanted}`);
    }
  }

  async close(): Promise<void> {
    this.#attacks.close();
    for (const { wire } of this.#witnesses) await wire.close();
    await this.#node.close();
  }
}

const CANARIES = {
  'a reply is cut off': /the reply frame is broken|replies to|instead of a close or a reply/,
  'a close has another code': /closed with \d+/,
  'a witness is served wrongly': /witness 0 was served/,
};

export const socketFuzzers: readonly Fuzzer[] = FRONT_ENDS.map((frontEnd) => ({
  name: `socket, ${frontEnd}`,
  smokeRounds: 150,
  canaries: CANARIES,
  open: (canary) => SocketTarget.open(frontEnd, canary),
}));
