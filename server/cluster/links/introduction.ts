/** A handshake on a WebSocket: runs it to its end, within a time and a number of bytes. */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Clock } from '../ports.js';
import { cutReason, LinkCloseCode } from './close-code.js';
import type { Announcement, Handshake } from './handshake.js';
import { HANDSHAKE_BYTES_MAX } from './link-limits.js';

export type Outcome =
  | {
      readonly state: 'through';
      readonly socket: WebSocket;
      /** What it runs on. */
      readonly connection: Duplex;
      readonly peer: Announcement;
    }
  /** One of the two does not want the other. `why` is for our log. */
  | { readonly state: 'refused'; readonly by: 'us' | 'peer'; readonly why: string }
  /** The connection was not made, or broke. */
  | {
      readonly state: 'failed';
      readonly why: string;
      /** Its machine says that nobody listens there. */
      readonly isDeserted?: boolean;
    };

export interface IntroductionOptions {
  readonly socket: WebSocket;
  /** What the socket runs on; undefined where it is still being dialed. */
  readonly connection: Duplex | undefined;
  readonly handshake: Handshake;
  readonly clock: Clock;
  readonly deadlineMs: number;
}

/**
 * Calls `done` once, with how it ended. The socket of an `Outcome` that is through must get its
 * listeners within that call: messages may already be behind it. Any other socket is closed here.
 * @returns gives up at once, as when time is up; `done` is called still
 */
export function introduce(
  { socket, connection, handshake, clock, deadlineMs }: IntroductionOptions,
  done: (outcome: Outcome) => void,
): (why: string) => void {
  const accepted = connection !== undefined;
  let ended = false;
  let isThrough = false;
  let failure: string | undefined;
  let isDeserted = false;
  let receivedBytes = 0;

  const end = (outcome: Outcome) => {
    if (ended) return;
    ended = true;
    cancelDeadline();
    socket.off('message', onMessage);
    socket.off('close', onClose);
    done(outcome);
  };
  const giveUp = (why: string) => {
    end({ state: 'failed', why });
    socket.terminate();
  };
  const cancelDeadline = clock.after(deadlineMs, () => {
    giveUp(`no handshake within ${deadlineMs} ms`);
  });

  // `ws` puts a message together before it hands it out, and its limit is that of the messages to
  // come. So what comes before is counted here, also after a refusal.
  const count = (chunk: Buffer) => {
    receivedBytes += chunk.length;
    if (isThrough || receivedBytes <= HANDSHAKE_BYTES_MAX) return;
    end({ state: 'refused', by: 'us', why: 'too many bytes before the handshake' });
    socket.terminate();
  };
  const onMessage = (message: Buffer, isBinary: boolean) => {
    if (!isBinary) return refuse('text, not a greeting of a peer');
    const step = handshake.receive(message);
    if (step.state === 'refused') return refuse(step.why, step.detail);
    if (step.send !== undefined) socket.send(step.send);
    if (step.state === 'going') return;
    isThrough = true;
    connection?.off('data', count);
    // Before any message, a dialer has had its upgrade.
    end({ state: 'through', socket, connection: connection!, peer: step.peer });
  };
  const refuse = (why: string, detail = why) => {
    end({ state: 'refused', by: 'us', why: detail });
    socket.close(LinkCloseCode.refused, cutReason(why));
  };
  const onClose = (code: number, reason: Buffer) => {
    if (code === LinkCloseCode.refused) {
      end({ state: 'refused', by: 'peer', why: reason.toString() });
    } else if (accepted && failure !== undefined) {
      // What `ws` has closed for: no frames, or too long.
      end({ state: 'refused', by: 'us', why: failure });
    } else {
      const why = failure ?? (reason.toString() || 'the connection was closed');
      end({ state: 'failed', why, isDeserted });
    }
  };
  const start = () => {
    // After the listener of `ws`: it has handed out what a chunk held when the bytes are counted.
    connection?.on('data', count);
    const greeting = handshake.start();
    if (greeting !== undefined) socket.send(greeting);
  };

  socket.on('message', onMessage);
  socket.on('close', onClose);
  // Stays: after a refusal, too, an error must find a listener.
  socket.on('error', (error: NodeJS.ErrnoException) => {
    isDeserted ||= error.code === 'ECONNREFUSED';
    failure ??= error.message;
  });
  if (accepted) {
    start();
  } else {
    socket.once('upgrade', (response) => {
      connection = response.socket;
    });
    socket.once('open', start);
  }
  return giveUp;
}
