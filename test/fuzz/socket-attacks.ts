/** What a client can do to a node's port, right and wrong, and what must come of it. */
import { hostileFrame } from '../support/fuzz-frames.js';
import { randomValue, splitValues } from '../support/fuzz-msgpack.js';
import type { Random } from '../support/fuzz-random.mjs';
import { checkReplies, judgeFrame, shorten } from '../support/fuzz-replies.js';
import {
  clientFrame,
  closeCodeOf,
  Opcode,
  RawSocket,
  type ServerFrame,
  upgradeRequest,
} from '../support/fuzz-socket.js';

const MAX_MESSAGE_BYTES = 128 * 1024;
/** Up to here a message is refused with a code, beyond it may be dropped (server/limits.ts). */
const OVERSIZE_BYTES = 4 * MAX_MESSAGE_BYTES;
/** Connections that are left as they are, at most. */
const HALF_OPEN_MAX = 12;

/**
 * Those of docs/PROTOCOL.md, those of RFC 6455 for violations, and a client's own code, said back
 * to it.
 */
const CLOSE_CODES = [1000, 1002, 1003, 1005, 1007, 1009];

type Attack = (random: Random) => Promise<void>;

export class Attacks {
  /** Of the connections left open, those that are WebSockets. */
  openConnections = 0;
  readonly #port: number;
  readonly #canary: string | undefined;
  readonly #halfOpen: { socket: RawSocket; isUpgraded: boolean }[] = [];
  readonly #attacks: readonly Attack[];

