/**
 * The kernel, compiled anew with a call of `Date.now()` behind every statement: whoever replaces
 * that function gets control between any two steps of the kernel, and can do there what another
 * thread might do.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from 'assemblyscript/asc';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const KERNEL = 'engine/kernel/';

/** A change of the sources: in the file, the text, which must be there once, becomes another. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Whole statements on a line of their own, and the last lines of longer ones; none that control
 * does not pass.
 */
const STATEMENT = /^ +(?!return\b|break;|continue;|case\b|default\b|\/\/|\*)\S.*;$/;
const CLASS_FIELD = /^ +\w+: [\w<>]+;$/;

/** `env.now` is the host's clock, which the kernel imports anyway (engine/kernel/read.ts). */
const YIELD = `
@external('env', 'now')
declare function yieldNow(): f64;
function yieldPoint(): void {
  yieldNow();
}
`;

function withYields(source: string): string {
  const lines = source.split('\n');
  const marked = lines.map((line, i) => {
    const isElseNext = /^ *else\b/.test(lines[i + 1] ?? '');
    const isPoint = STATEMENT.test(line) && !CLASS_FIELD.test(line) && !isElseNext;
    return isPoint ? `${line} yieldPoint();` : line;
  });
  return marked.join('\n') + YIELD;
}

function edited(name: string, source: string, edits: readonly Edit[]): string {
  let text = source;
  for (const { file, from, to } of edits) {
    if (name !== KERNEL + file) continue;
    if (text.split(from).length !== 2) throw new Error(`${name} does not say once: ${from}`);
    text = text.replace(from, () => to);
  }
  return text;
}

/**
 * Compiles the kernel with yields in the files that a pattern matches, after these edits. It
 * takes a second or two.
 */
export async function compileKernel(
  yieldsIn: RegExp,
  edits: readonly Edit[] = [],
): Promise<WebAssembly.Module> {
  const { options } = JSON.parse(readFileSync(join(ROOT, KERNEL, 'asconfig.json'), 'utf8'));
  const features = (options.enable as string[]).flatMap((name) => ['--enable', name]);
  const memory = ['--importMemory', '--sharedMemory'];
  const pages = ['--initialMemory', `${options.initialMemory}`];
  pages.push('--maximumMemory', `${options.maximumMemory}`);
  const args = [`${KERNEL}index.ts`, '--outFile', 'kernel.wasm', '--runtime', 'stub', '--noAssert'];
  let wasm: Uint8Array | undefined;
  let failure = '';
  const { error } = await main([...args, ...memory, ...pages, ...features], {
    stderr: {
      write: (text: string | Uint8Array) => {
        failure += text;
      },
    },
    readFile: (name: string) => {
      try {
        const source = readFileSync(join(ROOT, name), 'utf8');
        if (!name.startsWith(KERNEL)) return source;
        const text = edited(name, source, edits);
        return yieldsIn.test(name) ? withYields(text) : text;
      } catch (cause) {
        // The compiler asks for files that may be there, such as index.ts of a folder.
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw cause;
      }
    },
    writeFile: (_name: string, contents: Uint8Array | string) => {
      if (typeof contents !== 'string') wasm = contents;
    },
    listFiles: () => [],
  });
  if (error || !wasm)
    throw new Error(`the kernel with yields does not compile: ${failure}`, { cause: error });
  return new WebAssembly.Module(wasm as BufferSource);
}
