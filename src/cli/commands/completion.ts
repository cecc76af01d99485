// SPDX-License-Identifier: Apache-2.0
import type { Argument, Command, Option } from 'commander';

import type { ServersAnswer, ServicesAnswer } from '../../admin/api.js';
import { oneOf, type WordParser } from '../arguments.js';
import type { CommandWords, Expected, OptionWords } from '../completion.js';
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
      const commands = program.commands.filter((command) => command.name() !== wordsCommand);
      session.io.out(
        completionScript(
          shell,
          commands.map((command) => wordsOf(command, ipvsadmWords)),
          program.options.map(optionWords),
        ),
      );
    });

const wordsCommand = 'completion-words';

/** For the scripts alone, so no help names it: what the daemon has of a kind, a word a line. */
export const completionWords: Register = (program, session) =>
  void program
    .command(wordsCommand, { hidden: true })
    .argument('<kind>', 'services, servers', oneOf(['services', 'servers']))
    .action(async (kind: 'services' | 'servers') => {
      const words =
        kind === 'services'
          ? (await session.ask<ServicesAnswer>('/v1/services')).services.map(({ service }) => service)
          : (await session.ask<ServersAnswer>('/v1/servers')).servers.map(({ server }) => server);
      for (const word of new Set(words)) if (/^[\w.:[\]/-]+$/.test(word)) session.io.out(word);
    });

const byOption: Readonly<Record<string, Expected>> = {
  '--service': 'services',
  '--server': 'servers',
  '--remove': 'servers',
  '--deadline': ['never'],
  '--socket': 'file',
};

const byPlace: Readonly<Record<string, Expected>> = {
  service: 'services',
  server: 'servers',
  shell: ['bash', 'zsh', 'fish'],
  file: 'file',
  weight: ['file'],
  words: ['tcp', 'udp', 'sctp'],
};

function optionWords({ long, short, flags, description, parseArg }: Option): OptionWords {
  const name = long ?? flags;
  const expected = wordsIn(parseArg) ?? byOption[name] ?? (/<file>/.test(flags) ? 'file' : 'anything');
  return {
    long: name,
    ...(short != null && { short }),
    description,
    value: flags.includes('<') ? expected : null,
    mayHaveValue: flags.includes('['),
  };
}

/** A value that is one of some words says so itself (arguments.ts). */
function wordsIn(parse: unknown): readonly string[] | undefined {
  return typeof parse === 'function' && 'words' in parse ? (parse as WordParser<string>).words : undefined;
}

const placeOf = (argument: Argument): Expected => byPlace[argument.name()] ?? 'anything';

function wordsOf(command: Command, ipvsadmWords: readonly string[]): CommandWords {
  const options =
    command.name() === 'ipvsadm'
      ? ipvsadmWords.map((long): OptionWords => ({ long, description: '', value: null, mayHaveValue: false }))
      : command.options.map(optionWords);
  return {
    name: command.name(),
    description: command.description(),
    options,
    places: command.registeredArguments.map(placeOf),
  };
}
