/** A WebSocket client that can do everything wrong, on a bare TCP socket. */
import { connect, type Socket } from 'node:net';

export const Opcode = {
  CONTINUATION: 0,
  TEXT: 1,
  BINARY: 2,
  CLOSE: 8,
  PING: 9,
  PONG: 10,
} as const;

/** A frame from the server. */
export interface ServerFrame {
  opcode: number;
  payload: Buffer;
}

export interface FrameForm {
  fin?: boolean;
  /** The three reserved bits, 0 to 7. */
  reserved?: number;
  masked?: boolean;
  /** What the header says instead of the true length. */
  declaredLength?: bigint;
}

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: fuzz',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: ZnV6emluZyBpcyBmdW4hIQ==',
  '\r\n',
].join('\r\n');

/** The bytes of an upgrade request, for whoever wants to spoil them. */
export const upgradeRequest = (): Buffer => Buffer.from(UPGRADE);

/** The bytes of a frame from a client. */
export function clientFrame(opcode: number, payload: Buffer, form: FrameForm = {}): Buffer {
  const { fin = true, reserved = 0, masked = true } = form;
  const length = form.declaredLength ?? BigInt(payload.length);
  const head = [(fin ? 0x80 : 0) | (reserved << 4) | opcode];
  const maskBit = masked ? 0x80 : 0;
  const lengthBytes = length < 126n ? 0 : length < 0x10000n ? 2 : 8;
  head.push(maskBit | (lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127));
  for (let i = lengthBytes - 1; i >= 0; i--) head.push(Number((length >> BigInt(8 * i)) & 0xffn));
  if (!masked) return Buffer.concat([Buffer.from(head), payload]);
  const mask = [0x5a, 0x00, 0xc3, 0x81];
  const hidden = payload.map((byte, i) => byte ^ mask[i & 3]!);
  return Buffer.concat([Buffer.from([...head, ...mask]), hidden]);
}

/** How long anything may take on a machine that is busy with other tests. */
const PATIENCE_MS = 15_000;

/** The connection did not do what was waited for. */
export class Silence extends Error {}

export class RawSocket {
  static async connect(port: number): Promise<RawSocket> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.setNoDelay(true);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawSocket(socket);
  }

  /**
   * What came before the first WebSocket frame: the head of an HTTP response, or whatever it is.
   */
  response = '';
  /** Frames that came and were not taken yet. */
  readonly frames: ServerFrame[] = [];
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #isUpgraded = false;
  /** Nothing more will come. */
  #isOver = false;
  #wake = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#take(chunk));
    // A reset is one way for the server to end a connection; 'close' follows.
    socket.on('error', () => {});
    const over = () => {
      this.#isOver = true;
      socket.end();
      this.#wake();
    };
    socket.on('end', over);
    socket.on('close', over);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  write(bytes: Buffer): void {
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(bytes);
  }

  /** Ends our side; the server then ends its side. */
  end(): void {
    this.#socket.end();
  }

  /** Goes without a word. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Becomes a WebSocket. */
  async upgrade(): Promise<void> {
    this.write(upgradeRequest());
    await this.#until(() => this.#isUpgraded);
    if (!this.response.startsWith('HTTP/1.1 101 ')) throw new Error(`no upgrade: ${this.response}`);
  }

  /** The next frame, or undefined when the connection is over. */
  async next(): Promise<ServerFrame | undefined> {
    await this.#until(() => this.frames.length > 0 || this.#isOver);
    return this.frames.shift();
  }

  /** Waits for the end of the connection. */
  async over(): Promise<void> {
    await this.#until(() => this.#isOver);
  }

  #until(isTrue: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Silence(`nothing came for ${PATIENCE_MS} ms, the connection is still open`));
      }, PATIENCE_MS);
      this.#wake = () => {
        if (!isTrue() && !this.#isOver) return;
        clearTimeout(timer);
        resolve();
      };
      this.#wake();
    });
  }

  #take(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (!this.#isUpgraded) this.#takeResponse();
    if (this.#isUpgraded) this.#takeFrames();
    this.#wake();
  }

  #takeResponse(): void {
    this.response = this.#bytes.toString('latin1');
    const end = this.#bytes.indexOf('\r\n\r\n');
    if (end < 0 || !this.response.startsWith('HTTP/1.1 101 ')) return;
    this.#isUpgraded = true;
    this.#bytes = this.#bytes.subarray(end + 4);
  }

  #takeFrames(): void {
    for (;;) {
      const bytes = this.#bytes;
      if (bytes.length < 2) return;
      const short = bytes[1]! & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length < head) return;
      const length =
        head === 2 ? short : head === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
      if (bytes.length < head + length) return;
      const payload = bytes.subarray(head, head + length);
      this.frames.push({ opcode: bytes[0]! & 15, payload });
      this.#bytes = bytes.subarray(head + length);
    }
  }
}

/** The code of a close frame; 1005 as RFC 6455 has it when there is none. */
export function closeCodeOf({ payload }: ServerFrame): number {
  return payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
}
