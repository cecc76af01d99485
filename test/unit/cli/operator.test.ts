// SPDX-License-Identifier: Apache-2.0
/** The commands of an operator against a daemon on a fake machine: what they print, and how they end. */
import { rmSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startDaemon, type Daemon } from '../../../src/cli/daemon.js';
import { difference, keyOf } from '../../../src/cli/show-flows.js';
import { eventLine } from '../../../src/cli/show-events.js';
import { printable } from '../../../src/cli/io.js';
import { table } from '../../../src/cli/table.js';
import { row } from '../admin/rows.js';
import { capture, vsnat, type Said } from './capture.js';
import { Io } from '../../../src/cli/io.js';
import { fakeMachine, webConfig, type FakeMachine } from './parts.js';

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

const ask = (...argv: string[]): Promise<Said> => vsnat([...argv, '--socket', machine.socket]);
const server = '10.2.1.2:8080';

describe('words for a server', () => {
  it('weight tries, sets, and gives back what the file has', async () => {
    const line = '~ server web 10.2.1.2:8080 weight 1 -> 7\n';
    expect(await ask('weight', 'web', server, '7', '--dry-run')).toMatchObject({ code: 0, out: line });
    expect((await ask('servers')).out).toMatch(/web +10\.2\.1\.2:8080 +serving +1 /);
    expect(await ask('weight', 'web', server, '7')).toMatchObject({ code: 0, out: line });
    expect((await ask('servers')).out).toMatch(/web +10\.2\.1\.2:8080 +serving +7 /);
    expect((await ask('changes')).out).toMatch(/ weight 1 -> 7 \(by cli at 2\d{3}-\d\d-\d\dT.*Z\)\n$/);
    expect((await ask('events')).out).toMatch(/ weight 1 -> 7 \(by cli\)\n/);
    expect(await ask('weight', 'web', server, 'file')).toMatchObject({ code: 0 });
    expect((await ask('changes')).out).toMatch(/^none: /);
  });

  it('drain, disable and enable say what they change; a second time it is nothing', async () => {
    const drained = await ask('drain', 'tcp://10.9.0.1:80', server, '--deadline', '90s', '--then', 'silence');
    expect(drained.code).toBe(0);
    expect(drained.out).toContain('10.2.1.2:8080');
    expect((await ask('servers', '--json')).out).toContain('"place"');
    expect((await ask('enable', 'web', server)).code).toBe(0);
    expect((await ask('enable', 'web', server)).out).toBe('unchanged\n');
    expect((await ask('disable', 'web', server)).out).not.toBe('unchanged\n');
    expect((await ask('servers')).out).toMatch(/disabled|quiesced/);
    expect(JSON.parse((await ask('enable', 'web', server, '--json')).out)).toMatchObject({ dryRun: false });
  });

  it('a drain may have no deadline', async () => {
    const left = async (): Promise<unknown> =>
      /"drainSeconds": (\w+)/.exec((await ask('servers', '--server', server, '--json')).out)?.[1];
    expect(await ask('drain', 'web', server, '--deadline', '90s')).toMatchObject({ code: 0 });
    expect(await left()).toMatch(/^\d+$/);
    expect(await ask('drain', 'web', server, '--deadline', 'never')).toMatchObject({ code: 0, err: '' });
    expect(await left()).toBe('null');
    expect(await ask('enable', 'web', server)).toMatchObject({ code: 0 });
  });

  it.each([
    [['weight', 'web', server, '70000'], 2, /0\.\.65535/],
    [['weight', 'web', server], 2, /missing required argument 'weight'/],
    [['drain', 'web', server, '--deadline', 'soon'], 2, /must be a duration/],
    [['drain', 'web', server, '--then', 'cry'], 2, /must be one of reset, silence/],
    [['disable', 'web', '10.2.1.9:8080'], 1, /10\.2\.1\.9:8080/],
    [['enable', 'nobody', server], 1, /nobody/],
    [['events', '--kind', 'weather'], 2, /must be one of health/],
    [['stats', '--watch', '-1'], 2, /must be a duration/],
    [['stats', '--watch', '0'], 2, /must be 10ms..24d/],
    [['top', '--interval', '30d'], 2, /must be 10ms..24d/],
    [['flows', '--follow', '1ms'], 2, /must be 10ms..24d/],
    [['capture', '--for', '25d'], 2, /must be 10ms..24d/],
    [['flows', '--state', 'WRONG'], 2, /must be one of NONE, ESTABLISHED, SYN_SENT, /],
    [['flows', '--silently'], 2, /--silently must come with --kill/],
    [['flows', '--kill', '--state', 'ESTABLISHED'], 2, /without --state/],
    [['flows', '--kill'], 2, /must say which connections; name them .*, or say --all/],
    [['explain', 'tcp', '10.1.0.2', '10.9.0.1:80'], 2, /client: must be address:port/],
    [['explain', 'icmp', '10.1.0.2:1', '10.9.0.1:80'], 2, /tcp, udp or sctp/],
    [['explain'], 2, /one packet, or a capture/],
    [['explain', '--pcap', '/nowhere.pcap'], 2, /readable file/],
  ])('%j ends with %i', async (argv, code, message) => {
    const said = await ask(...argv);
    expect([said.code, said.out]).toEqual([code, '']);
    expect(said.err).toMatch(message);
  });
});

