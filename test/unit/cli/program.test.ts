// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { serviceTexts } from '../../../src/cli/show-status.js';
import type { ServiceReport } from '../../../src/director/report.js';
import type { IpAddress } from '../../../src/model/index.js';
import { startDaemon, type Daemon } from '../../../src/cli/daemon.js';
import { splitAtIpvsadm } from '../../../src/cli/split-at-ipvsadm.js';
import { row } from '../admin/rows.js';
import { parseConfig } from '../../../src/config/index.js';
import { schemaText } from '../../../src/config/schema.js';
import { vsnat } from './capture.js';
import { fakeMachine, webConfig, type FakeMachine } from './parts.js';

describe('the command line', () => {
  it('ends with 2 and the help on stderr when nothing is asked', async () => {
    expect(await vsnat([])).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('Usage: vsnat') as string,
    });
  });

  it('prints help and version as results', async () => {
    expect(await vsnat(['--help'])).toMatchObject({ code: 0, err: '' });
    expect(await vsnat(['--version'])).toMatchObject({ code: 0, out: '0.1.0\n' });
    expect((await vsnat(['flows', '--help'])).out).toContain('--client');
  });

  it.each([
    [
      ['statsu'],
      /^vsnat: unknown command 'statsu' \(Did you mean one of stats, status\?\); see `vsnat --help`\n$/,
    ],
    [['status', '--jsno'], /^vsnat: unknown option '--jsno'/],
    [['top', '--sort', 'z'], /must be one of c, a, p, b, n; see `vsnat --help`\n$/],
    [['run'], /required option '-c, --config <file>'/],
    [['check'], /^vsnat: check: must be told the file/],
    [['check', 'a', 'b'], /too many arguments/],
    [['flows', '--limit', '0'], /must be a whole number above 0/],
    [['completion', 'tcsh'], /must be for bash, zsh, fish, got "tcsh"/],
  ])('%j is a usage error: exit 2, nothing on stdout', async (argv, message) => {
    const { code, out, err } = await vsnat(argv);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(message);
  });

  it('ends with 5 when no daemon answers, whichever way the socket is named', async () => {
    const byOption = await vsnat(['status', '--socket', '/nowhere/a.sock'], {
      VSNAT_SOCKET: '/nowhere/b.sock',
    });
    expect(byOption).toMatchObject({ code: 5, out: '' });
    expect(byOption.err).toContain('/nowhere/a.sock: must be the socket of a running daemon');
    const byEnvironment = await vsnat(['flows'], { VSNAT_SOCKET: '/nowhere/b.sock' });
    expect(byEnvironment).toMatchObject({ code: 5 });
    expect(byEnvironment.err).toContain('/nowhere/b.sock');
  });
});

