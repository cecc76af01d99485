// SPDX-License-Identifier: Apache-2.0
/**
 * Every exit code that docs/cli.md promises, of every command, from a process: scripts and RestartPreventExitStatus= lean on
 * them. What a failure says is one sentence on stderr, never a stack trace, and nothing on stdout.
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startDaemon, type Daemon } from '../../src/cli/daemon.js';
import { exitCodeTexts } from '../../src/cli/exit-codes.js';
import { exitCodes } from '../../src/errors.js';
import { fakeMachine, type FakeMachine } from '../unit/cli/parts.js';
import { projectRoot, run, withoutRights, type Ended, type RunOptions } from './support/run.js';

const { ok, failed, usage, badConfiguration, noPermissionOrDevice, unreachable } = exitCodes;

let machine: FakeMachine;
let daemon: Daemon;
let directory: string;
const servers: Server[] = [];
const at = (name: string): string => join(directory, name);

beforeAll(async () => {
  machine = fakeMachine();
  daemon = await startDaemon({ configFile: '/etc/vsnat.yaml', version: '0.1.0' }, machine.parts);
  ({ directory } = machine);
  writeFileSync(
    at('good.yaml'),
    'services: [{ name: web, listen: "tcp://10.9.0.1:80", servers: [{ address: 10.2.1.2:8080, routed: true }] }]\n',
  );
  writeFileSync(at('bad.yaml'), 'services: 7\n');
  writeFileSync(
    at('good.conf'),
    'virtual_server 10.9.0.1 80 {\n lb_kind NAT\n real_server 10.2.1.2 8080 {\n }\n}\n',
  );
  writeFileSync(at('bad.conf'), 'virtual_server 10.9.0.1 80 {\n real_server 10.2.1.999 8080 {\n }\n}\n');
  writeFileSync(at('garbage.pcap'), 'no capture at all');
  writeFileSync(at('empty.csv'), 'time,client,duration\n# nobody came\n');
  writeFileSync(at('stale.sock'), ''); // a file where a socket was
  const listen = async (name: string, onConnection: (server: Server) => Server): Promise<void> => {
    const server = onConnection(createServer()).listen(at(name));
    servers.push(server);
    await new Promise((resolve) => server.once('listening', resolve));
  };
  await listen('mute.sock', (server) => server.on('connection', (socket) => socket.destroy()));
  await listen('forbidden.sock', (server) => server);
  chmodSync(at('forbidden.sock'), 0);
});
afterAll(async () => {
  for (const server of servers) server.close();
  await daemon.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** What the daemon serves, to be restored. */
const rules = '-A -t 10.9.0.1:80 -s wlc\n-a -t 10.9.0.1:80 -r 10.2.1.2:8080 -m -w 1\n';

/** `vsnat.sock` is the daemon's; a word that ends like a file of the folder is one. */
const vsnat = (words: string, options: RunOptions = {}): Promise<Ended> =>
  run(
    words
      .split(' ')
      .filter((word) => word !== '')
      .map((word) => (/^[a-z]+\.(?:yaml|sock|conf|pcap)$/.test(word) ? at(word) : word)),
    {
      cwd: directory,
      env: { VSNAT_SOCKET: machine.socket },
      input: words === 'restore' ? rules : '',
      ...options,
    },
  );

function expectFailure(said: Ended, code: number): void {
  expect([said.code, said.out], said.err).toEqual([code, '']);
  expect(said.err).not.toBe('');
  expect(said.err).not.toMatch(/unexpected error|\n {4}at /);
}

/** Those that ask the daemon, with words that do no harm. */
const askers = [
  'status',
  'services',
  'servers',
  'flows',
  'flows --follow',
  'flows --kill --all',
  'stats',
  'stats --watch',
  'top --times 1',
  'top --json --times 1',
  'events',
  'events --follow',
  'drain web 10.2.1.2:8080',
  'weight web 10.2.1.2:8080 1',
  'disable web 10.2.1.2:8080',
  'enable web 10.2.1.2:8080',
  'changes',
  'reload',
  'reload --dry-run',
  'ipvsadm -Ln',
  'ipvsadm -A -t 10.9.0.9:80',
  'save',
  'restore',
  'explain tcp 192.0.2.7:40000 10.9.0.1:80',
  'capture',
  'completion-words services',
];
const others = [
  'run -c good.yaml',
  'check good.yaml',
  'simulate -c good.yaml --service web',
  'doctor',
  'convert good.conf',
  'demo',
  'completion bash',
];
const commandOf = (words: string): string => words.split(' ')[0] ?? '';

