// SPDX-License-Identifier: Apache-2.0
import type { CheckOptions } from '../check.js';
import type { Register } from '../session.js';

export const check: Register = (program, session) =>
  void program
    .command('check')
    .description('find every mistake in a configuration; nothing is touched')
    .argument('[file]', 'configuration')
    .option('-c, --config <file>', 'the same')
    .option('--print', 'what it says, with defaults, includes and references resolved and secrets left out')
    .option('--from <file>', 'what a reload would change if this other configuration ran')
    .option('--schema', 'the JSON Schema of configurations')
    .action(async (file: string | undefined, { config, ...options }: CheckOptions & { config?: string }) => {
      const { check } = await import('../check.js');
      session.end(await check(file ?? config, session.json, session.io, options));
    });
