/**
 * The front end on uWebSockets.js: one app per serving thread, which listens nowhere itself. The
 * acceptor of the main thread (acceptor.ts) hands it connections.
 */
import type * as Uws from 'uWebSockets.js';
import type { FrontEnd, UwsApp, UwsModule } from './front-end.js';
import { answerHttp, answerUpgrade, type HttpAnswer } from './http.js';
import { IDLE_TIMEOUT_SECONDS, receivedBytesMax } from './limits.js';
import type { ServingThread } from './serving-thread.js';
import { type Connection, Session } from './session.js';

/** uWebSockets.js puts the user data's fields on the socket itself; `open` sets them. */
interface SocketData {
  connection: UwsConnection | undefined;
  session: Session | undefined;
}
type Socket = Uws.WebSocket<SocketData> & SocketData;

/**
 * Statuses of `send`; the others are 0 (bytes wait) and 2 (dropped, which `maxBackpressure` 0 rules
 * out).
 */
const SENT_WHOLE = 1;

class UwsConnection implements Connection {
  readonly #socket: Uws.WebSocket<SocketData>;
  #willTell = false;

  constructor(socket: Uws.WebSocket<SocketData>) {
    this.#socket = socket;
  }

  send(bytes: Uint8Array): boolean {
    return this.#socket.send(bytes, true, false) !== SENT_WHOLE;
  }

  bufferedBytes(): number {
    return this.#socket.getBufferedAmount();
  }

  close(code: number, reason: string): void {
    this.#socket.end(code, reason);
  }

  /**
   * Tells the session, in the next turn, that bytes were sent. Not at once: when a large `send`
   * inside the drain handler is taken in part, uWebSockets.js forgets to ask for the next writable
   * event (its `us_socket_write2` does not note the failure, and the dispatcher then stops
   * polling), and the rest stays where it is for good.
   */
  drained(session: Session): void {
    if (this.#willTell) return;
    this.#willTell = true;
    setImmediate(() => {
      this.#willTell = false;
      session.sent();
    });
  }
}

/** Builds the app of this thread. */
export function createUwsFrontEnd(uws: UwsModule, thread: ServingThread): FrontEnd {
  const app = uws.App() as UwsApp;
  app.ws<SocketData>('/*', {
    maxPayloadLength: receivedBytesMax(thread.config.maxMessageBytes),
    // 0 is no limit: the session pauses instead of having replies dropped.
    maxBackpressure: 0,
    idleTimeout: IDLE_TIMEOUT_SECONDS,
    sendPingsAutomatically: true,
    upgrade: (response, request, context) => upgrade(response, request, context, thread),
    open: (socket) => {
      const data = socket as Socket;
      data.connection = new UwsConnection(socket);
      data.session = new Session(thread, data.connection);
    },
    message: (socket, message, isBinary) => {
      (socket as Socket).session?.receive(new Uint8Array(message), isBinary);
    },
    drain: (socket) => {
      const { connection, session } = socket as Socket;
      if (connection && session) connection.drained(session);
    },
    close: (socket) => (socket as Socket).session?.closed(),
  });
  app.any('/*', (response, request) => {
    const method = request.getMethod().toUpperCase();
    const answer = answerHttp(
      { method, path: request.getUrl(), authorization: request.getHeader('authorization') },
      thread,
    );
    if (answer instanceof Promise) respondLater(response, answer, thread);
    else respond(response, answer, method === 'HEAD', thread.draining);
  });
  return {
    descriptor: app.getDescriptor(),
    // The acceptor has stopped by then, and hands over nothing more.
    stopAccepting: () => {},
    close: () => app.close(),
  };
}

function upgrade(
  response: Uws.HttpResponse,
  request: Uws.HttpRequest,
  context: Uws.us_socket_context_t,
  thread: ServingThread,
): void {
  const answer = answerUpgrade(
    {
      path: request.getUrl(),
      origin: request.getHeader('origin'),
      subprotocols: request.getHeader('sec-websocket-protocol'),
    },
    thread,
  );
  if (answer.refusal) {
    respond(response, answer.refusal, false, true);
    return;
  }
  response.upgrade<SocketData>(
    { connection: undefined, session: undefined },
    request.getHeader('sec-websocket-key'),
    answer.subprotocol,
    // No extensions: compression costs more than it saves on small binary frames.
    '',
    context,
  );
}

/** uWebSockets.js lets nobody touch a response whose connection has gone. */
function respondLater(
  response: Uws.HttpResponse,
  answer: Promise<HttpAnswer>,
  thread: ServingThread,
): void {
  let isGone = false;
  response.onAborted(() => {
    isGone = true;
  });
  void answer.then((ready) => {
    if (isGone) return;
    response.cork(() => respond(response, ready, false, thread.draining));
  });
}

function respond(
  response: Uws.HttpResponse,
  answer: HttpAnswer,
  isHead: boolean,
  closeConnection: boolean,
): void {
  response.writeStatus(answer.statusLine).writeHeader('content-type', answer.contentType);
  if (isHead) {
    // Told the length as an argument, uWebSockets.js waits for the body.
    response.writeHeader('content-length', `${Buffer.byteLength(answer.body)}`).endWithoutBody();
  } else {
    response.end(answer.body, closeConnection);
  }
}
