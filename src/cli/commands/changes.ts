// SPDX-License-Identifier: Apache-2.0
import type { AuthoredChange, ChangesAnswer } from '../../admin/api.js';
import { describeChange } from '../../director/difference.js';
import type { Register } from '../session.js';

export const changes: Register = (program, session) =>
  void program
    .command('changes')
    .description('what was changed at run time and is not in the file, when and by whom')
    .action(async () => {
      const answer = await session.ask<ChangesAnswer>('/v1/changes');
      if (session.json) return session.io.json(answer);
      if (answer.changes.length === 0) session.io.out('none: what runs is what the file says');
      answer.changes.forEach((change) => session.io.line(authoredLine(change)));
    });

/** "~ server web 10.2.1.2:8080 weight 1 -> 3 (by cli at 2026-11-27T03:00:00.000Z)" */
function authoredLine(change: AuthoredChange): string {
  const { at, by } = change;
  const author = at === null || by === null ? '' : ` (by ${by} at ${new Date(at).toISOString()})`;
  return `${describeChange(change)}${author}`;
}
