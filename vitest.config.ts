import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The engine runs worker threads of its own: one test process at a time keeps two cores honest.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    // Built files run as users run them, and not rewritten, which made what loops over slots slow.
    server: { deps: { external: [/\/dist\//] } },
  },
});
