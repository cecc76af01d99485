import { defineConfig } from 'vitest/config';

// Suites are places, not conditions (CONTRIBUTING.md): tools/test.mjs names the folder it wants.
export default defineConfig({
  test: {
    pool: 'forks', // the addon and the namespace tests want a process of their own
    include: ['test/**/*.test.ts'],
    passWithNoTests: false,
    // For what hangs. On a busy machine a command of a second takes ten, and a test of namespaces runs dozens.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
