// SPDX-License-Identifier: Apache-2.0
import type { ReloadAnswer } from '../../admin/api.js';
import { describeChange } from '../../director/difference.js';
import type { Register } from '../session.js';

export const changes: Register = (program, session) =>
  void program
    .command('changes')
    .description('what was changed at run time and is not in the file')
    .action(async () => {
      const answer = await session.ask<Pick<ReloadAnswer, 'changes' | 'revision'>>('/v1/changes');
      if (session.json) return session.io.json(answer);
      if (answer.changes.length === 0) session.io.out('none: what runs is what the file says');
      answer.changes.forEach((change) => session.io.line(describeChange(change)));
    });
