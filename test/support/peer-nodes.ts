/** Nodes with nothing but links, what they tell, and strangers to try them with. */
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Announcement } from '#server/cluster/links/handshake.js';
import { Handshake } from '#server/cluster/links/handshake.js';
import { introduce, type Outcome } from '#server/cluster/links/introduction.js';
import type { LinkEvent } from '#server/cluster/links/link-event.js';
import type { PeerLinksOptions } from '#server/cluster/links/options.js';
import { PeerLinks } from '#server/cluster/links/peer-links.js';
import type { Address, Clock } from '#server/cluster/ports.js';
import { SYSTEM_CLOCK } from '#server/cluster/system-clock.js';
import { Random } from './fuzz-random.mjs';

export const CLUSTER = 'test';
export const SECRET = 'a secret of the test';

/** Each event and message of a node. */
export class TestNode {
  readonly events: LinkEvent[] = [];
  readonly messages: { readonly from: Address; readonly bytes: Uint8Array }[] = [];
  readonly links: PeerLinks;

  static async open(id: string, options: Partial<PeerLinksOptions> = {}): Promise<TestNode> {
    const random = new Random(id.length);
    const events: LinkEvent[] = [];
    const links = await PeerLinks.open({
      ...{ cluster: CLUSTER, secret: SECRET, id, software: '1.2.3', clock: SYSTEM_CLOCK },
      random: () => random.word() / 2 ** 32,
      onEvent: (event) => events.push(event),
      ...options,
    });
    return new TestNode(links, events);
  }

  private constructor(links: PeerLinks, events: LinkEvent[]) {
    this.links = links;
    this.events = events;
    links.onMessage = (from, bytes) => this.messages.push({ from, bytes });
  }

  get address(): Address {
    return this.links.self.address;
  }

  get texts(): string[] {
    return this.messages.map(({ bytes }) => Buffer.from(bytes).toString());
  }

  send(to: TestNode | Address, message: string | Uint8Array): void {
    const bytes = typeof message === 'string' ? Buffer.from(message) : message;
    this.links.send(typeof to === 'string' ? to : to.address, bytes);
  }

  of<Type extends LinkEvent['type']>(type: Type): (LinkEvent & { type: Type })[] {
    const isOfType = (event: LinkEvent): event is LinkEvent & { type: Type } => event.type === type;
    return this.events.filter(isOfType);
  }

  /** The first event of a type, when there is one. */
  async event<Type extends LinkEvent['type']>(type: Type): Promise<LinkEvent & { type: Type }> {
    await until(() => this.of(type).length > 0);
    return this.of(type)[0]!;
  }

  close(): Promise<void> {
    return this.links.close();
  }
}

/** Lets the event loop run until something holds; the test's own timeout ends a vain wait. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

/** A clock whose time passes by hand. */
export class HandClock implements Clock {
  #nowMs = 1_000_000;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Runs what is due, in order. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= endMs);
      const next = due.sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = endMs;
  }
}

export function announce(address: Address, run = 'run 1'): Announcement {
  return { id: 'stand-in', name: 'stand-in', address, software: '0', run };
}

/** Dials a node as a peer would, and hands out the bare socket. */
export async function dialAs(
  self: Announcement,
  to: Address,
  { cluster = CLUSTER, secret = SECRET as string | undefined, autoPong = true } = {},
): Promise<Outcome & { socket: WebSocket }> {
  const socket = new WebSocket(`ws://${to}/`, { perMessageDeflate: false, autoPong });
  const handshake = new Handshake('dialer', { cluster, replicas: 0, secret, self });
  const options = { socket, connection: undefined, handshake, clock: SYSTEM_CLOCK };
  const outcome = await new Promise<Outcome>((resolve) => {
    introduce({ ...options, deadlineMs: 10_000 }, resolve);
  });
  return { ...outcome, socket };
}

/** How a socket was closed. */
export async function closing(socket: WebSocket): Promise<{ code: number; reason: string }> {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return { code, reason: reason.toString() };
}
