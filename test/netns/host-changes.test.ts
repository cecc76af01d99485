// SPDX-License-Identifier: Apache-2.0
/** What the kernel tells of its network, subject by subject, by way of the addon. */
import { afterAll, beforeAll, expect, test } from 'vitest';

import type { ChangeSubject } from '../../src/dataplane/host-changes.js';
import { createNamespaces, freshPrefix, Namespace, removeNamespaces } from './support/namespace.js';
import type { Background } from './support/process.js';
import { projectRoot } from './support/project-root.js';
import { suite } from './support/suite.js';

/** Says `heard`, and listens again when it is sent a signal. */
const program = `
const { HostChanges } = require('node-gyp-build')(process.argv[1]);
const changes = new HostChanges(JSON.parse(process.argv[2]), 118, () => console.log('heard'));
process.on('SIGUSR2', () => { changes.listen(); console.log('listening'); });
setInterval(() => undefined, 1e9); // what listens keeps no process alive
console.log('listening');
`;

const everything: readonly ChangeSubject[] = [
  'links',
  'addresses',
  'routes',
  'rules',
  'settings',
  'firewall',
  'policies',
  'queueing',
];

type Case = readonly [subject: ChangeSubject, argv: readonly string[], undo?: readonly string[]];

const words = (line: string): readonly string[] => line.split(' ');

const cases: readonly Case[] = [
  ['links', words('ip link set eth mtu 1400')],
  ['addresses', words('ip address add 10.1.0.9/24 dev eth')],
  ['routes', words('ip route add 10.9.0.1/32 dev eth proto 118')],
  ['routes', words('ip route replace 10.9.0.1/32 dev lo')],
  ['routes', words('ip -6 route add fd00:9::1/128 dev eth proto 118')],
  ['routes', words('ip -6 route del fd00:9::1/128 dev eth proto 118')],
  ['rules', words('ip rule add pref 118 fwmark 1 lookup 118')],
  ['settings', words('sysctl -qw net.ipv4.conf.eth.rp_filter=2')],
  ['firewall', words('nft add table inet somebody')],
  ['firewall', words('nft flush ruleset')],
  ['policies', words('ip xfrm policy add src 10.3.0.0/24 dst 10.4.0.0/24 dir out')],
  ['queueing', words('tc qdisc add dev eth clsact')],
];

suite('what the kernel tells of changes', () => {
  const name = `${freshPrefix()}host`;
  const namespace = new Namespace(name);

  beforeAll(async () => {
    await createNamespaces([name]);
    await namespace.ip(['link set lo up', 'link add eth type veth peer name other']);
    await namespace.ip(['link set eth up', 'link set other up', 'address add 10.1.0.1/24 dev eth nodad']);
  });
  afterAll(() => removeNamespaces([name]));

  async function listening(subjects: readonly ChangeSubject[]): Promise<Background> {
    const argv = [process.execPath, '-e', program, projectRoot, JSON.stringify(subjects)];
    const listener = namespace.spawn(argv);
    await listener.waitForOutput(/listening/);
    return listener;
  }

  for (const [subject, argv] of cases)
    test(`${subject}: ${argv.join(' ')}`, async () => {
      const listener = await listening([subject]);
      await namespace.must(argv);
      await listener.waitForOutput(/heard/);
      await listener.stop('SIGKILL');
    });

  test('routes of others are of no interest', async () => {
    const listener = await listening(['routes']);
    await namespace.must(words('ip route add 10.8.0.0/16 dev eth'));
    await namespace.must(words('ip route del 10.8.0.0/16 dev eth'));
    // Behind them in the same queue, and heard first.
    expect(listener.output).not.toMatch(/heard/);
    await namespace.must(words('ip route add 10.9.0.2/32 dev eth proto 118'));
    await listener.waitForOutput(/heard/);
    await listener.stop('SIGKILL');
  });

  test('however much changes is one notice, until somebody listens again', async () => {
    const listener = await listening(everything);
    const changes = Array.from({ length: 300 }, (_, i) => `rule add pref 200 fwmark ${i + 1} lookup 200`);
    await namespace.ip(changes);
    await listener.waitForOutput(/heard/);
    listener.signal('SIGUSR2');
    await listener.waitForOutput(/heard\nlistening\n/);
    await namespace.ip(changes.map((line) => line.replace('add', 'del')));
    await listener.waitForOutput(/heard\nlistening\nheard\n/);
    const { stdout } = await listener.stop('SIGKILL');
    expect(stdout).toBe('listening\nheard\nlistening\nheard\n');
  });
});
