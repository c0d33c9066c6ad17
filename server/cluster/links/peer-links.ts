/**
 * The network between nodes, for real: WebSocket links between pairs of nodes, dialed when there
 * is something to send, kept while they are used.
 *
 * Messages may be lost: those that wait too long for a peer, or for one that reads too slowly, and
 * those under way when a link breaks. While one link stands, they come in order and once. Who needs
 * more says so in its own protocol.
 */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { type ClientOptions, WebSocket } from 'ws';
import { show } from '../../../engine/units.js';
import type { Address, Transport } from '../ports.js';
import { formatAddress, isAddress, isLoopback } from './address.js';
import { PREFIX_BYTES } from './batch.js';
import { LinkCloseCode } from './close-code.js';
import { type Announcement, type Credentials, Handshake } from './handshake.js';
import { introduce, type Outcome } from './introduction.js';
import { Link } from './link.js';
import {
  createLinkCounters,
  EventGate,
  type LinkCounters,
  type LinkEvent,
  type LinkSnapshot,
} from './link-event.js';
import { CLOSE_MS, type LinkLimits } from './link-limits.js';
import {
  type LinkSettings,
  type LinkTls,
  type PeerLinksOptions,
  readLinkOptions,
} from './options.js';
import { Peer, type PeerWorld } from './peer.js';
import { PeerPort } from './peer-port.js';
import { connectPlain, connectSecure } from './tcp.js';

const RUN_BYTES = 8;

export class PeerLinks implements Transport {
  /** Set it in the turn in which `open` resolved: what comes before is lost. */
  onMessage: (from: Address, bytes: Uint8Array) => void = () => {};
  readonly counters: LinkCounters = createLinkCounters();
  readonly #settings: LinkSettings;
  readonly #port: PeerPort;
  readonly #credentials: Credentials;
  readonly #world: PeerWorld;
  readonly #gate: EventGate;
  readonly #peers = new Map<Address, Peer>();
  /** Addresses that were dialed, of peers that are reached at another one, as they say. */
  readonly #aliases = new Map<Address, Address>();
  /** All that are not closed, also those that end since another one stays. */
  readonly #links = new Set<Link>();
  #cancelLook: () => void;
  #closing: Promise<void> | undefined;
  /** Resolves `close` when the last link is gone. */
  #onLastLink: () => void = () => {};

  /**
   * Listens.
   * @throws SlabringError `OPTION`: a wrong option, or the port cannot be had
   */
  static async open(options: PeerLinksOptions): Promise<PeerLinks> {
    const settings = readLinkOptions(options);
    return new PeerLinks(settings, await PeerPort.open(settings));
  }

