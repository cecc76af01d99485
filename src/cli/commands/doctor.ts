// SPDX-License-Identifier: Apache-2.0
import type { Register } from '../session.js';

export const doctor: Register = (program, session) =>
  void program
    .command('doctor')
    .description('why it does not work: looks at this host, the daemon and a configuration; changes nothing')
    .option('-c, --config <file>', 'check for this configuration; else for what the daemon runs')
    .option('--all', 'list what is well, too')
    .action(async ({ config, all = false }: { config?: string; all?: boolean }) => {
      const { doctor } = await import('../doctor.js');
      const { json, socket, io } = session;
      const ask = session.ask.bind(session);
      session.end(await doctor({ ...(config === undefined ? {} : { config }), all, json, socket, ask }, io));
    });