it.each([
  ['servers'],
  ['stats'],
  ['events'],
  ['changes'],
  ['flows', '--kill', '--all'],
  ['drain', 'web', server],
  ['weight', 'web', server, '1'],
  ['disable', 'web', server],
  ['enable', 'web', server],
  ['explain', 'tcp', '10.1.0.2:1', '10.9.0.1:80'],
  ['reload', '--dry-run'],
  ['events', '--follow'],
])('%s ends with 5 when no daemon answers', async (...argv) => {
  const { code, out, err } = await vsnat([...argv, '--socket', '/nowhere/x.sock']);
  expect([code, out]).toEqual([5, '']);
  expect(err).toContain('/nowhere/x.sock: must be the socket of a running daemon');
});

it('stats tells totals and rates by service and server', async () => {
  machine.dataplane.setServer(0, { connections: 40, inPackets: 120, inBytes: 5_000_000 });
  const { out, code } = await ask('stats');
  expect(code).toBe(0);
  expect(out).toMatch(
    /^service +connections +in packets +out packets +in +out\nweb +\d+ +120 +0 +5\.0 MB +0 B\n {2}10\.2\.1\.2:8080 +40 +120/,
  );
  expect((await ask('stats', '--rate')).out).toContain('connections/s');
  expect(JSON.parse((await ask('stats', '--json')).out)).toMatchObject({ services: [{ service: 'web' }] });
});

it('events lists what happened, as lines and as JSON', async () => {
  await ask('drain', 'web', server);
  await ask('enable', 'web', server);
  const { out } = await ask('events');
  expect(out).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z drain {4}server 10\.2\.1\.2:8080 of web/m);
  expect((await ask('events', '--kind', 'health')).out).toBe('');
  expect(JSON.parse((await ask('events', '--json')).out)).toMatchObject({ missed: 0 });
});

it('reload --dry-run says what would change, and changes nothing', async () => {
  machine.text = webConfig(9);
  const line = '~ server web 10.2.1.2:8080 weight 1 -> 9\n';
  expect(await ask('reload', '--dry-run')).toMatchObject({ code: 0, out: line });
  expect(await ask('reload', '--dry-run')).toMatchObject({ code: 0, out: line });
  machine.text = 'services: 1';
  expect(await ask('reload', '--dry-run')).toMatchObject({ code: 3, out: '' });
  machine.text = webConfig(1);
});

it('explain asks the daemon, and ends with 1 when the packet is not forwarded', async () => {
  const good = await ask('explain', 'tcp', '192.0.2.7:40000', '10.9.0.1:80');
  expect(good.code).toBe(0);
  expect(good.out).toContain('=> forwarded to 10.2.1.2:8080 (scheduler)');
  const bad = await ask('explain', 'udp', '192.0.2.7:40000', '10.9.0.1:81');
  expect([bad.code, bad.out]).toEqual([1, expect.stringContaining('=> dropped: no_service') as string]);
});

it('of two looks at the connections it tells who came and went', () => {
  const [a, b, c] = [row(1), row(2), row(3)].map((one) => ({ ...one, service: 'web' }));
  if (a === undefined || b === undefined || c === undefined) throw new RangeError('rows');
  const rows = (...some: (typeof a)[]) => new Map(some.map((one) => [keyOf(one), one]));
  const signs = [...difference(rows(a, b), rows(b, c))].map(
    ({ sign, row: { clientPort } }) => `${sign}${clientPort}`,
  );
  expect(signs).toEqual([`-${a.clientPort}`, `+${c.clientPort}`]);
});

describe('what a daemon or a network says', () => {
  const evil = '\u001b]0;gotcha\u0007\u009b2J\u202eabc\u2028\r';

  it('moves no cursor, in text or in JSON', () => {
    expect(printable(evil)).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u2028]/u);
    const { streams, said } = capture();
    const io = new Io(streams);
    io.json({ evil });
    io.out(
      eventLine({
        id: 1,
        at: 0,
        kind: 'health',
        service: evil,
        server: null,
        text: `${evil}\nx`,
        detail: {},
      }),
    );
    expect(said.out.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u2028]/u);
    expect(JSON.parse(said.out.slice(0, said.out.lastIndexOf('}') + 1))).toEqual({ evil });
  });
});

describe('a table', () => {
  const columns = [{ title: 'name' }, { title: 'n', align: 'right' as const }];

  it('gives way on the left when the terminal is narrow, and keeps its numbers', () => {
    const rows = [['a very long name of a service', '1234567']];
    expect(table(columns, rows, 24)).toEqual(
      ['name                   n', 'a very long na…  1234567'].map((line) => line.trimEnd()),
    );
    for (const line of table(columns, rows, 24)) expect(line.length).toBeLessThanOrEqual(24);
    expect(table(columns, rows)[1]).toContain('a very long name of a service');
  });

  it('stops giving way where nothing could be read any more', () =>
    expect(table(columns, [['abcdefghij', '1']], 3)[1]).toBe('abcdefg…  1'));
});
