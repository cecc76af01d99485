// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';

import type { CommandWords } from '../completion.js';
import type { Register } from '../session.js';

/** Names of shells are those of completion.ts, which is loaded when it is asked for. */
export const completion: Register = (program, session) =>
  void program
    .command('completion')
    .description('print a completion script')
    .argument('<shell>', 'bash, zsh, fish')
    .action(async (shell: string) => {
      const [{ completionScript }, { ipvsadmWords }] = await Promise.all([
        import('../completion.js'),
        import('../ipvsadm-command.js'),
      ]);
      session.io.out(completionScript(shell, commandWords(program, ipvsadmWords), optionWords(program)));
    });

const optionWords = (command: Command): string[] =>
  command.options.flatMap(({ long }) => (long == null ? [] : [long]));

function commandWords(program: Command, ipvsadmWords: readonly string[]): CommandWords[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: command.name() === 'ipvsadm' ? ipvsadmWords : optionWords(command),
    file: command.options.some(({ long }) => long === '--config'),
  }));
}
