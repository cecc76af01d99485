// SPDX-License-Identifier: Apache-2.0
/**
 * A real_server's checkers as vsnat's questions. keepalived asks, and after `retry` more tries `delay_before_retry` apart
 * takes the server out; one good answer brings it back. That is `fall: retry + 1`, `fast_interval` and `rise: 1`.
 */
import type { Notes, Place } from '../note.js';
import type { CheckDocument } from '../service.js';
import { expressionOf } from './expression.js';
import { Block, type Statement } from './tree.js';
import { tellMore } from './words.js';

/** What a checker inherits: its real_server, its virtual_server, and the SSL block of the file. */
export interface Around {
  readonly server: Block;
  readonly service: Block;
  readonly ssl: Block | null;
  /** RIP, as written. */
  readonly address: string;
  readonly port: number;
  readonly notes: Notes;
}

interface Kind {
  readonly retry: number;
  /** Seconds; undefined: as long as delay_loop. */
  readonly pause: number | undefined;
  readonly questions: (checker: Block, around: Around, place: Place) => readonly CheckDocument[];
}

const kinds: Readonly<Record<string, Kind>> = {
  TCP_CHECK: { retry: 1, pause: 1, questions: () => [{ type: 'tcp' }] },
  HTTP_GET: { retry: 1, pause: 3, questions: (checker, around) => urls('http', checker, around) },
  SSL_GET: { retry: 1, pause: 3, questions: (checker, around) => urls('https', checker, around) },
  SMTP_CHECK: { retry: 1, pause: 1, questions: smtp },
  DNS_CHECK: { retry: 3, pause: undefined, questions: dns },
  UDP_CHECK: { retry: 1, pause: 1, questions: udp },
  PING_CHECK: { retry: 1, pause: 1, questions: () => [{ type: 'icmp' }] },
  MISC_CHECK: { retry: 0, pause: 1, questions: misc },
};

const withoutCounterpart: Readonly<Record<string, string>> = {
  BFD_CHECK: 'there is no BFD here; use type icmp or tcp with a short interval',
  FILE_CHECK: 'no file is watched; use type exec with a command that reads it',
};

/** Settings of a checker that mean nothing here, each with a sentence. */
const unknown: Readonly<Record<string, string>> = {
  bind_if: 'a check is bound to an address only; use "source"',
  bind_port: 'the source port of a check is the kernel’s choice',
  fwmark: 'packets of checks carry no mark',
  user: 'the command runs as the daemon’s user',
  http_protocol: 'HTTP/1.1 is what is spoken',
  helo_name: 'no check speaks SMTP',
  host: 'no check speaks SMTP',
  regex_min_offset:
    'an expression may match anywhere in the first 64 KiB of a page; write the offset into it',
  regex_max_offset:
    'an expression may match anywhere in the first 64 KiB of a page; write the offset into it',
};

/** Read here, or the way vsnat works anyway: one good answer brings a server back, starts are spread, failures are events. */
const understood: ReadonlySet<string> = new Set(
  (
    'connect_ip connect_port bindto connect_timeout alpha retry nb_get_retry delay_before_retry warmup delay_loop ' +
    'log_all_failures fast_recovery virtualhost enable_sni sni_name url path digest status_code regex regex_no_match ' +
    'regex_options regex_stack misc_path misc_timeout misc_dynamic type name payload require_reply min_reply_length ' +
    'max_reply_length'
  ).split(' '),
);

/** Of a checker and of the urls in it: what cannot be carried over is said, whether it is known or not. */
function tellUnknown(checker: Block, notes: Notes): void {
  for (const statement of checker.statements) {
    const { words, place } = statement;
    const [key = ''] = words;
    const sentence = Object.hasOwn(unknown, key) ? unknown[key] : undefined;
    if (sentence !== undefined) notes.add(place, key, sentence);
    else if (!understood.has(key)) notes.add(place, key, 'is not known here; left out');
    else {
      tellMore(statement, notes);
      if (key === 'url') tellUnknown(new Block(statement), notes);
    }
  }
}

export const isChecker = (name: string): boolean =>
  Object.hasOwn(kinds, name) || Object.hasOwn(withoutCounterpart, name);

export function readCheckers(around: Around): readonly CheckDocument[] {
  return around.server.statements.flatMap((statement) => readChecker(statement, around));
}

function readChecker(statement: Statement, around: Around): readonly CheckDocument[] {
  const [name = ''] = statement.words;
  const missing = Object.hasOwn(withoutCounterpart, name) ? withoutCounterpart[name] : undefined;
  if (missing !== undefined) around.notes.add(statement.place, name, missing);
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (kind === undefined) return [];
  const checker = new Block(statement);
  tellUnknown(checker, around.notes);
  const connectIp = checker.last('connect_ip');
  if (connectIp !== undefined && connectIp.words[1] !== around.address) {
    around.notes.add(
      connectIp.place,
      'connect_ip',
      'a check asks the real server itself, not another address; make it type exec if that is what is wanted',
    );
  }
  const port = checker.number('connect_port');
  const source = checker.text('bindto');
  const common = {
    ...(port === undefined || port === around.port ? {} : { port }),
    ...(source === undefined ? {} : { source }),
    ...timing(checker, around, kind, statement.place),
  };
  return kind.questions(checker, around, statement.place).map((question) => ({ ...question, ...common }));
}

