// SPDX-License-Identifier: Apache-2.0
/**
 * The NAT case of the kernel's own test of IPVS, tools/testing/selftests/net/netfilter/ipvs.sh of Linux 6.12, against
 * vsnat. That script is GPL-2.0 and so not in this repository; its steps are told here in our words: the same topology
 * with its second way between client and server, the same commands in the same order. What makes it hard for a director
 * outside the kernel is that the VIP becomes an address of the director after the service is there.
 *
 * With VSNAT_KERNEL_SELFTEST set to the folder of the original (in the kernel's sources, with the lib.sh it needs), the
 * original runs as well. Replaced are two commands, by those in selftest/ here: `ipvsadm`, which starts a daemon for
 * its network namespace, and `modprobe`. Its cases of direct routing and tunnels are left out.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { createNamespaces, freshPrefix, Namespace, removeNamespaces } from './support/namespace.js';
import { must, run } from './support/process.js';
import { suite } from './support/suite.js';
import { until } from './support/until.js';

const replaced = path.join(import.meta.dirname, 'selftest');
const original = process.env['VSNAT_KERNEL_SELFTEST'];

const vip = '207.175.44.110';
const port = '8080';
const service = `${vip}:${port}`;
const server = `172.16.0.2:${port}`;

const listen = `
  const server = require('node:net').createServer((socket) => {
    socket.pipe(process.stdout);
    socket.on('end', () => server.close());
  });
  server.listen(${port}, () => process.stderr.write('ready\\n'));`;
const connect = `
  const socket = require('node:net').connect(${port}, '${vip}');
  process.stdin.pipe(socket);
  socket.resume();`;

suite("the kernel's selftest of IPVS", () => {
  let folder = '';
  let env: Readonly<Record<string, string>> = {};
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'vsnat-selftest-'));
    env = { VSNAT_SELFTEST: folder, PATH: `${replaced}:${process.env['PATH'] ?? ''}` };
  });
  afterEach(async () => {
    for (const place of await readdir(folder)) await endDaemon(path.join(folder, place));
    await rm(folder, { recursive: true });
  });

  test('its NAT case, step for step', async () => {
    const prefix = freshPrefix();
    const names = [`${prefix}ns0`, `${prefix}ns1`, `${prefix}ns2`] as const;
    const [ns0, ns1, ns2] = [new Namespace(names[0]), new Namespace(names[1]), new Namespace(names[2])];
    await createNamespaces(names);
    try {
      const cable = (a: string, nsA: Namespace, b: string, nsB: Namespace): Promise<string> =>
        must([
          'ip',
          'link',
          'add',
          a,
          'netns',
          nsA.name,
          'type',
          'veth',
          'peer',
          'name',
          b,
          'netns',
          nsB.name,
        ]);
      await cable('veth01', ns0, 'veth10', ns1);
      await cable('veth02', ns0, 'veth20', ns2);
      await cable('veth12', ns1, 'veth21', ns2);
      await ns0.ip([
        'link set lo up',
        'link set veth01 up',
        'link set veth02 up',
        'link add br0 type bridge',
        'link set veth01 master br0',
        'link set veth02 master br0',
        'link set br0 up',
        'addr add 10.0.0.2/24 dev br0',
      ]);
      await ns1.ip([
        'link set lo up',
        'link set veth10 up',
        'addr add 10.0.0.1/24 dev veth10',
        'link set veth12 up',
        'addr add 172.16.0.1/24 dev veth12',
      ]);
      await ns2.ip([
        'link set lo up',
        'link set veth21 up',
        'addr add 172.16.0.2/24 dev veth21',
        'link set veth20 up',
        'addr add 10.0.0.3/24 dev veth20',
      ]);

      await ns0.ip([`route add ${vip} via 10.0.0.1 dev br0`]);
      await ns1.sysctl({ 'net.ipv4.ip_forward': 1 });
      const ipvsadm = (line: string): Promise<string> => ns1.must(['ipvsadm', ...line.split(' ')], { env });
      expect(await ipvsadm(`-A -t ${service} -s rr`)).toBe('');
      expect(await ipvsadm(`-a -m -t ${service} -r ${server}`)).toBe('');
      await ns1.must(['ip', 'addr', 'add', `${vip}/32`, 'dev', 'lo:1']);
      await ns2.ip(['link del veth20', 'route add default via 172.16.0.1 dev veth21']);

      // The original sleeps. The watch alone would take up to five seconds.
      const isDiverted = async (): Promise<boolean> =>
        (await ns1.must(['ip', 'rule'])).includes(`to ${vip} ipproto tcp dport ${port}`);
      await until('the VIP to be diverted', isDiverted, { timeoutMs: 4_500 });
      const sent = randomBytes(16).toString('hex');
      const receiver = ns2.spawn([process.execPath, '-e', listen]);
      await receiver.waitForOutput(/ready/);
      await ns0.must([process.execPath, '-e', connect], { input: sent });
      expect(await receiver.finish()).toMatchObject({ code: 0, stdout: sent });

      expect((await ipvsadm('-Ln --stats')).split('\n')[3]).toMatch(/^TCP {2}207\.175\.44\.110:8080 +1 /);
      expect(await ipvsadm('-Lnc')).toContain(` 10.0.0.2:`);
    } finally {
      await removeNamespaces(names);
    }
  });

  if (original !== undefined)
    test('its NAT case, the original', async () => {
      const text = await readFile(path.join(original, 'ipvs.sh'), 'utf8');
      const others = 'test_dr() { :; }\ntest_tun() { :; }\n';
      const onlyNat = text.replace(/^trap cleanup EXIT$/m, (line) => others + line);
      expect(onlyNat).not.toBe(text);
      const script = path.join(folder, 'ipvs.sh');
      await writeFile(script, onlyNat);
      const inItsFolder = ['sh', '-c', 'cd "$1" && exec bash "$2"', 'sh', original, script];
      const finished = await run(inItsFolder, { env, timeoutMs: 60_000 });
      await rm(script);
      expect(finished).toMatchObject({ code: 0, stdout: expect.stringContaining('PASS') as string });
    }, 90_000);
});

/** A daemon that went with its namespace is no mistake. */
async function endDaemon(place: string): Promise<void> {
  const pid = Number(await readFile(path.join(place, 'pid'), 'utf8'));
  // A process that has ended but was not waited for has an empty command line.
  const isAlive = (): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
    } catch {
      return false;
    }
  };
  if (isAlive()) process.kill(pid, 'SIGTERM');
  await until('the daemon to end', () => !isAlive());
}