it('the tables of this file know every command there is', async () => {
  const { out } = await vsnat('--help');
  const [, list = ''] = out.split('Commands:\n');
  const known = [...list.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name);
  expect([...new Set([...askers, ...others].map(commandOf))].sort()).toEqual(
    [...known, 'completion-words'].sort(),
  );
});

it('the codes are those of docs/cli.md', () => {
  const documented = readFileSync(join(projectRoot, 'docs/cli.md'), 'utf8').matchAll(
    /^\| (\d) \| (.+) \|$/gm,
  );
  expect([...documented].map(([, code, meaning]) => ({ code: Number(code), meaning }))).toEqual(
    exitCodeTexts,
  );
});

describe('0: ok', () => {
  it.each(
    [
      ...askers.filter((words) => !/--follow|--watch|^(?:capture|ipvsadm -A)/.test(words)),
      'check good.yaml',
      'check --schema',
      'check good.yaml --print',
      'check good.yaml --from good.yaml',
      'check --json -c good.yaml',
      'simulate -c good.yaml --service web',
      'explain -c good.yaml tcp 192.0.2.7:40000 10.9.0.1:80',
      'convert good.conf',
      'completion zsh',
      '--version',
      '--help',
      ...[...new Set([...askers, ...others].map(commandOf))]
        .filter((name) => name !== 'completion-words')
        .map((name) => `${name} --help`),
    ].map((words) => [words]),
  )('%s', async (words) => {
    const { code, err, out } = await vsnat(words);
    expect(code, err + out).toBe(ok);
  });
});

describe('1: failed at run time', () => {
  it.each([
    'drain web 10.2.1.9:8080',
    'weight nobody 10.2.1.2:8080 1',
    'disable web 10.2.1.9:8080',
    'enable nobody 10.2.1.2:8080',
    'ipvsadm -A -t 10.9.0.1:80 -b flag-1 -s rr',
  ])('%s', async (words) => expectFailure(await vsnat(words), failed));

  it('restore of a rule that cannot be obeyed', async () =>
    expectFailure(await vsnat('restore', { input: '-a -t 10.9.0.8:80 -r 10.2.1.2:80 -m\n' }), failed));

  it.each([
    'explain udp 192.0.2.7:40000 10.9.0.1:81',
    'explain -c good.yaml udp 192.0.2.7:40000 10.9.0.1:81',
  ])('%s: the packet is not forwarded, which is an answer all the same', async (words) => {
    const { code, out } = await vsnat(words);
    expect([code, out]).toEqual([failed, expect.stringContaining('=> dropped')]);
  });

  it('doctor where something is wrong, with its findings as the answer', async () => {
    // Without CAP_NET_ADMIN the file cannot work.
    const { code, out, err } = await vsnat('doctor -c good.yaml --socket missing.sock --json', {
      under: withoutRights,
    });
    expect(code, err).toBe(failed);
    expect(JSON.parse(out)).toMatchObject({ ok: false });
  });
});

describe('2: the command line is wrong', () => {
  it.concurrent.each([
    '',
    'nonsense',
    ...[...new Set([...askers, ...others].map(commandOf))]
      .filter((name) => name !== 'ipvsadm') // has codes of its own, below
      .map((name) => `${name} --nonsense`),
    'status --socket',
    'services too-much',
    'check',
    'check good.yaml --print --schema',
    'run',
    'capture -s 7',
    'capture --protocol gre',
    'capture --for soon',
    'flows --limit 0',
    'flows --kill',
    'flows --protocol gre',
    'flows --follow soon',
    'stats --watch -1',
    'top --sort z',
    'top --times 0',
    'events --kind weather',
    'drain web',
    'drain web 10.2.1.2:8080 --then cry',
    'weight web 10.2.1.2:8080 70000',
    'weight web 10.2.1.2:8080 -1',
    'explain',
    'explain icmp 192.0.2.7:1 10.9.0.1:80',
    'explain --pcap missing.pcap',
    'explain --pcap garbage.pcap',
    'simulate -c good.yaml --service nobody',
    'simulate -c good.yaml --service web --trace missing.pcap',
    'simulate -c good.yaml --service web --trace empty.csv',
    'simulate -c good.yaml --service web --seed x',
    'simulate -c good.yaml --service web --scheduler nonsense',
    'convert good.conf -o good.yaml',
    'completion tcsh',
    'completion',
    'status --socket https://127.0.0.1:1/path',
    'status --socket https://127.0.0.1:1 --token-file missing.conf',
    'ipvsadm -A -t 10.9.0.1',
  ])('%s', async (words) => expectFailure(await vsnat(words), usage));

  it.each([
    ['a rule that makes no sense', '--nonsense\n'],
    ['nothing, which is what a save that failed writes into the pipe', ''],
  ])('restore of %s', async (_, input) => expectFailure(await vsnat('restore', { input }), usage));
});

