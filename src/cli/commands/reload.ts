// SPDX-License-Identifier: Apache-2.0
import type { ReloadAnswer } from '../../admin/api.js';
import { describeChange } from '../../director/difference.js';
import type { Register } from '../session.js';

export const reload: Register = (program, session) =>
  void program
    .command('reload')
    .description('read the configuration again and apply what changed; a bad one changes nothing')
    .option('--dry-run', 'only say what would change')
    .action(async ({ dryRun = false }: { dryRun?: boolean }) => {
      const answer = await session.tell<ReloadAnswer>(`/v1/reload${dryRun ? '?dry_run=1' : ''}`);
      const { io } = session;
      if (session.json) return io.json(answer);
      if (answer.changes.length === 0) io.out('unchanged');
      answer.changes.forEach((change) => io.line(describeChange(change)));
      for (const change of answer.lost ?? [])
        io.complain(`vsnat: note: made at run time, and the file would undo it: ${describeChange(change)}`);
    });
