// SPDX-License-Identifier: Apache-2.0
import type { Register } from '../session.js';

export const run: Register = (program, session) =>
  void program
    .command('run')
    .description('balance in the foreground until SIGTERM; SIGHUP reloads')
    .requiredOption('-c, --config <file>', 'configuration')
    .action(async ({ config }: { config: string }) => {
      // What asks for a reload while the rest is loaded is obeyed by the start itself, which has read nothing yet.
      const tooEarly = (): void => undefined;
      process.on('SIGHUP', tooEarly);
      try {
        const path = session.givenSocket;
        const options = path === undefined ? { configFile: config } : { configFile: config, socket: path };
        const [{ runDaemon }, { realParts }] = await Promise.all([
          import('../run.js'),
          import('../machine.js'),
        ]);
        session.end(await runDaemon(options, realParts(config)));
      } finally {
        process.off('SIGHUP', tooEarly);
      }
    });
