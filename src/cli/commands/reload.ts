// SPDX-License-Identifier: Apache-2.0
import type { ReloadAnswer } from '../../admin/api.js';
import { describeChange } from '../../director/diff.js';
import type { Register } from '../session.js';

export const reload: Register = (program, session) =>
  void program
    .command('reload')
    .description('read the configuration again and apply what changed; a bad one changes nothing')
    .action(async () => {
      const answer = await session.tell<ReloadAnswer>('/v1/reload');
      const { io } = session;
      if (session.json) io.json(answer);
      else if (answer.changes.length === 0) io.out('unchanged');
      else answer.changes.forEach((change) => io.out(describeChange(change)));
    });
