// SPDX-License-Identifier: Apache-2.0
import type { ServicesAnswer } from '../../admin/api.js';
import type { Register } from '../session.js';

export const services: Register = (program, session) =>
  void program
    .command('services')
    .description('virtual services and their real servers, with their numbers')
    .action(async () => {
      const answer = await session.ask<ServicesAnswer>('/v1/services');
      const { io } = session;
      if (session.json) return io.json(answer);
      if (answer.services.length === 0) io.out('no services');
      const { serviceTexts } = await import('../show-status.js');
      for (const { title, lines } of serviceTexts(answer, io.width)) {
        io.heading(title);
        lines.forEach((line) => io.line(line));
      }
    });