  private constructor(settings: LinkSettings, port: PeerPort) {
    const { cluster, replicas, secret, id, name, software, clock, random, limits } = settings;
    const address = settings.address ?? formatAddress(settings.host, port.number);
    const run = randomBytes(RUN_BYTES).toString('hex');
    const self = { id, name, address, software, run };
    this.#settings = settings;
    this.#port = port;
    this.#credentials = { cluster, replicas, secret, self };
    this.#gate = new EventGate(clock);
    this.#world = {
      ...{ self, clock, random, limits, counters: this.counters },
      dial: (peer) => this.#dial(peer),
      tell: settings.onEvent,
      forget: (peer) => this.#peers.delete(peer.address),
    };
    port.onSocket = (socket, connection, from) => this.#accept(socket, connection, from);
    port.onStranger = (from, why) => {
      this.#tellRefused({ address: from, dialed: false, by: 'us', why });
    };
    this.#cancelLook = this.#lookLater();
    if (secret === undefined && settings.tls === undefined && !isLoopback(settings.host)) {
      const who = 'whoever reaches the peer port and knows the name of the cluster';
      const text = `no secret of the cluster is set: ${who} can join, read and write`;
      settings.onEvent({ type: 'warning', text });
    }
  }

  /** What this node tells its peers of itself. */
  get self(): Announcement {
    return this.#credentials.self;
  }

  /**
   * Sends a message. Never throws. `bytes` must stay as they are until they have left, except where
   * they are in shared memory: those are copied.
   */
  send(to: Address, bytes: Uint8Array, frontBytes = 0): void {
    if (this.#closing !== undefined) return;
    const { limits } = this.#settings;
    const isWrong = bytes.length > limits.messageBytesMax || to === this.self.address;
    const peer = isWrong ? undefined : this.#reach(to);
    if (peer === undefined) {
      this.counters.droppedInvalid++;
      this.#warn(whyInvalid(to, bytes.length, limits.messageBytesMax, this.self.address));
      return;
    }
    if (bytes.buffer instanceof SharedArrayBuffer) peer.send(bytes.slice());
    else peer.send(bytes, frontBytes);
  }

  reset(to: Address): void {
    const address = this.#aliases.get(to) ?? to;
    this.#peers.get(address)?.discard();
    // Those too that carry what they have been given, and then end.
    for (const link of this.#links) if (link.peer.address === address) link.reset(GIVEN_UP);
  }

  backlogBytes(to: Address): number {
    return this.#peers.get(this.#aliases.get(to) ?? to)?.backlogBytes ?? 0;
  }

  /** One for each peer that is linked, or that something waits for. */
  snapshot(): LinkSnapshot[] {
    return [...this.#peers.values()].map((peer) => peer.snapshot());
  }

  /**
   * Sends what waits for open links, closes them, and stops listening. Resolves when all sockets
   * are gone, after {@link CLOSE_MS} at the latest. No message comes after the call.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.onMessage = () => {};
    this.#cancelLook();
    const portClosed = this.#port.close();
    for (const peer of [...this.#peers.values()]) peer.close();
    const isEmpty = new Promise<void>((resolve) => {
      this.#onLastLink = resolve;
    });
    for (const link of this.#links) link.close(LinkCloseCode.leaving, 'the node is leaving');
    if (this.#links.size > 0) await isEmpty;
    await portClosed;
  }

  /** The peer at an address, also where it is not linked; undefined: it is no address. */
  #reach(to: Address): Peer | undefined {
    const address = this.#aliases.get(to) ?? to;
    return this.#peers.get(address) ?? (isAddress(address) ? this.#addPeer(address) : undefined);
  }

  #addPeer(address: Address): Peer {
    const peer = new Peer(address, this.#world);
    this.#peers.set(address, peer);
    return peer;
  }

  #dial(peer: Peer): (why: string) => void {
    const { clock, limits, tls } = this.#settings;
    const socket = dial(peer.address, tls, limits);
    const handshake = new Handshake('dialer', this.#credentials);
    const options = { socket, connection: undefined, handshake, clock };
    return introduce({ ...options, deadlineMs: limits.handshakeMs }, (outcome) => {
      peer.dialEnded(outcome);
      if (outcome.state !== 'through') {
        this.#tellOfFailure(peer.address, true, outcome);
        return;
      }
      const { address } = outcome.peer;
      if (address !== peer.address) {
        peer.moveTo(this.#peers.get(address) ?? this.#addPeer(address));
        this.#peers.delete(peer.address);
        this.#aliases.set(peer.address, address);
      }
      this.#admit(outcome, true);
    });
  }

  #accept(socket: WebSocket, connection: Duplex, from: Address): void {
    const { clock, limits } = this.#settings;
    const handshake = new Handshake('acceptor', this.#credentials);
    const options = { socket, connection, handshake, clock, deadlineMs: limits.handshakeMs };
    introduce(options, (outcome) => {
      if (outcome.state !== 'through') {
        this.#tellOfFailure(from, false, outcome);
        return;
      }
      this.#port.trust(connection);
      this.#admit(outcome, false);
    });
  }

  #admit({ socket, connection, peer }: Through, dialed: boolean): void {
    const { clock, limits } = this.#settings;
    const link = new Link({
      ...{ socket, connection, peer, dialed, clock, limits, counters: this.counters },
      onMessage: (bytes) => this.onMessage(peer.address, bytes),
      onClose: (code, reason) => this.#linkClosed(link, code, reason),
    });
    this.#links.add(link);
    if (this.#closing !== undefined) link.close(LinkCloseCode.leaving, 'the node is leaving');
    else (this.#peers.get(peer.address) ?? this.#addPeer(peer.address)).admit(link);
  }

  #linkClosed(link: Link, code: number, reason: string): void {
    this.#links.delete(link);
    const { address } = link.peer;
    const peer = this.#peers.get(address);
    peer?.linkClosed(link, code, reason);
    if (peer?.isUp !== true) {
      // A name may stand for another peer by the next time that it is dialed.
      for (const [alias, target] of this.#aliases) {
        if (target === address) this.#aliases.delete(alias);
      }
    }
    if (this.#links.size === 0) this.#onLastLink();
  }

  #lookLater(): () => void {
    const { clock, limits } = this.#settings;
    return clock.after(limits.pingMs, () => {
      this.#cancelLook = this.#lookLater();
      for (const link of this.#links) link.look();
    });
  }

  #tellOfFailure(address: Address, dialed: boolean, outcome: Outcome): void {
    if (outcome.state === 'failed' && outcome.isDeserted) {
      this.#settings.onEvent({ type: 'deserted', address });
    }
    if (outcome.state !== 'refused') return;
    this.#tellRefused({ address, dialed, by: outcome.by, why: outcome.why });
  }

  #tellRefused(refusal: Refusal): void {
    if (this.#closing !== undefined) return;
    this.counters.refused++;
    const untold = this.#gate.pass();
    if (untold !== undefined) this.#settings.onEvent({ type: 'refused', ...refusal, untold });
  }

  #warn(text: string): void {
    if (this.#gate.pass() !== undefined) this.#settings.onEvent({ type: 'warning', text });
  }
}

const GIVEN_UP = 'the peer was given up';

type Through = Outcome & { state: 'through' };
type Refusal = Omit<LinkEvent & { type: 'refused' }, 'type' | 'untold'>;

function whyInvalid(to: Address, bytes: number, bytesMax: number, self: Address): string {
  if (bytes > bytesMax) {
    return `a message of ${bytes} bytes was not sent; at most ${bytesMax} are allowed`;
  }
  if (to === self) return `a message of this node to itself, ${self}, was not sent`;
  return `a message was not sent to ${show(to)}; an address is like 'HOST:PORT'`;
}

/**
 * RFC 6455 has clients mask what they send; with zeros, both ends of `ws` skip the work, which for
 * messages of 64 KiB takes several times as long as all the rest. Masks protect proxies from what
 * scripts of web pages send; a node is no web page.
 */
const maskOfZeros = (mask: Buffer): void => {
  mask.fill(0);
};

function dial(address: Address, tls: LinkTls | undefined, limits: LinkLimits): WebSocket {
  return new WebSocket(`${tls ? 'wss' : 'ws'}://${address}/`, {
    perMessageDeflate: false,
    generateMask: maskOfZeros,
    maxPayload: limits.messageBytesMax + PREFIX_BYTES,
    closeTimeout: CLOSE_MS,
    createConnection: tls ? connectSecure : connectPlain,
    ...(tls && { key: tls.key, cert: tls.cert, ca: tls.ca, rejectUnauthorized: true }),
    ...(tls?.serverName && { servername: tls.serverName }),
  } as ClientOptions);
}
