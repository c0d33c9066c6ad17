import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { countObjects, readTrace } from '#server/cli/trace.js';

const folder = mkdtempSync(join(tmpdir(), 'slabring-trace-'));
afterAll(() => rmSync(folder, { recursive: true }));

function words(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length);
  numbers.forEach((number, index) => {
    bytes.writeUInt32LE(number, 4 * index);
  });
  return bytes;
}

function file(name: string, bytes: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe('readTrace', () => {
  it('reads plain and gzipped traces alike', () => {
    const ids = [0, 1, 0, 4_294_967_295];
    for (const path of [file('a.u32', words(...ids)), file('b.u32.gz', gzipSync(words(...ids)))]) {
      const trace = readTrace(path);
      expect([...trace.ids]).toEqual(ids);
      expect(trace.sizes).toBeUndefined();
      expect(countObjects(trace.ids)).toBe(3);
    }
    expect(readTrace(join(folder, 'b.u32.gz')).name).toBe('b');
  });

  it('reads the sizes beside a trace, and keeps both in step under a limit', () => {
    const path = file('s.u32.gz', gzipSync(words(0, 1, 2)));
    file('s.size.u32.gz', gzipSync(words(10, 20, 30)));
    const trace = readTrace(path, { withSizes: true, limit: 2 });
    expect([...trace.ids]).toEqual([0, 1]);
    expect([...trace.sizes!]).toEqual([10, 20]);
  });

  it('finds the shipped traces by name, with the numbers their README states', () => {
    const web = readTrace('cache2k-web07');
    expect([web.ids.length, countObjects(web.ids)]).toEqual([76_118, 20_484]);
    const nasa = readTrace('nasa-http-19950801', { withSizes: true });
    expect([nasa.ids.length, countObjects(nasa.ids)]).toEqual([30_297, 1_739]);
    expect(Math.max(...nasa.sizes!)).toBe(1_269_716);
  });

  it('says what is wrong with a file', () => {
    const cases: [() => unknown, RegExp][] = [
      [() => readTrace('no-such-trace'), /no trace 'no-such-trace'.*cache2k-web07/],
      [() => readTrace(file('odd.u32', Buffer.alloc(7))), /odd\.u32 has 7 bytes.*multiple of 4/],
      [() => readTrace(file('empty.u32', Buffer.alloc(0))), /no accesses/],
      [() => readTrace(file('bad.u32.gz', words(1, 2))), /bad\.u32\.gz is not a gzip file/],
      [() => readTrace(folder), /cannot read/],
      [
        () => readTrace(file('lone.u32', words(1)), { withSizes: true }),
        /--sizes needs the file lone\.size\.u32\.gz/,
      ],
      [
        () => {
          file('two.size.u32', words(1));
          return readTrace(file('two.u32', words(1, 2)), { withSizes: true });
        },
        /has 1 sizes for a trace of 2 accesses/,
      ],
    ];
    for (const [read, message] of cases) expect(read).toThrow(message);
  });
});
