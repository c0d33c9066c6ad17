/** Where seeds come from: what is read, what is refused, and that a lone node looks again. */
import { describe, expect, it } from 'vitest';
import { World } from '#bench/sim/world.js';
import {
  lookUpSeeds,
  readSeedList,
  readSeedSource,
  type SeedLookups,
  SeedWatch,
} from '#server/cluster/membership/seeds.js';

const nothing: SeedLookups = {
  resolve: () => Promise.reject(new Error('not asked for')),
  readFile: () => Promise.reject(new Error('not asked for')),
};

describe('a source of seeds', () => {
  it.each([
    ['a:1', { kind: 'list', addresses: ['a:1'] }],
    [
      ' a.b-c:1 , [::1]:2,10.0.0.1:65535,',
      { kind: 'list', addresses: ['a.b-c:1', '[::1]:2', '10.0.0.1:65535'] },
    ],
    ['dns:slabring.default.svc:7708', { kind: 'dns', name: 'slabring.default.svc', port: 7708 }],
    ['file:/etc/seeds, all', { kind: 'file', path: '/etc/seeds, all' }],
  ])('is read: %s', (text, source) => {
    expect(readSeedSource(text)).toEqual(source);
  });

  it.each([
    ['', /there is no address in it; allowed are 'host:port,\.\.\.', 'dns:NAME:PORT' or 'file:/],
    [',', /there is no address/],
    ['host', /'host' has no port/],
    ['host:', /'' is no port from 1 to 65535/],
    ['host:0', /'0' is no port/],
    ['host:65536', /'65536' is no port/],
    ['host:1e3', /'1e3' is no port/],
    [':7', /a host is missing/],
    ['a b:7', /'a b' is no host/],
    ['-a:7', /'-a' is no host/],
    ['::1:7', /the IPv6 address '::1' must stand in brackets/],
    ['[::g]:7', /'::g' is no IPv6 address/],
    ['a:1,b', /'b' has no port/],
    ['dns:name', /'name' has no port/],
    ['dns:10.0.0.1:7', /'10\.0\.0\.1' is an address, not a name/],
    ['file:', /no path stands behind 'file:'/],
  ])('is refused: %s', (text, reason) => {
    expect(() => readSeedSource(text)).toThrow(reason);
  });

  it('is a list only for who is on another machine', () => {
    expect(readSeedList('a:1, [::1]:2')).toEqual(['a:1', '[::1]:2']);
    expect(() => readSeedList('host')).toThrow(/'host' has no port; allowed are 'host:port,...'$/);
    for (const text of ['dns:a:1', ' file:seeds']) {
      expect(() => readSeedList(text)).toThrow('only addresses can be joined');
    }
  });
});

describe('seeds are looked up', () => {
  it('in DNS: all addresses of the name, each once', async () => {
    const resolve = (name: string) =>
      Promise.resolve(name === 'ring' ? ['10.0.0.2', '::1', '10.0.0.1', '10.0.0.2'] : []);
    const found = await lookUpSeeds(readSeedSource('dns:ring:7'), { ...nothing, resolve });
    expect(found).toEqual(['10.0.0.1:7', '10.0.0.2:7', '[::1]:7']);
  });

  it('in a file, whose errors have their line', async () => {
    const read = (content: string) => ({ ...nothing, readFile: () => Promise.resolve(content) });
    const source = readSeedSource('file:seeds');
    const content = '# all\n\na:1 # first\r\n  [::1]:2\na:1\n';
    expect(await lookUpSeeds(source, read(content))).toEqual(['a:1', '[::1]:2']);
    await expect(lookUpSeeds(source, read('a:1\nb\n'))).rejects.toThrow(
      "seeds 'file:seeds, line 2': 'b' has no port",
    );
  });
});

it('a node looks at once, again while it is alone, and after what failed', async () => {
  const world = new World({ seed: 1 });
  const { clock } = world.machine('a:1').start();
  const answers = [['10.0.0.1'], new Error('no such name'), [], ['10.0.0.2']];
  const joined: (readonly string[])[] = [];
  const warnings: string[] = [];
  let isAlone = true;
  const watch = new SeedWatch({
    source: readSeedSource('dns:ring:7'),
    lookups: {
      ...nothing,
      resolve: async () => {
        const answer = answers.shift()!;
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    ...{ clock, intervalMs: 1000, isAlone: () => isAlone },
    join: (addresses) => joined.push(addresses),
    onWarning: (text) => warnings.push(text),
  });
  await watch.start();
  expect(joined).toEqual([['10.0.0.1:7']]);
  await world.runAwaiting(1500);
  expect(warnings).toEqual(['seeds were not found: no such name']);
  isAlone = false;
  await world.runAwaiting(5000);
  expect(answers.length).toBe(2);
  isAlone = true;
  await world.runAwaiting(2500);
  expect(joined).toEqual([['10.0.0.1:7'], ['10.0.0.2:7']]);
  watch.stop();
  await world.runAwaiting(5000);
  expect(joined.length).toBe(2);
});
