// SPDX-License-Identifier: Apache-2.0
/** Shell completion, written from the commands themselves so that it cannot miss one. */
import { VsnatError } from '../errors.js';

export interface CommandWords {
  readonly name: string;
  readonly description: string;
  readonly options: readonly string[];
  /** Takes a file name. */
  readonly file: boolean;
}

export const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

export function completionScript(
  shell: string,
  commands: readonly CommandWords[],
  globals: readonly string[],
): string {
  if (!isShell(shell)) {
    throw new VsnatError('VSNAT_USAGE', `completion: must be for ${shells.join(', ')}, got "${shell}"`);
  }
  return writers[shell](commands, globals);
}

const isShell = (shell: string): shell is Shell => (shells as readonly string[]).includes(shell);

type Writer = (commands: readonly CommandWords[], globals: readonly string[]) => string;

const bash: Writer = (commands, globals) =>
  [
    '# bash completion for vsnat: source <(vsnat completion bash)',
    '_vsnat() {',
    '  local current=${COMP_WORDS[COMP_CWORD]} command= word',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do [[ $word != -* ]] && { command=$word; break; }; done',
    '  local words',
    '  case $command in',
    ...commands.map(({ name, options }) => `    ${name}) words="${[...options, ...globals].join(' ')}" ;;`),
    `    *) words="${[...commands.map(({ name }) => name), ...globals].join(' ')}" ;;`,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '  case $command in',
    `    ${commands
      .filter(({ file }) => file)
      .map(({ name }) => name)
      .join('|')}) COMPREPLY+=($(compgen -f -- "$current")) ;;`,
    '  esac',
    '}',
    'complete -o filenames -F _vsnat vsnat',
  ].join('\n');

const zsh: Writer = (commands, globals) =>
  [
    '#compdef vsnat',
    '# zsh completion for vsnat: source <(vsnat completion zsh)',
    '_vsnat() {',
    '  local -a commands=(',
    ...commands.map(({ name, description }) => `    ${quoted(`${name}:${description}`)}`),
    '  )',
    '  if (( CURRENT == 2 )); then',
    '    _describe command commands',
    `    compadd -- ${globals.join(' ')}`,
    '    return',
    '  fi',
    '  case $words[2] in',
    ...commands.map(
      ({ name, options, file }) =>
        `    ${name}) compadd -- ${[...options, ...globals].join(' ')}${file ? '; _files' : ''} ;;`,
    ),
    '  esac',
    '}',
    'compdef _vsnat vsnat',
  ].join('\n');

const fish: Writer = (commands, globals) =>
  [
    '# fish completion for vsnat: vsnat completion fish | source',
    'complete -c vsnat -f',
    ...commands.map(
      ({ name, description }) =>
        `complete -c vsnat -n __fish_use_subcommand -a ${name} -d ${quoted(description)}`,
    ),
    ...commands.flatMap(({ name, options, file }) => [
      ...options.map(
        (option) => `complete -c vsnat -n '__fish_seen_subcommand_from ${name}' ${fishOption(option)}`,
      ),
      ...(file ? [`complete -c vsnat -n '__fish_seen_subcommand_from ${name}' -F`] : []),
    ]),
    ...globals.map((option) => `complete -c vsnat ${fishOption(option)}`),
  ].join('\n');

const writers: Readonly<Record<Shell, Writer>> = { bash, zsh, fish };

const fishOption = (option: string): string =>
  option.startsWith('--') ? `-l ${option.slice(2)}` : `-s ${option.slice(1)}`;

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