function timing(checker: Block, { server, service, notes }: Around, kind: Kind, place: Place) {
  const setting = (name: string): number | undefined =>
    checker.number(name) ?? server.number(name) ?? service.number(name);
  const interval = setting('delay_loop') ?? 60;
  const wanted = checker.number('misc_timeout') ?? setting('connect_timeout') ?? 5;
  const timeout = Math.min(wanted, interval);
  if (timeout < wanted)
    notes.add(place, 'connect_timeout', `a check ends before the next begins: ${wanted}s became ${timeout}s`);
  const retry = checker.number('nb_get_retry') ?? setting('retry') ?? kind.retry; // the former: its name before 2.0
  const pause = Math.min(setting('delay_before_retry') ?? kind.pause ?? interval, interval);
  return {
    interval: duration(interval),
    timeout: duration(timeout),
    rise: 1,
    fall: retry + 1,
    // Of one single try there is none faster.
    ...(retry > 0 && pause < interval ? { fast_interval: duration(Math.max(pause, 0.1)) } : {}),
  };
}

/** keepalived takes fractions of a second. */
const duration = (seconds: number): string =>
  Number.isInteger(seconds) ? `${seconds}s` : `${Math.round(seconds * 1000)}ms`;

function urls(type: 'http' | 'https', checker: Block, around: Around): readonly CheckDocument[] {
  const { server, service } = around;
  const found = checker.all('url').map((url) => ({ block: new Block(url) }));
  return found.map(({ block: url }) => {
    const host =
      url.text('virtualhost') ??
      checker.text('virtualhost') ??
      server.text('virtualhost') ??
      service.text('virtualhost');
    const codes = url.last('status_code')?.words.slice(1) ?? [];
    const body = expressionOf(url, around.notes);
    return {
      type,
      path: (url.text('path') ?? '/').replaceAll(' ', '%20'),
      ...(host === undefined ? {} : { host }),
      expect: codes.length === 0 ? '200-299' : codes.join(', '),
      ...(body === undefined ? {} : { body }),
      ...(type === 'https' ? { tls: tlsOf(checker, around, host) } : {}),
    };
  });
}

/** keepalived looks at no certificate. */
function tlsOf(checker: Block, { ssl, notes }: Around, host: string | undefined) {
  const name = checker.text('sni_name') ?? (checker.last('enable_sni') === undefined ? undefined : host);
  ssl?.tell('password', 'the key of a check has none; take it off with openssl rsa', notes);
  ssl?.tell('ca', 'keepalived looks at no certificate; "verify: true" and "ca" would', notes);
  const [certificate, key] = [ssl?.text('certificate'), ssl?.text('key')];
  return {
    ...(name === undefined ? {} : { server_name: name }),
    verify: false,
    ...(certificate === undefined || key === undefined ? {} : { certificate, key }),
  };
}

function smtp(_: Block, { notes }: Around, place: Place): readonly CheckDocument[] {
  notes.add(place, 'SMTP_CHECK', 'no check speaks SMTP; it became type tcp, type exec with swaks asks more');
  return [{ type: 'tcp' }];
}

function dns(checker: Block): readonly CheckDocument[] {
  return [
    { type: 'dns', name: checker.text('name') ?? '.', record: checker.text('type')?.toUpperCase() ?? 'SOA' },
  ];
}

function udp(checker: Block, { notes }: Around, place: Place): readonly CheckDocument[] {
  const payload = hexOf(checker.last('payload'));
  if (payload === '')
    notes.add(
      place,
      'UDP_CHECK',
      'without a payload keepalived sends random bytes; here it is one byte of zero',
    );
  const reply = checker.last('require_reply');
  const [least, most] = [checker.number('min_reply_length'), checker.number('max_reply_length')];
  const wanted = hexOf(reply).replaceAll(/../g, (byte) => `\\x${byte}`);
  const length =
    least === undefined && most === undefined ? '' : `(?=[\\s\\S]{${least ?? 0},${most ?? ''}}$)`;
  return [
    {
      type: 'udp',
      send: `hex:${payload || '00'}`,
      ...(reply === undefined ? {} : { expect: `^${length}${wanted}` }),
    },
  ];
}

/** "Ab12f 3 456" is AB 12 0F 03 45 06: pairs of digits, and what is left alone before a blank is a byte of its own. */
const hexOf = (statement: Statement | undefined): string =>
  (statement?.words.slice(1) ?? [])
    .flatMap(
      (word) =>
        word.match(/../g)?.concat(word.length % 2 === 1 ? [`0${word.at(-1) ?? ''}`] : []) ?? [`0${word}`],
    )
    .join('')
    .toLowerCase();

function misc(checker: Block, { notes, address }: Around, place: Place): readonly CheckDocument[] {
  checker.tell(
    'misc_dynamic',
    'weight comes from what the command prints, not from its exit code: let it print "weight=50%"',
    notes,
  );
  const [program = '', ...words] = checker.escaped('misc_path') ?? [];
  // Quoted as a whole it has the words of its arguments within.
  const command = [...wordsOfCommand(program), ...words];
  if (command.length === 0) {
    notes.add(place, 'MISC_CHECK', 'has no misc_path; left out');
    return [];
  }
  return [{ type: 'exec', command: forAnyServer(command, address) }];
}

/** A command that names its real server, as one that asks its environment: then it is the same for all of them. */
function forAnyServer(command: readonly string[], address: string): readonly string[] {
  if (!command.some((word) => word.includes(address))) return command;
  const words = command.map((word) => word.split(address).map(shellQuoted).join('"$VSNAT_ADDRESS"'));
  return ['sh', '-c', `exec ${words.join(' ')}`];
}

const shellQuoted = (text: string): string =>
  /^[\w./:=,@%+-]*$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** Of `"/usr/bin/check 'two words' -a"`: quotes of either kind hold words together. */
const wordsOfCommand = (text: string): readonly string[] =>
  [...text.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => word.replaceAll(/['"]/g, ''));
