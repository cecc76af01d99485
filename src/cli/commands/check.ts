// SPDX-License-Identifier: Apache-2.0
import type { Register } from '../session.js';

export const check: Register = (program, session) =>
  void program
    .command('check')
    .description('find every mistake in a configuration; nothing is touched')
    .argument('[file]', 'configuration')
    .option('-c, --config <file>', 'the same')
    .action(async (file: string | undefined, { config }: { config?: string }) => {
      const { check } = await import('../check.js');
      session.end(await check(file ?? config, session.json, session.io));
    });
