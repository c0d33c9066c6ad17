/** What a member of a collection takes in redis-server, by its own account. */
import { Buffer } from 'node:buffer';
import { connect, type Socket } from 'node:net';
import { startRedis } from '../../server/cli/processes.js';

/** How each kind is filled. */
const FILLS: Readonly<Record<string, (member: string, number: number) => string[]>> = {
  list: (member) => ['RPUSH', 'l', member],
  set: (member) => ['SADD', 's', member],
  hash: (member) => ['HSET', 'h', member, 'v'.repeat(32)],
  'sorted set': (member, number) => ['ZADD', 'z', String((number * 7919) % 1_000_003), member],
};
const PIPELINE = 1000;

/** By kind, bytes of `used_memory` for each member. */
export async function bytesPerMemberInRedis(members: number): Promise<Record<string, number>> {
  const server = await startRedis(1);
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  const bytes: Record<string, number> = {};
  try {
    for (const [kind, fill] of Object.entries(FILLS)) {
      const before = await usedMemory(socket);
      for (let first = 0; first < members; first += PIPELINE) {
        const count = Math.min(PIPELINE, members - first);
        const commands = Array.from({ length: count }, (_, i) =>
          fill(`member:${String(first + i).padStart(9, '0')}`, first + i),
        );
        await ask(socket, commands);
      }
      bytes[kind] = ((await usedMemory(socket)) - before) / members;
    }
  } finally {
    socket.destroy();
    await server.stop();
  }
  return bytes;
}

async function usedMemory(socket: Socket): Promise<number> {
  const text = await ask(socket, [['INFO', 'memory'], ['PING']], '+PONG\r\n');
  return Number(/used_memory:(\d+)/.exec(text)![1]);
}

/** Sends commands; what came until as many lines, or `end`. */
function ask(socket: Socket, commands: readonly string[][], end?: string): Promise<string> {
  socket.write(
    commands
      .map((parts) => {
        const words = parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
        return `*${parts.length}\r\n${words.join('')}`;
      })
      .join(''),
  );
  return new Promise((resolve, reject) => {
    let text = '';
    let lines = 0;
    const onData = (data: Buffer): void => {
      text += data.toString('latin1');
      for (const byte of data) lines += Number(byte === 10);
      const isOver = end === undefined ? lines >= commands.length : text.endsWith(end);
      if (!isOver) return;
      socket.off('data', onData).off('error', reject);
      resolve(text);
    };
    socket.on('data', onData).on('error', reject);
  });
}
