/**
 * How two nodes come to trust each other: a state machine of bytes in, bytes out.
 *
 *     dialer    ->  greeting: who I am, a nonce
 *     acceptor  ->  greeting: who I am, a nonce
 *     dialer    ->  proof: HMAC-SHA256(secret, 'dialer', both greetings)
 *     acceptor  ->  proof: HMAC-SHA256(secret, 'acceptor', both greetings)
 *
 * The secret is never sent. A proof covers every byte that both have said, so the protocol version,
 * the name of the cluster, the replicas and both addresses are proven with it, and the nonces make
 * it good for this handshake alone. The word in front keeps a proof from being sent back as the
 * other's. The dialer proves first: who merely connects to a port gets nothing to guess secrets by.
 *
 * (The scheme is SCRAM's without the password store: RFC 5802; and ISO/IEC 9798-4, mutual
 * authentication in three passes.) It says who is there when the link begins. It does not encrypt
 * or sign what follows: where others can reach into the network, TLS must.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Address } from '../ports.js';
import { isAddress } from './address.js';
import { GREETING_BYTES_MAX, TEXT_LENGTH_MAX } from './link-limits.js';

/** Both ends must have the same. */
export const LINK_PROTOCOL_VERSION = 1;

const PROTOCOL = 'slabring-peer';
const NONCE_BYTES = 32;
const NONCE = /^[0-9a-f]{64}$/;
const PROOF_BYTES = 32;

/** What a node tells of itself. */
export interface Announcement {
  readonly id: string;
  readonly name: string;
  /** Where its peers reach it. */
  readonly address: Address;
  /** The version of its software. */
  readonly software: string;
  /** Another one each time that the node starts. */
  readonly run: string;
}

/** What a node brings into each handshake. */
export interface Credentials {
  readonly cluster: string;
  /** Copies of each key beside the first: of nodes that differ in it each sees other owners. */
  readonly replicas: number;
  /** undefined: the name of the cluster is enough. */
  readonly secret: string | undefined;
  readonly self: Announcement;
}

export type Step =
  /** Send these bytes, if any, and wait for the next message. */
  | { readonly state: 'going'; readonly send: Uint8Array | undefined }
  /** Send these bytes, if any; the peer is who it says. */
  | {
      readonly state: 'through';
      readonly send: Uint8Array | undefined;
      readonly peer: Announcement;
    }
  /** Close. `why` is told to the peer; `detail` is for our own log, with what we expected. */
  | { readonly state: 'refused'; readonly why: string; readonly detail: string };

interface Greeting extends Announcement {
  readonly protocol: string;
  readonly version: number;
  readonly cluster: string;
  readonly replicas: number;
  /** Whether a secret is set. */
  readonly secret: boolean;
  readonly nonce: string;
}

export class Handshake {
  readonly #dials: boolean;
  readonly #credentials: Credentials;
  /** Undefined until it is sent. */
  #ours: Buffer | undefined;
  #theirs: Buffer | undefined;
  #peer: Announcement | undefined;
  #ended = false;

  constructor(role: 'dialer' | 'acceptor', credentials: Credentials) {
    this.#dials = role === 'dialer';
    this.#credentials = credentials;
  }

  /** What to send before anything came; only a dialer has something. */
  start(): Uint8Array | undefined {
    return this.#dials ? this.#greet() : undefined;
  }

