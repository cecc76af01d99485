// SPDX-License-Identifier: Apache-2.0
/**
 * Shell completion, written from the commands themselves so that it cannot miss one. Names of services and servers are asked of the
 * daemon when they are needed (`vsnat completion-words`); without one there are none, and nothing is said. Pure.
 */
import { VsnatError } from '../errors.js';

/** What may stand in a place: words, or a kind of them that only the machine knows. */
export type Expected = readonly string[] | 'file' | 'services' | 'servers' | 'anything';

export interface OptionWords {
  readonly long: string;
  readonly short?: string;
  readonly description: string;
  /** null: it takes no value, or may have one of which nothing is known. */
  readonly value: Expected | null;
  /** [interval]: what follows is completed as if there were none, where a shell cannot tell. */
  readonly mayHaveValue: boolean;
}

export interface CommandWords {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionWords[];
  /** Of its places, in order. */
  readonly places: readonly Expected[];
}

export const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

export function completionScript(
  shell: string,
  commands: readonly CommandWords[],
  globals: readonly OptionWords[],
): string {
  if (!isShell(shell)) {
    throw new VsnatError('VSNAT_USAGE', `completion: must be for ${shells.join(', ')}, got "${shell}"`);
  }
  return writers[shell](commands, globals);
}

const isShell = (shell: string): shell is Shell => (shells as readonly string[]).includes(shell);

type Writer = (commands: readonly CommandWords[], globals: readonly OptionWords[]) => string;

const namesOf = ({ long, short }: OptionWords): string[] => (short === undefined ? [long] : [long, short]);

/** How bash and fish get them. */
function sourceOf(expected: Expected): string {
  if (expected === 'services') return '$(vsnat completion-words services 2>/dev/null)';
  if (expected === 'servers') return '$(vsnat completion-words servers 2>/dev/null)';
  return typeof expected === 'string' ? '' : expected.join(' ');
}

/**
 * bash cuts words at colons, which addresses are full of: so the line is cut here, at spaces, and what stands before the last colon
 * is taken off the answers again.
 */
const bash: Writer = (commands, globals) => {
  const valued = (options: readonly OptionWords[]): readonly OptionWords[] =>
    options.filter(({ value }) => value !== null);
  const branch = (pattern: string, expected: Expected): string =>
    `    ${pattern}) ${expected === 'file' ? 'files=1' : `words="${sourceOf(expected)}"`} ;;`;
  const withValue = [...globals, ...commands.flatMap(({ options }) => options)].filter(
    ({ value }) => value !== null,
  );
  return [
    '# bash completion for vsnat: source <(vsnat completion bash)',
    '_vsnat() {',
    '  local line=${COMP_LINE:0:COMP_POINT} current= previous= command= place=0 files= words= word at',
    '  local -a typed; read -ra typed <<< "$line"',
    '  if [[ $line == *[[:space:]] ]]; then typed+=(""); fi',
    '  local last=$((${#typed[@]} - 1))',
    '  current=${typed[last]}',
    '  for ((at = 1; at < last; at++)); do',
    '    word=${typed[at]}',
    '    case $word in',
    `      ${[...new Set(withValue.flatMap(namesOf))].join('|')}) ((at + 1 == last)) && previous=$word; ((at++)) ;;`,
    '      -*) ;;',
    '      *) if [[ -z $command ]]; then command=$word; else ((place++)); fi ;;',
    '    esac',
    '  done',
    '  case "$command $previous" in',
    ...commands.flatMap(({ name, options }) =>
      valued(options).map((option) =>
        branch(
          namesOf(option)
            .map((word) => `"${name} ${word}"`)
            .join('|'),
          option.value ?? 'anything',
        ),
      ),
    ),
    ...valued(globals).map((option) => branch(`*" ${option.long}"`, option.value ?? 'anything')),
    '    *" ")',
    '      case "$command $place" in',
    `        " "*) words="${[...commands.map(({ name }) => name), ...globals.flatMap(namesOf)].join(' ')}" ;;`,
    ...commands.flatMap(({ name, places }) =>
      places.map((expected, index) => `    ${branch(`"${name} ${index}"`, expected)}`),
    ),
    '      esac',
    '      if [[ $current == -* ]]; then',
    '        case $command in',
    ...commands.map(
      ({ name, options }) =>
        `          ${name}) words="${[...options, ...globals].flatMap(namesOf).join(' ')}"; files= ;;`,
    ),
    '        esac',
    '      fi ;;',
    '  esac',
    '  COMPREPLY=()',
    '  if [[ -n $files ]]; then compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return; fi',
    '  local before=${current%"${current##*:}"}',
    '  for word in $(compgen -W "$words" -- "$current"); do COMPREPLY+=("${word#"$before"}"); done',
    '}',
    'complete -F _vsnat vsnat',
  ].join('\n');
};

