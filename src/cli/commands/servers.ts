// SPDX-License-Identifier: Apache-2.0
import type { ServersAnswer } from '../../admin/api.js';
import type { Register } from '../session.js';

export const servers: Register = (program, session) =>
  void program
    .command('servers')
    .description('real servers of all services: what each may do, why, and its numbers')
    .option('--service <name>', 'only of this service')
    .option('--server <address:port>', 'only this one')
    .action(async ({ service, server }: { service?: string; server?: string }) => {
      const query = new URLSearchParams({
        ...(service !== undefined && { service }),
        ...(server !== undefined && { server }),
      }).toString();
      const answer = await session.ask<ServersAnswer>(`/v1/servers${query === '' ? '' : `?${query}`}`);
      if (session.json) return session.io.json(answer);
      const { serverLines } = await import('../show-servers.js');
      serverLines(answer, session.io.width).forEach((line, index) =>
        index === 0 ? session.io.heading(line) : session.io.line(line),
      );
    });