  /** Takes the next message. Never throws; call it no more once it was refused or is through. */
  receive(message: Uint8Array): Step {
    if (this.#ended) return this.#refuse('a message after the handshake');
    return this.#peer === undefined ? this.#takeGreeting(message) : this.#takeProof(message);
  }

  #takeGreeting(message: Uint8Array): Step {
    const greeting = readGreeting(message);
    if (greeting === undefined) return this.#refuse('this is no greeting of a peer');
    const { cluster, replicas, secret, self } = this.#credentials;
    if (greeting.version !== LINK_PROTOCOL_VERSION) {
      return this.#refuse(
        this.#differ('versions of links', greeting.version, LINK_PROTOCOL_VERSION),
      );
    }
    if (greeting.cluster !== cluster) {
      const names = `it is ${JSON.stringify(greeting.cluster)}, here ${JSON.stringify(cluster)}`;
      return this.#refuse('wrong cluster name', names);
    }
    if (greeting.secret !== (secret !== undefined)) {
      const has = greeting.secret === this.#dials ? 'was dialed' : 'dialed';
      return this.#refuse(`only the node that ${has} has a secret`);
    }
    if (greeting.run === self.run) return this.#refuse('a node dialed itself');
    if (greeting.address === self.address) {
      return this.#refuse('two nodes have the same address', self.address);
    }
    if (greeting.replicas !== replicas) {
      return this.#refuse(this.#differ('replicas', greeting.replicas, replicas));
    }
    this.#theirs = Buffer.from(message);
    const { id, name, address, software, run } = greeting;
    this.#peer = { id, name, address, software, run };
    return { state: 'going', send: this.#dials ? this.#prove('dialer') : this.#greet() };
  }

  #takeProof(message: Uint8Array): Step {
    const expected = this.#prove(this.#dials ? 'acceptor' : 'dialer');
    if (message.length !== PROOF_BYTES || !timingSafeEqual(message, expected)) {
      const hasSecret = this.#credentials.secret !== undefined;
      return this.#refuse(hasSecret ? 'wrong secret' : 'wrong proof');
    }
    this.#ended = true;
    const send = this.#dials ? undefined : this.#prove('acceptor');
    return { state: 'through', send, peer: this.#peer! };
  }

  #greet(): Uint8Array {
    const { cluster, replicas, secret, self } = this.#credentials;
    const greeting: Greeting = {
      protocol: PROTOCOL,
      version: LINK_PROTOCOL_VERSION,
      cluster,
      replicas,
      secret: secret !== undefined,
      nonce: randomBytes(NONCE_BYTES).toString('hex'),
      ...self,
    };
    this.#ours = Buffer.from(JSON.stringify(greeting));
    return this.#ours;
  }

  #prove(role: 'dialer' | 'acceptor'): Uint8Array {
    const [first, second] = this.#dials
      ? [this.#ours!, this.#theirs!]
      : [this.#theirs!, this.#ours!];
    const hmac = createHmac('sha256', this.#credentials.secret ?? '');
    // The length of the first keeps bytes from moving between the two.
    hmac.update(`${PROTOCOL} ${role} ${first.length}\n`);
    return hmac.update(first).update(second).digest();
  }

  /** Both ends read it, so it has no here and there. */
  #differ(what: string, theirs: number, ours: number): string {
    const [dialer, acceptor] = this.#dials ? [ours, theirs] : [theirs, ours];
    return `the ${what} differ: ${dialer} at the node that dialed, ${acceptor} at the other`;
  }

  #refuse(why: string, more?: string): Step {
    this.#ended = true;
    return { state: 'refused', why, detail: more === undefined ? why : `${why}: ${more}` };
  }
}

/** @returns undefined where it is none, or has a field that is missing or not as it must be */
function readGreeting(message: Uint8Array): Greeting | undefined {
  if (message.length > GREETING_BYTES_MAX) return undefined;
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(message).toString());
  } catch {
    return undefined;
  }
  if (typeof read !== 'object' || read === null) return undefined;
  const greeting = read as Partial<Record<keyof Greeting, unknown>>;
  const { id, name, address, software, run, cluster, nonce } = greeting;
  if (greeting.protocol !== PROTOCOL || !Number.isInteger(greeting.version)) return undefined;
  // It is refused anyway, and another version may have other fields.
  if (greeting.version !== LINK_PROTOCOL_VERSION) return greeting as Greeting;
  const isWhole =
    Number.isInteger(greeting.replicas) &&
    typeof greeting.secret === 'boolean' &&
    typeof nonce === 'string' &&
    NONCE.test(nonce) &&
    [id, name, software, run, cluster].every(isText) &&
    isAddress(address);
  return isWhole ? (greeting as Greeting) : undefined;
}

/** Names of any kind: not empty, not long, and nothing that would break a line of a log. */
export function isText(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length >= 1 &&
    value.length <= TEXT_LENGTH_MAX &&
    !/\p{Cc}/u.test(value)
  );
}
