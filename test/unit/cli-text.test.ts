import { describe, expect, it } from 'vitest';
import {
  byteSize,
  decimalNumber,
  duration,
  httpUrl,
  nodeUrl,
  powerOfTwo,
  wholeNumber,
} from '#server/cli/arguments.js';
import { spread } from '#server/cli/bench-report.js';
import * as format from '#server/cli/format.js';
import { cpuSeconds, findProgram } from '#server/cli/machine.js';
import { Progress } from '#server/cli/progress.js';

describe('readers of arguments', () => {
  it('take what they should', () => {
    expect(wholeNumber(1, 10)('10')).toBe(10);
    expect(wholeNumber(1)('1_000_000')).toBe(1_000_000);
    expect(decimalNumber(0.1, 5)('.5')).toBe(0.5);
    expect(powerOfTwo('64')).toBe(64);
    expect(byteSize('64mb')).toBe(64 * 2 ** 20);
    expect(byteSize('4096')).toBe(4096);
    expect(duration('30s')).toBe(30_000);
    expect(httpUrl('[::1]:7707')).toBe('http://[::1]:7707');
    expect(httpUrl('localhost:7707')).toBe('http://localhost:7707');
    expect(httpUrl('wss://cache.example/')).toBe('https://cache.example');
    expect(httpUrl('https://example.com/cache/')).toBe('https://example.com/cache');
    expect(nodeUrl('ws+unix:/run/slabring.sock:/')).toBe('ws+unix:/run/slabring.sock:/');
  });

  it('refuse the rest, saying what is allowed', () => {
    const refused: [() => unknown, string][] = [
      [() => wholeNumber(1, 10)('11'), 'from 1 to 10'],
      [() => wholeNumber(1)('0'), 'of at least 1'],
      [() => wholeNumber(0)('1.5'), 'whole number'],
      [() => wholeNumber(0)('-1'), 'whole number'],
      [() => wholeNumber(0)(''), 'whole number'],
      [() => decimalNumber(0.1, 5)('9'), 'from 0.1 to 5'],
      [() => decimalNumber(0, 5)('1e0'), 'from 0 to 5'],
      [() => powerOfTwo('12'), 'power of two'],
      [() => powerOfTwo('0'), 'from 1 to 4096'],
      [() => byteSize('64 cats'), "such as '64mb'"],
      [() => duration('soon'), "such as '250ms'"],
      [() => httpUrl('localhost'), "'127.0.0.1:7707', 'http://HOST:PORT' or 'ws://HOST:PORT'"],
      [() => httpUrl('host:99999'), 'must look like'],
      [() => httpUrl('ws+unix:/run/slabring.sock'), 'must look like'],
      [() => nodeUrl('localhost:7707'), 'ws://127.0.0.1:7707'],
    ];
    for (const [read, message] of refused) expect(read).toThrow(message);
  });
});

describe('format', () => {
  it('writes numbers for people', () => {
    expect(format.count(1_234_567)).toBe('1,234,567');
    expect([950, 12_345, 812_345, 7_523_456].map(format.rate)).toEqual([
      '950',
      '12.3 K',
      '812 K',
      '7.52 M',
    ]);
    expect([0.0042, 0.083, 1.239, 2500].map(format.time)).toEqual([
      '4.2 us',
      '83 us',
      '1.24 ms',
      '2.50 s',
    ]);
    expect([132.4, 8412].map(format.perOperation)).toEqual(['132 ns', '8.41 us']);
    expect(format.percent(0.56239)).toBe('56.24 %');
    expect([512, 1536, 64 * 2 ** 20, 3 * 2 ** 30].map(format.bytes)).toEqual([
      '512 B',
      '1.5 KiB',
      '64 MiB',
      '3 GiB',
    ]);
  });

  it('aligns tables and facts', () => {
    const rows = [
      ['', 'ops', 'p50'],
      ['redis', '1', '22'],
    ];
    expect(format.table(rows)).toBe('       ops  p50\nredis    1   22');
    expect(
      format.facts([
        ['a', 'one'],
        ['long', 'two'],
      ]),
    ).toBe('a     one\nlong  two');
  });
});

describe('Progress', () => {
  function terminal(): { isTTY: boolean; columns: number; text: string; write(t: string): void } {
    return {
      isTTY: true,
      columns: 120,
      text: '',
      write(text) {
        this.text += text;
      },
    };
  }

  it('draws at most ten times a second, a new bar at once', () => {
    const screen = terminal();
    let nowMs = 0;
    const progress = new Progress(screen, () => nowMs);
    progress.show('filling', 0, 200);
    nowMs = 50;
    progress.show('filling', 50, 200);
    expect(screen.text).not.toContain('25 %');
    nowMs = 1000;
    progress.show('filling', 100, 200, 'so far so good');
    expect(screen.text).toContain(
      'filling ████████████░░░░░░░░░░░░  50 %  1.00 s left  so far so good',
    );
    progress.show('measuring', 0, 3);
    expect(screen.text).toContain('measuring');
    progress.finish();
    expect(screen.text.endsWith('\r\u001b[2K')).toBe(true);
  });

  it('never fills the line, where it would wrap', () => {
    const screen = { ...terminal(), columns: 20 };
    new Progress(screen, () => 0).show('a label that is long', 1, 2, 'a note');
    expect(screen.text.replace('\r\u001b[2K', '')).toHaveLength(19);
  });

  it('writes nothing where nobody watches', () => {
    const pipe = { ...terminal(), isTTY: false };
    const progress = new Progress(pipe, () => 0);
    progress.show('filling', 1, 2);
    progress.finish();
    expect(pipe.text).toBe('');
  });
});

describe('spread', () => {
  it('is the median with least and most', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(spread([10, 9])).toEqual({ median: 9.5, min: 9, max: 10 });
  });

  it('is not known when one value is not', () => {
    expect(spread([])).toBeUndefined();
    expect(spread([1, undefined])).toBeUndefined();
  });
});

describe('the machine', () => {
  it('knows programs on PATH and its own CPU time', () => {
    expect(findProgram('no-such-program-anywhere')).toBeUndefined();
    expect(findProgram('sh')).toMatch(/\/sh$/);
    const used = process.cpuUsage();
    const seconds = cpuSeconds(process.pid);
    if (process.platform === 'linux') {
      // /proc counts in hundredths of a second, and this process went on between the two readings.
      expect(Math.abs(seconds! - (used.user + used.system) / 1e6)).toBeLessThan(0.1);
      expect(cpuSeconds(0x3fffffff)).toBeUndefined();
    } else {
      expect(seconds).toBeUndefined();
    }
  });
});
