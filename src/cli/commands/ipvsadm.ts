// SPDX-License-Identifier: Apache-2.0
/** `vsnat ipvsadm`, and the two that read and write what ipvsadm-save does. */
import type { ChangeAnswer } from '../../admin/api.js';
import { askedBy } from '../../admin/peer.js';
import { describeChange } from '../../director/difference.js';
import { tellDaemon } from '../ask.js';
import type { Register, Session } from '../session.js';

async function runIpvsadm(words: readonly string[], session: Session): Promise<void> {
  const { ipvsadmCommand } = await import('../ipvsadm-command.js');
  session.end(await ipvsadmCommand(words, session.peer, session.io));
}

export const ipvsadm: Register = (program, session) =>
  void program
    .command('ipvsadm')
    .usage('ARGS…')
    .description("change and list services at run time, with ipvsadm's own words and output")
    .action(() => runIpvsadm(session.ipvsadmArguments, session));

export const save: Register = (program, session) =>
  void program
    .command('save')
    .description('print the services as ipvsadm-save does')
    .action(() => runIpvsadm(['-S', '-n'], session));

export const restore: Register = (program, session) =>
  void program
    .command('restore')
    .description('make the services what ipvsadm-save wrote, read from stdin, in one step')
    .action(async () => {
      const { io } = session;
      const [{ restoreOperations }, { machineNames }] = await Promise.all([
        import('../restore.js'),
        import('../names.js'),
      ]);
      const operations = await restoreOperations(await io.input(), machineNames());
      const answer = await tellDaemon<ChangeAnswer>(askedBy(session.peer, 'ipvsadm'), '/v1/change', {
        operations,
      });
      if (session.json) io.json(answer);
      else answer.changes.forEach((change) => io.line(describeChange(change)));
      for (const note of answer.notes) io.complain(`vsnat: note: ${note}`);
    });
