// SPDX-License-Identifier: Apache-2.0
import type { StatusAnswer } from '../../admin/api.js';
import type { Register } from '../session.js';

export const status: Register = (program, session) =>
  void program
    .command('status')
    .description('how the daemon is')
    .action(async () => {
      const answer = await session.ask<StatusAnswer>('/v1/status');
      if (session.json) return session.io.json(answer);
      const { statusLines } = await import('../show-status.js');
      statusLines(answer, Date.now()).forEach((line) => session.io.out(line));
    });
