/**
 * The connection of a client and its life:
 *
 *     connecting ---HELLO answered---> ready ---lost---> waiting ---backoff over---> connecting
 *         \---------failed---------------------------------^
 *
 * `close` leads from anywhere over closing to closed. Commands do not pass through here: see
 * `pipeline.ts`.
 */
import type { ClusterView } from '../engine/cluster-view.js';
import { COMMANDS, PROTOCOL_VERSION, SUBPROTOCOL } from '../engine/commands.js';
import { SlabringError } from '../engine/errors.js';
import { backoffMs } from './backoff.js';
import { packValue } from './codec.js';
import type { Emitter } from './emitter.js';
import type { ClientSettings } from './options.js';
import { Pipeline } from './pipeline.js';
import { ReplyReader } from './reader.js';
import { type ClientSocket, defaultSocketFactory, type SocketFactory } from './socket.js';
import { FrameWriter } from './writer.js';

/**
 * `waiting`: for the next attempt to connect. `closing`: new commands are refused, those on their
 * way finish.
 */
export type ClientState = 'connecting' | 'ready' | 'waiting' | 'closing' | 'closed';

/** What a server says of itself in its reply to HELLO; more facts may come with later versions. */
export interface ServerFacts {
  readonly [fact: string]: unknown;
  readonly limits?: { readonly [limit: string]: unknown };
}

// A type, not an interface, so that it counts as a Record for the emitter.
export type ClientEvents = {
  /** A connection is ready for commands. */
  connect: ServerFacts;
  /** A connection that was ready is lost. */
  disconnect: SlabringError;
  /** An attempt to connect failed. */
  error: SlabringError;
  state: ClientState;
  /** The cluster is another one than before, as the node connected to tells. */
  view: ClusterView;
  /** The server sent a message that answers no command: `[kind, ...]`. */
  push: unknown;
};

/** The frame id of HELLO. It is alone on its connection, so any would do. */
const HELLO_FRAME_ID = 1;

/**
 * How long the server may take to answer our closing handshake; nothing is on its way any more
 * then.
 */
const CLOSE_MS_MAX = 1_000;

const NORMAL_CLOSURE = 1000;

/** Of an urgent role: the time that each address has, the first time round. */
const URGENT_CONNECT_MS = 1_000;

/**
 * A connection that is lost sooner is made again no faster than any: nodes that greet and hang up
 * would be asked without end.
 */
const STABLE_MS = 1_000;

/** One attempt to connect, and the connection that may come of it. */
interface Attempt {
  socket: ClientSocket | undefined;
  greeted: boolean;
  /** When HELLO was sent, and when it was answered, on the clock of `performance.now()`. */
  askedAtMs: number;
  greetedAtMs: number;
  /** What the socket reported before it closed: the reason proper. */
  error: Error | undefined;
  /** Called when a socket that we close is closed. */
  onClosed: (() => void) | undefined;
}

interface Waiter {
  resolve(facts: ServerFacts): void;
  reject(error: SlabringError): void;
}

/** What a connection is for. */
export interface Role {
  /** Where to connect: tried in turn. */
  urls: readonly string[];
  /**
   * The addresses are of one cluster, the best first: when the connection is lost the others are
   * tried at once, and each must answer soon.
   */
  readonly isUrgent?: boolean;
  /** What HELLO says besides version, name and token. */
  readonly hello: Readonly<Record<string, unknown>>;
  /** HELLO was answered; commands that wait have not been sent yet. */
  welcome?: (facts: ServerFacts) => void;
  /** The connection is gone; its commands have not failed yet. */
  lost?: () => void;
  /** A message of a push frame. */
  pushed?: (message: unknown) => void;
}

export class Connection {
  readonly pipeline: Pipeline;
  readonly #role: Role;
  /** Which of the urls, counted on and on. */
  #turn = 0;
  readonly #settings: ClientSettings;
  readonly #emitter: Emitter<ClientEvents>;
  readonly #factory: SocketFactory;
  readonly #waiters: Waiter[] = [];
  #state: ClientState = 'waiting';
  #facts: ServerFacts | undefined;
  #attempt: Attempt | undefined;
  /** Attempts that failed since the last connection. */
  #failures = 0;
  /** Addresses that were tried in vain, one after the other. */
  #tried = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed: Promise<void> | undefined;
  #finishClose: (() => void) | undefined;

  constructor(role: Role, settings: ClientSettings, emitter: Emitter<ClientEvents>) {
    this.#role = role;
    this.#settings = settings;
    this.#emitter = emitter;
    this.#factory = settings.socketFactory ?? defaultSocketFactory();
    this.pipeline = new Pipeline(settings, {
      broken: (error) => this.#lose(this.#attempt, error),
      drained: () => this.#finish(),
      push: (reader) => {
        while (!reader.atEnd) {
          const message = reader.value();
          role.pushed?.(message);
          this.#emitter.emit('push', message);
        }
      },
    });
  }

