#!/usr/bin/env node
/**
 * The command line. Each subcommand is in a file of its own under cli/, and only the one that is
 * called is loaded.
 */
import { Command } from 'commander';
import { SOFTWARE_VERSION } from './software.js';

type Register = (program: Command) => void;

/** `serve` must start fast, so it does not wait for what only the other commands need. */
const COMMANDS: Record<string, () => Promise<Register>> = {
  serve: async () => (await import('./cli/serve.js')).registerServe,
  cluster: async () => (await import('./cli/cluster.js')).registerCluster,
  replay: async () => (await import('./cli/replay.js')).registerReplay,
  bench: async () => (await import('./cli/bench.js')).registerBench,
};

const program = new Command('slabring')
  .description('A shared in-memory cache for Node.js, embedded or served.')
  .version(SOFTWARE_VERSION)
  .configureOutput({
    // One line, whatever commander adds to it.
    outputError: (text, write) =>
      write(
        `slabring: ${text
          .replace(/^error: /, '')
          .trim()
          .replaceAll(/\s*\n\s*/g, ' ')}\n`,
      ),
  });

const called = process.argv[2] ?? '';
const names = Object.hasOwn(COMMANDS, called) ? [called] : Object.keys(COMMANDS);
for (const name of names) (await COMMANDS[name]!())(program);

await program.parseAsync();