const zsh: Writer = (commands, globals) =>
  [
    '#compdef vsnat',
    '# zsh completion for vsnat: source <(vsnat completion zsh)',
    '_vsnat_services() { compadd -- ${(f)"$(vsnat completion-words services 2>/dev/null)"} }',
    '_vsnat_servers() { compadd -- ${(f)"$(vsnat completion-words servers 2>/dev/null)"} }',
    '_vsnat() {',
    '  local context state line',
    '  typeset -A opt_args',
    '  local -a commands=(',
    ...commands.map(({ name, description }) => `    ${quoted(`${name}:${description}`)}`),
    '  )',
    `  _arguments -C ${globals.flatMap(zshOption).join(' ')} '1:command:->command' '*::argument:->argument'`,
    '  case $state in',
    '    command) _describe command commands ;;',
    '    argument)',
    '      case $words[1] in',
    ...commands.map(
      ({ name, options, places }) =>
        `        ${name}) _arguments ${[...[...options, ...globals].flatMap(zshOption), ...places.map((expected, index) => quoted(`${index + 1}:${placeName(expected)}:${zshAction(expected)}`))].join(' ')} ;;`,
    ),
    '      esac ;;',
    '  esac',
    '}',
    'compdef _vsnat vsnat',
  ].join('\n');

const placeName = (expected: Expected): string => (typeof expected === 'string' ? expected : 'word');

function zshOption(option: OptionWords): string[] {
  const { description, value, mayHaveValue } = option;
  const text = description.replaceAll(/[[\]:]/g, (character) => `\\${character}`);
  const optional = mayHaveValue ? '::value:( )' : '';
  const action = value === null ? optional : `:${placeName(value)}:${zshAction(value)}`;
  return namesOf(option).map((name) => quoted(`${name}[${text}]${action}`));
}

function zshAction(expected: Expected): string {
  if (expected === 'file') return '_files';
  if (expected === 'services' || expected === 'servers') return `_vsnat_${expected}`;
  return expected === 'anything' ? ' ' : `(${expected.join(' ')})`;
}

const fish: Writer = (commands, globals) =>
  [
    '# fish completion for vsnat: vsnat completion fish | source',
    'complete -c vsnat -f',
    ...commands.map(
      ({ name, description }) =>
        `complete -c vsnat -n __fish_use_subcommand -a ${name} -d ${fishQuoted(description)}`,
    ),
    ...commands.flatMap(({ name, options, places }) => {
      const here = `-n '__fish_seen_subcommand_from ${name}'`;
      const words = places.flatMap((expected) => (typeof expected === 'string' ? [] : expected));
      const asked = places.filter((expected) => expected === 'services' || expected === 'servers');
      return [
        ...options.map((option) => `complete -c vsnat ${here} ${fishOption(option)}`),
        ...(places.includes('file') ? [`complete -c vsnat ${here} -F`] : []),
        ...(words.length === 0 ? [] : [`complete -c vsnat ${here} -a ${fishQuoted(words.join(' '))}`]),
        ...asked.map((kind) => `complete -c vsnat ${here} -a '(vsnat completion-words ${kind} 2>/dev/null)'`),
      ];
    }),
    ...globals.map((option) => `complete -c vsnat ${fishOption(option)}`),
  ].join('\n');

function fishOption({ long, short, description, value }: OptionWords): string {
  const name = `${short === undefined ? '' : `-s ${short.slice(1)} `}-l ${long.slice(2)} -d ${fishQuoted(description)}`;
  if (value === null) return name;
  if (value === 'file') return `${name} -r -F`;
  const source = sourceOf(value).replace(/^\$/, '');
  return source === '' ? `${name} -x` : `${name} -x -a ${fishQuoted(source)}`;
}

const writers: Readonly<Record<Shell, Writer>> = { bash, zsh, fish };

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Inside single quotes fish takes a backslash for itself. */
const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