  get #url(): string {
    const { urls } = this.#role;
    return urls[this.#turn % urls.length]!;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** The facts of the server last connected to. */
  get facts(): ServerFacts | undefined {
    return this.#facts;
  }

  /** Starts the first attempt. */
  start(): void {
    this.#dial();
  }

  /** The facts of the server once connected; rejects when the present or next attempt fails. */
  ready(): Promise<ServerFacts> {
    if (this.#state === 'ready') return Promise.resolve(this.#facts!);
    if (this.#state === 'closing' || this.#state === 'closed') return Promise.reject(closedError());
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /**
   * Closes; with `wait` the commands on their way are answered first. Resolves when the socket is
   * closed.
   */
  close(wait: boolean): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = new Promise((resolve) => {
        this.#finishClose = resolve;
      });
      if (this.#state === 'closed') {
        this.#finishClose!();
        return this.#closed;
      }
      this.#setState('closing');
      if (wait && this.#attempt !== undefined) this.pipeline.drain(closedError());
      else this.#finish();
    } else if (!wait && this.#state === 'closing') {
      this.#finish();
    }
    return this.#closed;
  }

  /** Gives the present connection up. */
  drop(error: SlabringError): void {
    this.#lose(this.#attempt, error);
  }

  #setState(state: ClientState): void {
    this.#state = state;
    this.#emitter.emit('state', state);
  }

  #dial(): void {
    const attempt: Attempt = {
      socket: undefined,
      greeted: false,
      askedAtMs: 0,
      greetedAtMs: 0,
      error: undefined,
      onClosed: undefined,
    };
    this.#attempt = attempt;
    this.#setState('connecting');
    // A listener may have closed the client.
    if (this.#attempt !== attempt) return;
    const connectTimeoutMs = this.#connectTimeoutMs();
    if (connectTimeoutMs > 0) {
      this.#timer = setTimeout(() => {
        this.#lose(attempt, this.#error(`no answer within ${connectTimeoutMs} ms`));
      }, connectTimeoutMs);
    }
    this.#open(attempt).catch((cause: Error) => {
      this.#lose(attempt, this.#error(cause.message, cause));
    });
  }

  /** 0: none. */
  #connectTimeoutMs(): number {
    const { connectTimeoutMs } = this.#settings;
    // Should none answer in so short a time, the network is as slow as the option allows for.
    if (!this.#role.isUrgent || this.#failures > 0) return connectTimeoutMs;
    return Math.min(connectTimeoutMs || URGENT_CONNECT_MS, URGENT_CONNECT_MS);
  }

  async #open(attempt: Attempt): Promise<void> {
    const socket = await this.#factory(this.#url, SUBPROTOCOL, {
      open: () => this.#sayHello(attempt),
      message: (bytes) => this.#receive(attempt, bytes),
      error: (error) => {
        attempt.error = error;
      },
      close: (code, reason) => {
        const { error } = attempt;
        const text = error?.message || `closed with code ${code}${reason && `, ${reason}`}`;
        this.#lose(attempt, this.#error(text, error));
        attempt.onClosed?.();
      },
    });
    if (this.#attempt === attempt) attempt.socket = socket;
    else socket.terminate();
  }

  #sayHello(attempt: Attempt): void {
    if (this.#attempt !== attempt) return;
    const { name, token, user } = this.#settings;
    const writer = new FrameWriter();
    writer.begin(HELLO_FRAME_ID);
    writer.command(COMMANDS.HELLO.code, 1);
    writer.packed(
      packValue({
        version: PROTOCOL_VERSION,
        client: name,
        ...(token !== undefined && { token }),
        ...(user !== undefined && { user }),
        ...this.#role.hello,
      }),
    );
    writer.commit();
    attempt.askedAtMs = performance.now();
    attempt.socket!.send(writer.end());
  }

  #receive(attempt: Attempt, bytes: Uint8Array): void {
    if (this.#attempt !== attempt) return;
    if (attempt.greeted) this.pipeline.receive(bytes);
    else this.#greet(attempt, bytes);
  }

  /** The reply to HELLO. */
  #greet(attempt: Attempt, bytes: Uint8Array): void {
    const reader = new ReplyReader();
    let facts: unknown;
    try {
      reader.load(bytes);
      const id = reader.frameId();
      // The server may push before it has read our HELLO.
      if (id === 0) return;
      facts = reader.value();
      if (reader.failure === undefined && (typeof facts !== 'object' || facts === null)) {
        throw new RangeError('the reply to HELLO is no map');
      }
    } catch (cause) {
      const { message } = cause as Error;
      this.#lose(attempt, this.#error(`the server broke the protocol: ${message}`, cause));
      return;
    }
    if (reader.failure !== undefined) {
      const { code, message } = reader.takeFailure();
      const refusal = new SlabringError(code, `${this.#url} refused HELLO: ${message}`);
      // Waiting will not help those who wait: the next attempt shows the same token.
      this.pipeline.failQueued(refusal);
      this.#lose(attempt, refusal);
      return;
    }
    this.#welcome(attempt, facts as ServerFacts);
  }

  #welcome(attempt: Attempt, facts: ServerFacts): void {
    clearTimeout(this.#timer);
    attempt.greeted = true;
    attempt.greetedAtMs = performance.now();
    this.#failures = 0;
    this.#tried = 0;
    this.#facts = facts;
    try {
      this.#role.welcome?.(facts);
    } catch (error) {
      this.#lose(attempt, error as SlabringError);
      return;
    }
    const limits = {
      messageBytesMax: limit(facts, 'maxMessageBytes'),
      backlogBytesMax: limit(facts, 'maxBacklogBytes'),
    };
    this.pipeline.attach(attempt.socket!, limits, attempt.greetedAtMs - attempt.askedAtMs);
    if (this.#state === 'closing') return;
    this.#setState('ready');
    if (this.#state !== 'ready') return;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(facts);
    this.#emitter.emit('connect', facts);
  }

  /** The attempt failed, or its connection is lost. */
  #lose(attempt: Attempt | undefined, error: SlabringError): void {
    if (attempt === undefined || this.#attempt !== attempt) return;
    this.#attempt = undefined;
    clearTimeout(this.#timer);
    attempt.socket?.terminate();
    const { isUrgent, urls } = this.#role;
    this.#turn = isUrgent && attempt.greeted ? 0 : this.#turn + 1;
    const isLast = attempt.greeted ? !this.#mayHurry(attempt) : ++this.#tried >= urls.length;
    if (isLast) this.#tried = 0;
    this.#role.lost?.();
    this.pipeline.detach(error);
    if (isLast) {
      for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    }
    this.#emitter.emit(attempt.greeted ? 'disconnect' : 'error', error);
    // A listener may have closed the client.
    if (this.#state === 'closing') {
      this.#finish();
    } else if (this.#state !== 'closed') {
      this.#again(error, isLast);
    }
  }

  #mayHurry({ greetedAtMs }: Attempt): boolean {
    if (!this.#role.isUrgent || !this.#settings.reconnect) return false;
    return performance.now() - greetedAtMs >= STABLE_MS;
  }

  /** @param isLast whether all addresses were tried; if not, the next is tried at once */
  #again(error: SlabringError, isLast: boolean): void {
    const { reconnect, reconnectDelayMs, reconnectDelayMaxMs } = this.#settings;
    if (!reconnect && isLast) {
      const message = `the connection is gone and reconnect is off: ${error.message}`;
      this.pipeline.shut(new SlabringError('CLOSED', message, { cause: error }));
      this.#setState('closed');
      return;
    }
    const delayMs = isLast ? backoffMs(this.#failures++, reconnectDelayMs, reconnectDelayMaxMs) : 0;
    this.#timer = setTimeout(() => this.#dial(), delayMs);
    this.#setState('waiting');
  }

  /** The last step of `close`. */
  #finish(): void {
    if (this.#state === 'closed') return;
    const attempt = this.#attempt;
    this.#attempt = undefined;
    clearTimeout(this.#timer);
    this.pipeline.shut(closedError());
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closedError());
    this.#setState('closed');
    if (attempt?.socket === undefined) this.#finishClose?.();
    else this.#hangUp(attempt, attempt.socket);
  }

  #hangUp(attempt: Attempt, socket: ClientSocket): void {
    const timer = setTimeout(() => {
      socket.terminate();
      this.#finishClose?.();
    }, CLOSE_MS_MAX);
    attempt.onClosed = () => {
      clearTimeout(timer);
      this.#finishClose?.();
    };
    socket.close(NORMAL_CLOSURE, '');
  }

  #error(text: string, cause?: unknown): SlabringError {
    return new SlabringError('CONNECTION', `${this.#url}: ${text}`, { cause });
  }
}

/** A limit that the server named, if it is one. */
function limit(facts: ServerFacts, name: string): number | undefined {
  const value = facts.limits?.[name];
  return typeof value === 'number' && value > 0 ? value : undefined;
}

export function closedError(): SlabringError {
  return new SlabringError('CLOSED', 'the client is closed');
}
