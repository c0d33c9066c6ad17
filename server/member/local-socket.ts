/**
 * A connection of a client to the node in its own process: what a WebSocket carries between the
 * two, without one. Frames are executed at once; their replies come a moment later, as from afar.
 */
import type { ClientSocket, SocketEvents } from '../../client/socket.js';
import { copyOf } from '../../engine/copy.js';
import type { ServingThread } from '../serving-thread.js';
import { Session } from '../session.js';

/** Of a connection that was dropped without a word. */
const NO_CLOSE_FRAME = 1006;

/** The client's end. */
export function openLocalSocket(thread: ServingThread, events: SocketEvents): ClientSocket {
  let isOpen = true;
  const later = (event: () => void) => queueMicrotask(() => isOpen && event());
  const end = (code: number, reason: string) => {
    if (!isOpen) return;
    later(() => {
      isOpen = false;
      events.close(code, reason);
    });
    session.closed();
  };
  const session = new Session(thread, {
    send: (bytes) => {
      const reply = copyOf(bytes);
      later(() => events.message(reply));
      return false;
    },
    bufferedBytes: () => 0,
    close: end,
  });
  // Events come only after the socket was returned.
  setImmediate(() => isOpen && events.open());
  return {
    send: (bytes) => session.receive(bytes, true),
    close: end,
    terminate: () => end(NO_CLOSE_FRAME, ''),
  };
}