describe('3: the configuration is wrong', () => {
  it.each([
    'check bad.yaml',
    'check missing.yaml',
    'check good.yaml --from bad.yaml',
    'run -c bad.yaml',
    'run -c missing.yaml',
    'explain -c bad.yaml tcp 192.0.2.7:40000 10.9.0.1:80',
    'simulate -c bad.yaml --service web',
    'doctor -c bad.yaml',
    'convert missing.conf',
  ])('%s', async (words) => expectFailure(await vsnat(words), badConfiguration));

  it('convert of a file whose result has mistakes, with the result as the answer', async () => {
    const { code, out, err } = await vsnat('convert bad.conf');
    expect([code, out]).toEqual([badConfiguration, expect.stringContaining('services:')]);
    expect(err).toContain('10.2.1.999');
  });

  it.each(['reload', 'reload --dry-run'])('%s of a file with mistakes', async (words) => {
    const { text } = machine;
    machine.text = 'services: 7';
    const said = await vsnat(words);
    machine.text = text;
    expectFailure(said, badConfiguration);
  });
});

describe('4: no permission, no device, or a host that is not set up', () => {
  it.each(['status', 'flows', 'events --follow', 'top --times 1', 'restore', 'drain web 10.2.1.2:8080'])(
    '%s, where the socket is not for this user',
    async (words) => {
      const said = await vsnat(words, { env: { VSNAT_SOCKET: at('forbidden.sock') }, under: withoutRights });
      expectFailure(said, noPermissionOrDevice);
      expect(said.err).toContain('member of the socket file’s group');
    },
  );

  it('run without CAP_NET_ADMIN, or where there is no TUN driver', async () => {
    const said = await vsnat('run -c good.yaml --socket other.sock', { under: withoutRights });
    expectFailure(said, noPermissionOrDevice);
    expect(said.err).toMatch(/CAP_NET_ADMIN|\/dev\/net\/tun/);
  });
});

describe('5: no daemon answers', () => {
  it.concurrent.each(askers)('%s', async (words) => {
    expectFailure(await vsnat(words, { env: { VSNAT_SOCKET: at('missing.sock') } }), unreachable);
  });

  it.each([
    ['a file where a socket was', 'stale.sock'],
    ['a folder', '.'],
    ['a socket whose owner hangs up', 'mute.sock'],
    ['a port where nobody listens', 'http://127.0.0.1:1'],
  ])('%s', async (_, socket) => expectFailure(await vsnat(`status --socket ${socket}`), unreachable));
});

describe('ipvsadm ends with its own codes', () => {
  it.each([
    ['-D -t 10.9.0.77:80', 255],
    ['-A -t 10.9.0.1:80', 255],
    ['--nonsense', 255],
    ['-A -t 10.9.0.1', 2],
    ['-A -t 10.9.0.1:80 -b flag-1 -s rr', 1],
    ['-Ln', 0],
  ])('%s: %i', async (words, code) => {
    expect((await vsnat(`ipvsadm ${words}`)).code).toBe(code);
    expect((await vsnat(words, { program: 'ipvsadm' })).code).toBe(code);
  });

  it('with vsnat’s where there is no daemon, or none for this user', async () => {
    const none = { program: 'ipvsadm', env: { VSNAT_SOCKET: at('missing.sock') } };
    expectFailure(await vsnat('-Ln', none), unreachable);
    const forbidden = {
      program: 'ipvsadm',
      env: { VSNAT_SOCKET: at('forbidden.sock') },
      under: withoutRights,
    };
    expectFailure(await vsnat('-Ln', forbidden), noPermissionOrDevice);
  });
});
