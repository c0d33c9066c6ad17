/**
 * What peers say to each other, wrong in every way: no bytes make the handshake or the frames
 * throw, none that were changed on their way let anybody in, and of a frame all is taken or
 * nothing.
 */
import { decodeBatch, encodeBatch, PREFIX_BYTES } from '#server/cluster/links/batch.js';
import { Handshake, type Step } from '#server/cluster/links/handshake.js';
import type { Random } from '../support/fuzz-random.mjs';
import { announce } from '../support/peer-nodes.js';
import type { Fuzzer, FuzzTarget } from './registry.js';

const SECRET = 'a secret that no fuzzer finds';

type End = Pick<Handshake, 'receive'>;

/** Lets in whoever got as far as a proof. */
class Gullible implements End {
  readonly #handshake: Handshake;
  #received = 0;

  constructor(handshake: Handshake) {
    this.#handshake = handshake;
  }

  receive(message: Uint8Array): Step {
    if (this.#received++ === 0) return this.#handshake.receive(message);
    return { state: 'through', send: undefined, peer: announce('a:1') };
  }
}

class Handshakes implements FuzzTarget {
  readonly #canary: string | undefined;

  constructor(canary?: string) {
    this.#canary = canary;
  }

  round(random: Random): void {
    const end = (role: 'dialer' | 'acceptor') => {
      const self = announce(role === 'dialer' ? 'a:1' : 'b:2', role);
      return new Handshake(role, { cluster: 'c', replicas: 0, secret: SECRET, self });
    };
    const [dialer, acceptor] = [end('dialer'), end('acceptor')];
    const ends: readonly End[] = [this.#canary ? new Gullible(acceptor) : acceptor, dialer];
    let message: Uint8Array | undefined = dialer.start();
    let isChanged = false;
    for (let i = 0; message !== undefined; i++) {
      const sent = message;
      const got = random.chance(0.3) ? spoil(Buffer.from(sent), random) : sent;
      isChanged ||= !Buffer.from(sent).equals(got);
      const step: Step = ends[i % 2]!.receive(got);
      if (isChanged && step.state === 'through') throw new Error('changed bytes let a peer in');
      if (!isChanged && step.state === 'refused') throw new Error(`refused: ${step.why}`);
      message = step.state === 'refused' ? undefined : step.send;
    }
  }

  checkAll(): void {}

  close(): void {}
}

/** Other bytes in the place of a message: near to it, or nothing like it. */
function spoil(message: Buffer, random: Random): Buffer {
  switch (random.below(5)) {
    case 0:
      return random.bytes(random.pick([0, 1, 31, 32, 33, 300, 9_000]));
    case 1:
      return message.subarray(0, random.below(message.length));
    case 2:
      return Buffer.concat([message, random.bytes(1 + random.below(3))]);
    case 3:
      return Buffer.from(JSON.stringify(random.pick([null, 1, 'x', [], {}, { version: 1 }])));
    default:
      message[random.below(message.length)]! ^= 1 << random.below(8);
      return message;
  }
}

class Frames implements FuzzTarget {
  readonly #canary: string | undefined;

  constructor(canary?: string) {
    this.#canary = canary;
  }

  round(random: Random): void {
    const messages = Array.from({ length: 1 + random.below(5) }, () => {
      return random.bytes(random.pick([0, 1, 2, 60, 300]));
    });
    const bytes = messages.reduce((sum, { length }) => sum + PREFIX_BYTES + length, 0);
    const whole = encodeBatch(messages, 0, messages.length, bytes);
    const frame = random.chance(0.2) ? whole : spoil(Buffer.from(whole), random);
    const taken: Uint8Array[] = [];
    const count = decodeBatch(frame, (message) => taken.push(message));
    if (this.#canary) taken.pop();
    if (taken.length !== count) throw new Error(`${taken.length} were taken, not ${count}`);
    // What was taken makes the same frame: so no byte was left out, or taken twice.
    const again = encodeBatch(taken, 0, count, count > 0 ? frame.length : 0);
    if (count > 0 && !again.equals(frame)) throw new Error('other bytes were taken');
    if (frame === whole && count !== messages.length) throw new Error('a whole frame was refused');
  }

  checkAll(): void {}

  close(): void {}
}

export const peerLinkFuzzers: readonly Fuzzer[] = [
  {
    name: 'handshakes of peers',
    smokeRounds: 3_000,
    canaries: { 'any proof is right': /let a peer in/ },
    open: (canary) => new Handshakes(canary),
  },
  {
    name: 'frames of peers',
    smokeRounds: 10_000,
    canaries: { 'a message is lost': /were taken, not/ },
    open: (canary) => new Frames(canary),
  },
];
