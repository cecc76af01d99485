// SPDX-License-Identifier: Apache-2.0
/** vsnat(8) and vsnat.yaml(5) as man(7) source, made from the commands and the schema so that they cannot part. Pure. */
import type { Command, Option } from 'commander';

import type { ReferenceRow } from '../config/reference.js';

export interface ExitCodeText {
  readonly code: number;
  readonly meaning: string;
}

const source = '.\\" Written by tools/write-man.mjs; do not edit.';

export function commandsPage(program: Command, version: string, exits: readonly ExitCodeText[]): string {
  return page([
    `.TH VSNAT 8 "" "vsnat ${version}" "System Administration"`,
    '.SH NAME',
    'vsnat \\- LVS NAT mode (VS/NAT) in userspace',
    '.SH SYNOPSIS',
    '.B vsnat',
    '.RI [ options ]',
    '.I command',
    '.RI [ arguments ]',
    '.SH DESCRIPTION',
    text(
      'A layer-4 load balancer that needs no kernel module. Clients send to a virtual address (VIP); the director picks a real server, ' +
        'rewrites the destination, and rewrites the source of the replies, whose way back must lead through it.',
    ),
    '.SH OPTIONS',
    text('Of every command, before or after its name.'),
    ...program.options.flatMap(optionLines),
    '.SH COMMANDS',
    ...program
      .createHelp()
      .visibleCommands(program)
      .flatMap((command) => commandLines(command)),
    '.SH EXIT STATUS',
    ...exits.flatMap(({ code, meaning }) => ['.TP', `.B ${code}`, text(meaning)]),
    '.PP',
    text('ipvsadm ends with ipvsadm’s own codes.'),
    '.SH ENVIRONMENT',
    ...Object.entries(environment).flatMap(([name, meaning]) => ['.TP', `.B ${name}`, text(meaning)]),
    '.SH FILES',
    '.TP',
    '.I /etc/vsnat/vsnat.yaml',
    'The configuration, by custom; see',
    '.BR vsnat.yaml (5).',
    '.TP',
    '.I /run/vsnat/vsnat.sock',
    'The admin socket, unless configured otherwise.',
    '.SH SIGNALS',
    '.TP',
    '.B SIGHUP',
    text('to vsnat run: reads the configuration again; one with mistakes changes nothing.'),
    '.TP',
    '.BR SIGTERM ", " SIGINT',
    text('to vsnat run: stops, and leaves no device, route, rule, neighbour entry or table behind.'),
    '.SH SEE ALSO',
    '.BR vsnat.yaml (5),',
    '.BR ipvsadm (8),',
    '.BR keepalived (8),',
    '.BR ip (8)',
  ]);
}

export function configurationPage(rows: readonly ReferenceRow[], version: string): string {
  return page([
    `.TH VSNAT.YAML 5 "" "vsnat ${version}" "File Formats"`,
    '.SH NAME',
    'vsnat.yaml \\- configuration of vsnat(8)',
    '.SH DESCRIPTION',
    text(
      'YAML 1.2. Unknown keys are mistakes. `vsnat check` names every mistake by line and column; a reload with one changes nothing.',
    ),
    text('A list is written key[]. Durations are 250ms, 300s, 5m, 2h, 1d or plain seconds; sizes 256k, 1M.'),
    '.SH EXAMPLE',
    '.EX',
    ...[
      'services:',
      '  - name: web',
      '    listen: tcp://10.9.0.1:80',
      '    scheduler: wlc',
      '    servers:',
      '      - 10.2.1.2:8080',
      '      - { address: 10.2.2.2:8080, weight: 3 }',
    ].map(escaped),
    '.EE',
    '.SH KEYS',
    ...rows.flatMap(({ key, accepts, fallback, meaning }) => [
      '.TP',
      `.B ${escaped(key)}`,
      text(`${accepts}${fallback === '' ? '' : `; default: ${fallback}`}. ${meaning}`),
    ]),
    '.SH SEE ALSO',
    '.BR vsnat (8)',
  ]);
}

const environment = {
  VSNAT_SOCKET: 'as --socket',
  VSNAT_TOKEN: 'a bearer token, for a daemon over TCP',
  VSNAT_TOKEN_FILE: 'as --token-file',
  VSNAT_CA: 'as --ca',
  VSNAT_CERT: 'as --cert',
  VSNAT_KEY: 'as --key',
  NO_COLOR: 'no bold headings',
} as const;

function commandLines(command: Command): string[] {
  const usage = command.usage().replaceAll('[options]', '').trim();
  return [
    `.SS ${escaped(`${command.name()} ${usage}`.trim())}`,
    text(sentence(command.description())),
    ...command.registeredArguments.flatMap((argument) => [
      '.TP',
      `.I ${escaped(argument.name())}`,
      text(argument.description),
    ]),
    ...command.options.flatMap(optionLines),
  ];
}

function optionLines({ flags, description, defaultValue, defaultValueDescription }: Option): string[] {
  const fallback = defaultValueDescription ?? (defaultValue as string | number | undefined);
  const words = description === '' ? flags : description;
  return [
    '.TP',
    `.B ${escaped(flags)}`,
    text(fallback === undefined ? words : `${words}; default: ${fallback}`),
  ];
}

const sentence = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;

const page = (lines: readonly string[]): string => `${[source, ...lines].join('\n')}\n`;

/** A paragraph's text; a line that begins with a dot or a quote would be a request. */
const text = (words: string): string =>
  escaped(words.replaceAll(/\*\*|`/g, '')).replace(/^(?=[.'])/gm, '\\&');

/** Characters that roff or a terminal without UTF-8 would take for something else. */
const escaped = (words: string): string =>
  words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('’', '\\(cq')
    .replaceAll('…', '...')
    .replaceAll('→', '\\(->')
    .replaceAll(
      /[^\u0020-\u007e\n]/gu,
      (character) => `\\[u${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0') ?? ''}]`,
    );
