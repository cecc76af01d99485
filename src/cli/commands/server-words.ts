// SPDX-License-Identifier: Apache-2.0
/** The words for one real server: drain, weight, disable, enable. Each is one operation, and can be tried beforehand. */
import { InvalidArgumentError } from 'commander';

import type { ChangeAnswer } from '../../admin/api.js';
import { describeChange } from '../../director/difference.js';
import { duration, oneOf } from '../arguments.js';
import type { Register, Session } from '../session.js';

interface Dry {
  readonly dryRun?: boolean;
}

async function tell(session: Session, word: string, body: object, { dryRun = false }: Dry): Promise<void> {
  const answer = await session.tell<ChangeAnswer>(`/v1/${word}${dryRun ? '?dry_run=1' : ''}`, body);
  const { io } = session;
  if (session.json) return io.json(answer);
  if (answer.changes.length === 0) io.out('unchanged');
  answer.changes.forEach((change) => io.line(describeChange(change)));
  for (const note of answer.notes) io.complain(`vsnat: note: ${note}`);
}

const serviceText = 'name or address (tcp://10.9.0.1:80) of the service';
const serverText = 'address:port of the real server';
const dryRunText = 'only say what would change';

/** Milliseconds become whole seconds, never fewer than asked for. Of null commander would make an empty text. */
function deadline(text: string): number | 'never' {
  return text === 'never' ? text : Math.ceil(duration(text) / 1000);
}

function weightOrFile(text: string): number | null {
  if (text === 'file') return null;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new InvalidArgumentError('must be 0..65535, or "file" for what the file has.');
  return Number(text);
}

export const drain: Register = (program, session) =>
  void program
    .command('drain')
    .description('give a real server no new connections, and end the live ones by a deadline')
    .argument('<service>', serviceText)
    .argument('<server>', serverText)
    .option('--deadline <duration>', 'when the live ones end, or never; else as the service says', deadline)
    .option(
      '--then <how>',
      'reset (both ends of TCP) or silence; else as the service says',
      oneOf(['reset', 'silence']),
    )
    .option('--dry-run', dryRunText)
    .action(
      (service: string, server: string, options: Dry & { deadline?: number | 'never'; then?: string }) =>
        tell(
          session,
          'drain',
          {
            service,
            server,
            ...(options.deadline !== undefined && {
              deadlineSeconds: options.deadline === 'never' ? null : options.deadline,
            }),
            ...(options.then !== undefined && { then: options.then }),
          },
          options,
        ),
    );

export const weight: Register = (program, session) =>
  void program
    .command('weight')
    .description('give a real server another weight, or (file) the one the file has')
    .argument('<service>', serviceText)
    .argument('<server>', serverText)
    .argument('<weight>', '0..65535, or file', weightOrFile)
    .option('--dry-run', dryRunText)
    .action((service: string, server: string, value: number | null, options: Dry) =>
      tell(session, 'weight', { service, server, weight: value }, options),
    );

const plain =
  (word: 'disable' | 'enable', description: string): Register =>
  (program, session) =>
    void program
      .command(word)
      .description(description)
      .argument('<service>', serviceText)
      .argument('<server>', serverText)
      .option('--dry-run', dryRunText)
      .action((service: string, server: string, options: Dry) =>
        tell(session, word, { service, server }, options),
      );

export const disable: Register = plain('disable', 'give a real server no new connections');
export const enable: Register = plain('enable', 'take back drain and disable');
