/**
 * Compiles the kernel to dist/engine/kernel.wasm, as `asc` does with asconfig.json, with two
 * differences: nothing is done when nothing has changed (compiling takes some ten seconds), and one
 * message is left out.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = join(ROOT, 'engine/kernel');
const OUTPUT = join(ROOT, 'dist/engine/kernel.wasm');
/** What the output was made from, and what it was then. */
const STAMP = `${OUTPUT}.stamp`;

/**
 * The optimizer works until a pass makes the module no smaller; asc tells when the last one, not
 * kept, made it larger.
 */
const NOISE = 'Last converge was suboptimal.';

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\n`).update(readFileSync(path));
  return hash.digest('hex');
}

function hashOfInputs() {
  const sources = readdirSync(SOURCES, { recursive: true })
    .filter((name) => /\.(ts|json|mjs)$/.test(name))
    .map((name) => join(SOURCES, name));
  const compiler = createRequire(import.meta.url).resolve('assemblyscript/package.json');
  return hashOf([...sources.sort(), compiler]);
}

function stampFor(inputs) {
  return `${inputs} ${existsSync(OUTPUT) ? hashOf([OUTPUT]) : ''}`;
}

/** Passes on what asc writes, without the noise. */
function withoutNoise(stream) {
  return {
    write(text) {
      const lines = String(text).split(/(?<=\n)/);
      stream.write(lines.filter((line) => line.trim() !== NOISE).join(''));
    },
  };
}

async function compile(inputs) {
  const { main } = await import('assemblyscript/asc');
  const { error } = await main(
    ['engine/kernel/index.ts', '--config', 'engine/kernel/asconfig.json', '--target', 'release'],
    { stdout: process.stdout, stderr: withoutNoise(process.stderr) },
  );
  if (error) process.exitCode = 1;
  else writeFileSync(STAMP, stampFor(inputs));
}

process.chdir(ROOT);
// Taken before: sources that change while asc runs are not what the output was made from.
const inputs = hashOfInputs();
if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== stampFor(inputs)) {
  rmSync(STAMP, { force: true });
  await compile(inputs);
}