describe('vsnat ipvsadm', () => {
  it.each([
    [['ipvsadm', '-Ln'], ['ipvsadm'], ['-Ln']],
    [['ipvsadm'], ['ipvsadm'], []],
    [
      ['--socket', '/s', 'ipvsadm', '--help', '--socket'],
      ['--socket', '/s', 'ipvsadm'],
      ['--help', '--socket'],
    ],
    [['--socket=/s', '--no-color', 'ipvsadm', '-h'], ['--socket=/s', '--no-color', 'ipvsadm'], ['-h']],
    [['--socket', 'ipvsadm', 'status'], ['--socket', 'ipvsadm', 'status'], []],
    [['status', 'ipvsadm'], ['status', 'ipvsadm'], []],
    [['--socket'], ['--socket'], []],
  ])('%j leaves to ipvsadm what follows its name', (argv, own, ipvsadm) => {
    expect(splitAtIpvsadm(argv)).toEqual({ own, ipvsadm });
  });

  it('answers its own -h and -v, and complains in its own words, without a daemon', async () => {
    expect(await vsnat(['ipvsadm', '-h'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^ipvsadm v1\.31 .*\nUsage:\n/) as string,
    });
    expect((await vsnat(['ipvsadm', '--version'])).out).toMatch(/^ipvsadm v1\.31 \(vsnat /);
    expect(await vsnat(['ipvsadm', '-A', '-t', '10.9.0.1'])).toEqual({
      code: 2,
      out: '',
      err: 'Zero port specified for non-persistent service\n',
    });
    expect(await vsnat(['ipvsadm', '-A', '-t', '10.9.0.1:80', '-b', 'flag-1', '-s', 'rr'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^vsnat: no flag/) as string,
    });
  });

  it('ends with 5 when there is no daemon to ask', async () => {
    expect(await vsnat(['--socket', '/nowhere/x', 'ipvsadm', '-Ln'])).toMatchObject({ code: 5, out: '' });
    expect(await vsnat(['save', '--socket', '/nowhere/x'])).toMatchObject({ code: 5, out: '' });
    const saved = '-A -t 10.9.0.1:80 -s rr\n';
    expect(await vsnat(['restore', '--socket', '/nowhere/x'], {}, saved)).toMatchObject({ code: 5, out: '' });
  });
});

describe('vsnat check', () => {
  let directory: string;
  beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'vsnat-check-'))));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const file = (text: string): string => {
    const path = join(directory, 'vsnat.yaml');
    writeFileSync(path, text);
    return path;
  };
  const routed =
    'services: [{ name: web, listen: "tcp://10.9.0.1:80", servers: [{ address: 10.2.1.2:8080, routed: true }] }]';

  it('says what a good file holds, named either way', async () => {
    const path = file(routed);
    const expected = { code: 0, out: `${path}: ok, 1 service, 1 real server\n` };
    expect(await vsnat(['check', path])).toMatchObject(expected);
    expect(await vsnat(['check', '-c', path])).toMatchObject(expected);
    const json = await vsnat(['check', path, '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ ok: true, services: 1, servers: 1 });
  });

  it('lists every mistake as file:line:column and ends with 3', async () => {
    const path = file(
      'services:\n  - name: web\n    listne: tcp://10.9.0.1:80\n    servers: [{ address: x, weight: -1 }]\n',
    );
    const { code, out, err } = await vsnat(['check', path]);
    expect(code).toBe(3);
    expect(out).toBe('');
    const lines = err.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(line).toMatch(/^\/.*vsnat\.yaml:\d+:\d+: /);
    const json = await vsnat(['check', path, '--json']);
    expect(json.code).toBe(3);
    expect(
      (JSON.parse(json.out) as { problems: { text: string }[] }).problems.map(({ text }) => text),
    ).toEqual(lines);
  });

  const watched = (secret: string, more = ''): string =>
    `services:\n  - name: web\n    listen: tcp://10.9.0.1:80\n    servers: []\n    drain: { deadline: 90s }\n    health: { type: http, path: "/a$\${b}", headers: { X-Token: ${secret} }${more} }\n`;

  it('prints what a file says with every default, and keeps its secrets', async () => {
    const path = file(watched('hunter2'));
    const { code, out } = await vsnat(['check', path, '--print']);
    expect(code).toBe(0);
    expect(out).toContain('X-Token: (redacted)');
    expect(out).toContain('interval: 2s');
    expect(out).toContain('deadline: 90s');
    expect(out).not.toContain('hunter2');
    const printed = parseConfig(out).model;
    expect(printed).toEqual(parseConfig(watched('(redacted)')).model);
    const json = await vsnat(['check', path, '--print', '--json']);
    expect(json.out).not.toContain('hunter2');
    expect(parseConfig(json.out).model).toEqual(printed);
  });

  it('tells what a reload would change, another file given', async () => {
    const other = join(directory, 'other.yaml');
    writeFileSync(other, watched('one'));
    const path = file(watched('two', ', rise: 5'));
    expect(await vsnat(['check', path, '--from', path])).toMatchObject({ code: 0, out: 'unchanged\n' });
    expect(await vsnat(['check', path, '--from', other])).toMatchObject({
      code: 0,
      out: '~ service web health.headers (one) -> (another)\n~ service web health.rise 2 -> 5\n',
    });
    const json = await vsnat(['check', path, '--from', other, '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ changes: [{ kind: 'changed' }, { kind: 'changed' }] });
  });

  it('prints the schema, and one thing at a time', async () => {
    const { code, out } = await vsnat(['check', '--schema']);
    expect([code, out]).toEqual([0, schemaText()]);
    expect(await vsnat(['check', '--schema', '--print'])).toMatchObject({ code: 2 });
  });

  it('counts the files where there are several', async () => {
    writeFileSync(join(directory, 'more.yaml'), routed);
    const path = file('include: more.yaml\nservices: []\n');
    expect(await vsnat(['check', path])).toMatchObject({
      out: `${path}: ok, 1 service, 1 real server, 2 files\n`,
    });
  });

  it('ends with 3 when there is no file', async () => {
    expect(await vsnat(['check', join(directory, 'none.yaml')])).toMatchObject({ code: 3 });
  });
});

describe('commands to a daemon', () => {
  let machine: FakeMachine;
  let daemon: Daemon;
  beforeAll(async () => {
    machine = fakeMachine();
    daemon = await startDaemon({ configFile: '/etc/vsnat.yaml', version: '0.1.0' }, machine.parts);
  });
  afterAll(async () => {
    await daemon.stop();
    rmSync(machine.directory, { recursive: true, force: true });
  });
  const ask = (...argv: string[]) => vsnat([...argv, '--socket', machine.socket]);

  it('status tells how it is, in text and JSON', async () => {
    const { code, out } = await ask('status');
    expect(code).toBe(0);
    expect(out).toContain(`pid ${process.pid}, ready`);
    expect(out).toContain('/etc/vsnat.yaml');
    expect(JSON.parse((await ask('status', '--json')).out)).toMatchObject({
      state: 'ready',
      director: { services: 1 },
    });
  });

  it('services lists servers with their numbers', async () => {
    machine.dataplane.setServer(0, { active: 12, inactive: 3, connections: 617, inBytes: 1_234_567 });
    const { out } = await ask('services');
    expect(out).toMatch(/^web {2}tcp:\/\/10\.9\.0\.1:80/);
    expect(out).toMatch(/10\.2\.1\.2:8080 +1 +12 +3 +0 +617 +1\.2 MB +0 B/);
  });

  it('services tells of persistence, marks and single packets in the words of ipvsadm', () => {
    const report = {
      service: 's',
      listen: [],
      scheduler: 'rr',
      connections: 0,
      scheduleFailures: 0,
      quorum: 'met' as const,
      planFailures: null,
      servers: [],
    };
    const title = (more: Partial<ServiceReport>): string | undefined =>
      serviceTexts({
        services: [{ ...report, persistence: null, mark: null, onePacket: false, ...more }],
        next: null,
      })[0]?.title.split('  ')[2];
    expect(title({})).toBe('rr');
    expect(title({ persistence: { timeoutSeconds: 360, prefixLength: 32 } })).toBe('rr persistent 360');
    expect(title({ mark: 7, persistence: { timeoutSeconds: 1, prefixLength: 20 } })).toBe(
      'rr mark 7 persistent 1 mask 255.255.240.0',
    );
    const mask = '255.0.0.255' as IpAddress;
    expect(title({ persistence: { timeoutSeconds: 1, prefixLength: 8, mask } })).toBe(
      'rr persistent 1 mask 255.0.0.255',
    );
    expect(title({ onePacket: true })).toBe('rr ops');
  });

  it('flows draws the table as ipvsadm does, filters it and says when there is more', async () => {
    const plain = row(40_000);
    machine.dataplane.rows = [
      { ...plain, serviceSlot: 0, serverSlot: 0 },
      {
        ...plain,
        serviceSlot: 0,
        serverSlot: 0,
        clientAddress: '2001:db8::7',
        expiresInSeconds: 61,
        state: 'FIN_WAIT',
      },
    ];
    const { code, out, err } = await ask('flows');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.split('\n')).toEqual([
      'pro expire state       source             virtual            destination',
      'TCP 14:57  ESTABLISHED 192.0.2.7:40000    10.9.0.1:80        10.2.1.2:8080',
      'TCP 01:01  FIN_WAIT    [2001:db8::7]:40000 10.9.0.1:80        10.2.1.2:8080',
      '',
    ]);
    expect((await ask('flows', '--state', 'FIN_WAIT')).out.trimEnd().split('\n')).toHaveLength(2);
    const first = await ask('flows', '--limit', '1');
    expect(first.out.trimEnd().split('\n')).toHaveLength(2);
    expect(first.err).toContain('--all');
    const all = JSON.parse((await ask('flows', '--all', '--json')).out) as {
      rows: unknown[];
      complete: boolean;
    };
    expect(all).toMatchObject({ complete: true });
    expect(all.rows).toHaveLength(2);
  });

  it.each([
    [['--service', 'wbe'], 'service: must be one of web, got "wbe"'],
    [['--service', 'web', '--server', '10.2.1.9'], 'server: must be one of 10.2.1.2:8080, got "10.2.1.9"'],
    [['--server', '10.2.1.2:80'], 'server: must be one of 10.2.1.2:8080, got "10.2.1.2:80"'],
    [['--server', 'ten'], 'server: must be an address, or address:port ([v6]:port), got "ten"'],
  ])('flows %j is refused, since nothing is called so', async (words, sentence) => {
    machine.dataplane.rows = [{ ...row(40_000), serviceSlot: 0, serverSlot: 0 }];
    const { code, out, err } = await ask('flows', ...words);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(sentence);
    expect((await ask('flows', ...words, '--follow')).code).toBe(2);
  });

  it('flows of what is there and has no connections are none', async () => {
    machine.dataplane.rows = [];
    for (const words of [
      ['--service', 'web'],
      ['--server', '10.2.1.2'],
      ['--server', '10.2.1.2:8080'],
    ])
      expect(await ask('flows', ...words)).toMatchObject({ code: 0, err: '' });
  });

  it('flows to a server that has left its service are shown', async () => {
    machine.dataplane.rows = [{ ...row(40_000), realAddress: '10.2.1.9', serviceSlot: 0, serverSlot: 0 }];
    expect((await ask('flows', '--server', '10.2.1.9')).out).toContain('10.2.1.9:8080');
  });

  it('reload prints each change, and the mistakes of a bad file with exit 3', async () => {
    machine.text = webConfig(4);
    expect(await ask('reload')).toMatchObject({ code: 0, out: '~ server web 10.2.1.2:8080 weight 1 -> 4\n' });
    expect(await ask('reload')).toMatchObject({ code: 0, out: 'unchanged\n' });
    machine.text = 'services: 1';
    const { code, out, err } = await ask('reload');
    expect({ code, out }).toEqual({ code: 3, out: '' });
    expect(err).toContain('services: must');
  });
});
