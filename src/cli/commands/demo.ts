// SPDX-License-Identifier: Apache-2.0
import type { Register } from '../session.js';

export const demo: Register = (program, session) =>
  void program
    .command('demo')
    .description(
      'try it here: a client, a director and three real servers in network namespaces (needs root)',
    )
    .option('--once', 'show it and end')
    .action(async ({ once = false }: { once?: boolean }) => {
      const { runDemo } = await import('../../lab/index.js');
      session.end(await runDemo({ once }));
    });
