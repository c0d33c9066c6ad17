/** Whom the client believes, of nodes that do not agree who is alive. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClusterNode } from '#client/cluster-node.js';
import { ViewChoice } from '#client/view-choice.js';
import type { ClusterView } from '#engine/cluster-view.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** As the first of its nodes sees it: a capital is a live node, so 'Bac' is told by b. */
function viewOf(letters: string): ClusterView {
  const names = [...letters].map((letter) => letter.toLowerCase());
  const nodes = [...letters].map((letter, i) => ({
    ...{ id: `${names[i]}${i}`, name: names[i]!, url: `ws://${names[i]}`, zone: null },
    live: letter !== names[i],
  }));
  return { name: 'x', version: 1, self: 0, copies: 1, nodes, slots: new Uint8Array(0) };
}

/** What a node answers: its view, nothing for ever, or that it cannot be asked. */
type Answers = Readonly<Record<string, string | 'silent' | 'down'>>;

function start(present: string, answers: Answers) {
  const asked: string[] = [];
  const done: string[] = [];
  const letters = new Map<ClusterView, string>();
  const view = (text: string) => {
    const made = viewOf(text);
    letters.set(made, text);
    return made;
  };
  const world = {
    view: present === '' ? undefined : view(present),
    isControlled: true,
    nodes: () => {
      const live = world.view!.nodes.filter((node) => node.live);
      return live.map(({ name, url }) => ({ url, ask: () => ask(name) }) as ClusterNode);
    },
    follow: (followed: ClusterView) => {
      world.view = followed;
      done.push(`follow ${letters.get(followed)}`);
    },
    move: (url: string) => done.push(`move ${url}`),
  };
  function ask(name: string): Promise<ClusterView | undefined> {
    asked.push(name);
    const answer = answers[name];
    if (answer === 'silent') return new Promise(() => {});
    if (answer === undefined || answer === 'down') return Promise.reject(new Error('down'));
    return Promise.resolve(view(answer));
  }
  return { choice: new ViewChoice(world), world, asked, done, view };
}

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('what the node says that is asked', () => {
  it.each(['ABC', 'ABc', 'AB', 'Ab', 'ABcd'])('is believed where it is %s', async (told) => {
    const { choice, asked, done, view } = start('ABCD', {});
    choice.hear(view(told));
    expect([asked, done]).toEqual([[], [`follow ${told}`]]);
  });

  it('is believed where nothing was known before', () => {
    const { choice, done, view } = start('', {});
    choice.hear(view('Abc'));
    expect(done).toEqual(['follow Abc']);
  });

  it('is not where another one sees more', async () => {
    const { choice, asked, done, view } = start('ABC', { b: 'BCa', c: 'BCa' });
    choice.hear(view('Abc'));
    await settle();
    expect(asked).toEqual(['b', 'c']);
    expect(done).toEqual(['follow BCa', 'move ws://b']);
  });

  it('is believed where others see no more', async () => {
    const { choice, done, view } = start('ABC', { b: 'Bac', c: 'Cab' });
    choice.hear(view('Abc'));
    await settle();
    expect(done).toEqual(['follow Abc']);
  });

  it('is believed at once where no other one can be asked', async () => {
    const { choice, done, view } = start('ABC', {});
    choice.hear(view('Abc'));
    await settle();
    expect(done).toEqual(['follow Abc']);
    const alone = start('Abc', {});
    alone.choice.hear(alone.view('Abcd'));
    expect(alone.done).toEqual(['follow Abcd']);
  });

  it('is believed after a second where they are silent', async () => {
    const { choice, done, view } = start('ABC', { b: 'silent', c: 'silent' });
    choice.hear(view('Abc'));
    await vi.advanceTimersByTimeAsync(990);
    expect(done).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(done).toEqual(['follow Abc']);
  });

  it('counts nodes, not how often they were started', async () => {
    const { choice, asked, done, view } = start('ABC', {});
    choice.hear(view('ABCaabbc'));
    expect([asked, done]).toEqual([[], ['follow ABCaabbc']]);
  });

  it('is believed when it sees most again while others are asked', async () => {
    const { choice, done, view } = start('ABC', { b: 'silent', c: 'silent' });
    choice.hear(view('Abc'));
    choice.hear(view('ABc'));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(done).toEqual(['follow ABc']);
  });

  it('is not, where the others went one after the other', async () => {
    const { choice, done, view } = start('ABCDE', { d: 'DBCEa', e: 'DBCEa' });
    for (const told of ['AbCDE', 'AbcDE', 'AbcdE']) choice.hear(view(told));
    await settle();
    expect(done.slice(2)).toEqual(['follow DBCEa', 'move ws://d']);
  });
});

describe('what another node says', () => {
  it('does not matter as long as it does not say that the first is dead', () => {
    const { choice, asked, done, view } = start('ABC', {});
    choice.overhear(view('BAc'));
    expect([asked, done]).toEqual([[], []]);
  });

  it('is believed when most say that the first is dead, which itself is silent', async () => {
    const { choice, done, view } = start('ABC', { a: 'silent', b: 'BCa', c: 'CBa' });
    choice.overhear(view('BCa'));
    await settle();
    expect(done).toEqual(['follow BCa', 'move ws://b']);
  });

  it('is believed by most, though the first takes more for live than they do', async () => {
    const { choice, done, view } = start('ABCDe', {
      a: 'ABCDE',
      b: 'BCDEa',
      c: 'CBDEa',
      d: 'silent',
    });
    choice.overhear(view('BCDEa'));
    await settle();
    expect(done).toEqual(['follow BCDEa', 'move ws://b']);
  });

  it('is not when others, or the first itself, see more', async () => {
    for (const answers of [
      { a: 'ABC', b: 'BCa', c: 'CAB' },
      { a: 'silent', b: 'BCa', c: 'CAB' },
    ]) {
      const { choice, done, view } = start('ABC', answers);
      choice.overhear(view('BCa'));
      await settle();
      expect(done).toEqual([]);
    }
  });

  it('is not when it sees hardly anybody', () => {
    const { choice, asked, view } = start('ABC', {});
    choice.overhear(view('Bac'));
    expect(asked).toEqual([]);
  });

  it('is believed while nobody is there to be asked', () => {
    const { choice, world, done, view } = start('ABC', {});
    world.isControlled = false;
    choice.overhear(view('BCa'));
    expect(done).toEqual(['follow BCa']);
  });

  it('changes nothing after the end', async () => {
    const { choice, done, view } = start('ABC', { b: 'BCa', c: 'BCa' });
    choice.hear(view('Abc'));
    choice.end();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(done).toEqual([]);
  });
});
