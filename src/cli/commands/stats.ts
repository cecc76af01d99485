// SPDX-License-Identifier: Apache-2.0
import { wait } from '../arguments.js';
import type { Register } from '../session.js';
import type { StatsAnswer } from '../show-stats.js';

export const stats: Register = (program, session) =>
  void program
    .command('stats')
    .description('totals since the last zero and rates, by service and real server')
    .option('--rate', 'rates in the place of totals')
    .option('--watch [interval]', 'again and again, 2s apart or as given', wait)
    .action(async ({ rate = false, watch }: { rate?: boolean; watch?: number | true }) => {
      const [{ statsLines }, { repeat }] = await Promise.all([
        import('../show-stats.js'),
        import('../repeat.js'),
      ]);
      const { io } = session;
      const show = async (signal?: AbortSignal): Promise<void> => {
        const answer = await session.ask<StatsAnswer>('/v1/stats', signal);
        if (session.json) return watch === undefined ? io.json(answer) : io.jsonLine(answer);
        statsLines(answer, rate ? 'rates' : 'totals', io.width).forEach((line, index) =>
          index === 0 ? io.heading(line) : io.line(line),
        );
        if (watch !== undefined) io.out('');
      };
      if (watch === undefined) await show();
      else await repeat(show, watch === true ? 2_000 : watch);
    });