  constructor(port: number, canary?: string) {
    this.#port = port;
    this.#canary = canary;
    const frames = (random: Random) => this.#sendFrames(random);
    this.#attacks = [
      ...[frames, frames, frames, frames],
      (random) => this.#sendText(random),
      (random) => this.#violate(random),
      (random) => this.#violate(random),
      (random) => this.#oversize(random),
      (random) => this.#talkNonsense(random),
      (random) => this.#leaveHalfOpen(random),
      (random) => this.#resetAmidst(random),
    ];
  }

  attack(random: Random): Promise<void> {
    return random.pick(this.#attacks)(random);
  }

  close(): void {
    for (const { socket } of this.#halfOpen) socket.reset();
  }

  async #open(): Promise<RawSocket> {
    const socket = await RawSocket.connect(this.#port);
    await socket.upgrade();
    return socket;
  }

  /** The next frame from the server, pongs passed over, with what the canary does to it. */
  async #next(socket: RawSocket): Promise<ServerFrame | undefined> {
    for (;;) {
      const frame = await socket.next();
      if (frame?.opcode === Opcode.PONG) continue;
      if (frame?.opcode === Opcode.BINARY && this.#canary === 'a reply is cut off') {
        frame.payload = frame.payload.subarray(0, -1);
      }
      if (frame?.opcode === Opcode.CLOSE && this.#canary === 'a close has another code') {
        frame.payload = Buffer.from([0x03, 0xe8]);
      }
      return frame;
    }
  }

  /** Well-formed messages with anything in them: all are answered until one is refused. */
  async #sendFrames(random: Random): Promise<void> {
    const socket = await this.#open();
    for (let left = random.between(1, 4); left > 0; left--) {
      const frame = hostileFrame(random);
      this.#dribble(random, socket, this.#messageOf(random, frame));
      const request = judgeFrame(frame);
      const answer = await this.#next(socket);
      if (frame.length > OVERSIZE_BYTES && answer === undefined) return;
      if (frame.length > MAX_MESSAGE_BYTES) return this.#expectClose(socket, answer, [1009], frame);
      if (request.isBroken) return this.#expectClose(socket, answer, [1007], frame);
      if (answer?.opcode !== Opcode.BINARY) throw unexpected(answer, 'a reply', frame);
      checkReplies(request, answer.payload);
    }
    await this.#leave(socket);
  }

  /** A message as one frame or several, with pings between them. */
  #messageOf(random: Random, payload: Buffer): Buffer {
    if (random.chance(0.6)) return clientFrame(Opcode.BINARY, payload);
    const parts: Buffer[] = [];
    let at = 0;
    for (let isLast = false; !isLast; ) {
      isLast = random.chance(0.4);
      const opcode = parts.length === 0 ? Opcode.BINARY : Opcode.CONTINUATION;
      const end = isLast ? payload.length : at + random.below(payload.length - at + 1);
      parts.push(clientFrame(opcode, payload.subarray(at, end), { fin: isLast }));
      if (random.chance(0.3)) parts.push(clientFrame(Opcode.PING, random.bytes(random.below(126))));
      at = end;
    }
    return Buffer.concat(parts);
  }

  /** Writes in one piece or in several. */
  #dribble(random: Random, socket: RawSocket, bytes: Buffer): void {
    let at = 0;
    while (random.chance(0.3) && at < bytes.length) {
      const end = at + random.between(1, 40);
      socket.write(bytes.subarray(at, end));
      at = end;
    }
    socket.write(bytes.subarray(at));
  }

  /** Says goodbye as RFC 6455 has it, and is said goodbye to. */
  async #leave(socket: RawSocket): Promise<void> {
    socket.write(clientFrame(Opcode.CLOSE, Buffer.from([0x03, 0xe8])));
    const answer = await this.#next(socket);
    await this.#expectClose(socket, answer, [1000, 1005], Buffer.alloc(0));
  }

  /** The node has closed with one of these codes, and its side of the connection ends. */
  async #expectClose(
    socket: RawSocket,
    frame: ServerFrame | undefined,
    codes: readonly number[],
    sent: Buffer,
  ): Promise<void> {
    if (frame?.opcode !== Opcode.CLOSE) throw unexpected(frame, `close ${codes}`, sent);
    const code = closeCodeOf(frame);
    if (!codes.includes(code))
      throw new Error(`closed with ${code}, not ${codes}: ${shorten(sent)}`);
    socket.write(clientFrame(Opcode.CLOSE, frame.payload.subarray(0, 2)));
    await socket.over();
  }

  async #sendText(random: Random): Promise<void> {
    const socket = await this.#open();
    const isUtf8 = random.chance(0.7);
    const text = isUtf8
      ? Buffer.from('grüße'.repeat(random.below(30)))
      : Buffer.from('\xff\xfe', 'latin1');
    socket.write(clientFrame(Opcode.TEXT, text));
    const answer = await this.#next(socket);
    if (isUtf8 || answer)
      await this.#expectClose(socket, answer, isUtf8 ? [1003] : [1003, 1007], text);
  }

  /** Frames that RFC 6455 forbids. */
  async #violate(random: Random): Promise<void> {
    const socket = await this.#open();
    const ping = Buffer.from([1, 0x91, 1]);
    const close = (payload: Buffer) => clientFrame(Opcode.CLOSE, payload);
    const bad = random.pick([
      () => clientFrame(Opcode.BINARY, ping, { masked: false }),
      () => clientFrame(Opcode.BINARY, ping, { reserved: random.between(1, 7) }),
      () => clientFrame(random.pick([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), ping),
      () => clientFrame(Opcode.PING, random.bytes(126)),
      () => clientFrame(random.pick([Opcode.PING, Opcode.PONG]), ping, { fin: false }),
      () => clientFrame(Opcode.CONTINUATION, ping),
      () => {
        const first = clientFrame(Opcode.BINARY, ping, { fin: false });
        return Buffer.concat([first, clientFrame(Opcode.BINARY, ping)]);
      },
      () => clientFrame(Opcode.BINARY, ping, { declaredLength: 2n ** 63n + 1n }),
      () => clientFrame(Opcode.BINARY, ping, { declaredLength: BigInt(OVERSIZE_BYTES + 1) }),
      () => close(Buffer.of(3)),
      () => close(Buffer.from([0x03, random.pick([0xec, 0xed, 0xee, 0xf7])])), // 1004 to 1006, 1015
      () => close(Buffer.from([0, 1])),
      () => close(Buffer.from([0x03, 0xe8, 0xff, 0xfe])),
    ])();
    socket.write(bad);
    socket.end();
    await this.#takeRest(socket, bad);
  }

  /**
   * Until the end, nothing but replies and one close. What violates RFC 6455 may be closed, dropped
   * or, where it can be understood all the same, answered.
   */
  async #takeRest(socket: RawSocket, sent: Buffer): Promise<void> {
    for (let frame = await this.#next(socket); frame; frame = await this.#next(socket)) {
      const isClose = frame.opcode === Opcode.CLOSE && CLOSE_CODES.includes(closeCodeOf(frame));
      const isReply = frame.opcode === Opcode.BINARY && splitValues(frame.payload) !== undefined;
      if (!isClose && !isReply) throw unexpected(frame, 'a close or a reply', sent);
    }
  }

  /** A message above the limit, in one frame or in two. */
  async #oversize(random: Random): Promise<void> {
    const socket = await this.#open();
    const length = random.between(MAX_MESSAGE_BYTES + 1, OVERSIZE_BYTES - 100);
    const payload = Buffer.alloc(length, 0xc0);
    payload[0] = 1;
    socket.write(this.#messageOf(random, payload));
    await this.#expectClose(socket, await this.#next(socket), [1009], payload.subarray(0, 10));
  }

  /**
   * Anything but an upgrade, then the end: the node ends its side as well, whatever it says before.
   */
  async #talkNonsense(random: Random): Promise<void> {
    const socket = await RawSocket.connect(this.#port);
    const request = upgradeRequest();
    const nonsense = random.pick([
      () => random.bytes(random.below(2000)),
      () => Buffer.from('GET /healthz HTTP/1.1\r\nHost: fuzz\r\n\r\n'.repeat(random.between(1, 5))),
      () => Buffer.from(`POST /stats HTTP/1.1\r\nHost: f\r\nContent-Length: 100000\r\n\r\nshort`),
      () => request.subarray(0, random.below(request.length)),
      () => {
        const spoilt = Buffer.from(request);
        for (let i = random.between(1, 5); i > 0; i--) {
          spoilt[random.below(spoilt.length)] = random.word();
        }
        return spoilt;
      },
      () => Buffer.concat([request, random.bytes(random.between(1, 300))]),
      () => clientFrame(Opcode.BINARY, randomValue(random)),
      () => Buffer.from(`GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: fuzz\r\n\r\n`),
      () => Buffer.from(`GET / HTTP/1.1\r\n${'X-Many: x\r\n'.repeat(3000)}\r\n`),
    ])();
    this.#dribble(random, socket, nonsense);
    socket.end();
    await socket.over();
  }

  /** Stops in the middle and stays. The oldest of those who stay go. */
  async #leaveHalfOpen(random: Random): Promise<void> {
    const isUpgraded = random.chance(0.6);
    const socket = isUpgraded ? await this.#open() : await RawSocket.connect(this.#port);
    if (isUpgraded) this.openConnections++;
    const whole = isUpgraded ? clientFrame(Opcode.BINARY, random.bytes(500)) : upgradeRequest();
    socket.write(whole.subarray(0, random.below(whole.length)));
    this.#halfOpen.push({ socket, isUpgraded });
    if (this.#halfOpen.length <= HALF_OPEN_MAX) return;
    const oldest = this.#halfOpen.shift()!;
    if (oldest.isUpgraded) this.openConnections--;
    oldest.socket.reset();
  }

  /** Sends more than it reads, and is gone. */
  async #resetAmidst(random: Random): Promise<void> {
    const socket = await this.#open();
    for (let left = random.between(1, 30); left > 0; left--) {
      socket.write(clientFrame(Opcode.BINARY, hostileFrame(random)));
    }
    if (random.chance(0.5)) await socket.next();
    socket.reset();
  }
}

function unexpected(frame: ServerFrame | undefined, wanted: string, sent: Buffer): Error {
  const came = !frame
    ? 'the connection was dropped'
    : frame.opcode === Opcode.CLOSE
      ? `closed with ${closeCodeOf(frame)} ${frame.payload.toString('utf8', 2)}`
      : `opcode ${frame.opcode}: ${shorten(frame.payload)}`;
  return new Error(`${came} instead of ${wanted}, having sent ${shorten(sent)}`);
}
