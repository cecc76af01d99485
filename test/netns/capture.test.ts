// SPDX-License-Identifier: Apache-2.0
/** `vsnat capture` beside real traffic, read by tcpdump: both sides of the translation, whichever way packets leave. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { at, vip } from './support/lab.js';
import type { Background } from './support/process.js';
import { projectRoot } from './support/project-root.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

const requests = 10;

/** "12:00:00.1 IP 10.1.1.2.40000 > 10.9.0.1.80: Flags [S], …" */
const endsOf = (text: string): string[] =>
  [...text.matchAll(/ IP6? (\S+) > (\S+):/g)].map(([, from = '', to = '']) => `${from} ${to}`);

for (const way of ['route', 'direct'] as const) {
  suite(`vsnat capture, ways in and out ${way}`, () => {
    const lab = useLab({ servers: 2, config: { tun: { ingress: way, egress: way } } });
    const director = () => lab().topology.director.namespace;
    const start = async (...words: string[]): Promise<Background> => {
      const { socket } = lab().daemon.installation;
      const vsnat = [process.execPath, path.join(projectRoot, 'bin/vsnat'), '--socket', socket, 'capture'];
      const capture = director().spawn([...vsnat, ...words]);
      await capture.waitForOutput(/vsnat: capturing on vsnat0/);
      return capture;
    };
    const file = (name: string): string => path.join(lab().daemon.installation.directory, name);
    const ask = (kind: 'http' | 'stream' = 'http') =>
      lab().load('http', { to: `${vip.v4}:${vip[kind]}`, mode: 'connect', requests });

    test('tcpdump reads both sides, and each packet of the one has its twin on the other', async () => {
      const written = file('both.pcapng');
      const capture = await start('-w', written, '--service', 'http-v4');
      expect(await ask()).toMatchObject({ answered: requests, failed: 0 });
      const { code, stderr } = await capture.stop('SIGINT');
      expect([code, stderr]).toEqual([0, expect.stringMatching(/\d+ packets of 10 connections, 0 missed/)]);
      const read = await director().must(['tcpdump', '-nn', '-r', written]);
      const pairs = endsOf(read);
      const client = lab().topology.client.ipv4;
      const of = (from: string, to: string): number =>
        pairs.filter((pair) => pair.startsWith(from) && pair.includes(` ${to}`)).length;
      const rips = lab().topology.servers.map(({ ipv4 }) => ipv4);
      const toServers = rips.reduce((sum, rip) => sum + of(client, rip), 0);
      const fromServers = rips.reduce((sum, rip) => sum + of(rip, client), 0);
      expect(of(client, vip.v4)).toBeGreaterThanOrEqual(3 * requests);
      expect(toServers).toBe(of(client, vip.v4));
      expect(fromServers).toBe(of(vip.v4, client));
      expect(pairs).toHaveLength(2 * (toServers + fromServers));
    });

    test('filters, counts, cuts, and writes to a pipe', async () => {
      const { socket } = lab().daemon.installation;
      const server = lab().server(1).ipv4;
      const vsnat = `${process.execPath} ${path.join(projectRoot, 'bin/vsnat')} --socket ${socket}`;
      const piped = director().spawn([
        'sh',
        '-c',
        `${vsnat} capture -w - -c 6 -s 128 --server ${server} --protocol tcp | tcpdump -nn -r -`,
      ]);
      await piped.waitForOutput(/vsnat: capturing on vsnat0/);
      await ask();
      const { stdout, stderr } = await piped.finish();
      expect(stderr).toMatch(/vsnat: 6 packets of /);
      const pairs = endsOf(stdout);
      expect(pairs).toHaveLength(6);
      const rivals = [lab().server(0).ipv4];
      expect(pairs.filter((pair) => rivals.some((rip) => pair.includes(rip)))).toEqual([]);
    });

    test('without -w it prints lines; with --json each is an object', async () => {
      const packets = 100; // it may begin in the middle of a connection, and is to see one begin
      const run = async (...more: string[]): Promise<string> => {
        const { socket } = lab().daemon.installation;
        const packetSockets = async (): Promise<number> =>
          (await director().must(['cat', '/proc/net/packet'])).trim().split('\n').length;
        const before = await packetSockets();
        const capture = director().spawn([
          process.execPath,
          path.join(projectRoot, 'bin/vsnat'),
          '--socket',
          socket,
          ...more,
          'capture',
          '-c',
          String(packets),
        ]);
        const finished = capture.finish();
        // It listens soon after its packet socket is there, beside the daemon's own.
        await until('the capture to listen', async () => (await packetSockets()) > before);
        await until('the capture to have its packets', async () => {
          await ask();
          return !capture.alive;
        });
        return (await finished).stdout;
      };
      expect(await run()).toMatch(
        /^\d\d:\d\d:\d\d\.\d{6} client {2}tcp \S+ > 10\.9\.0\.1:80 \[S\], \d+ bytes {2}\(http-v4: .*server 10\.2\.\d\.2:\d+\)$/m,
      );
      const lines = (await run('--json')).trim().split('\n');
      expect(lines).toHaveLength(packets);
      for (const line of lines)
        expect(JSON.parse(line)).toMatchObject({ service: 'http-v4', vip: at(vip.v4, vip.http) });
    });

    test('a reader that leaves ends it', async () => {
      const { socket } = lab().daemon.installation;
      const vsnat = `${process.execPath} ${path.join(projectRoot, 'bin/vsnat')} --socket ${socket}`;
      const piped = director().spawn(['sh', '-c', `${vsnat} capture | head -n 1`]);
      await until('both to have ended', async () => {
        await ask();
        return !piped.alive;
      });
      expect((await piped.finish()).stdout.split('\n')).toHaveLength(2);
    });
  });
}

suite('vsnat capture elsewhere', () => {
  const lab = useLab({ servers: 2 });

  test('beside a daemon that hangs ends when it is told to, not when the daemon answers', async () => {
    const { pid, installation } = lab().daemon;
    const capture = installation.spawn('capture', '-w', path.join(installation.directory, 'hung.pcapng'));
    await capture.waitForOutput(/vsnat: capturing on vsnat0/);
    process.kill(pid, 'SIGSTOP');
    try {
      const open = (): number => readdirSync(`/proc/${capture.pid}/fd`).length;
      const before = open();
      await until('the capture to ask again', () => open() > before);
      const told = performance.now();
      expect(await capture.stop('SIGINT')).toMatchObject({ code: 0 });
      expect(performance.now() - told).toBeLessThan(8_000); // it would have waited for ten
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  test('ends with 1 and a sentence where the disk is full, though nobody stops it', async () => {
    const { socket } = lab().daemon.installation;
    const vsnat = [process.execPath, path.join(projectRoot, 'bin/vsnat'), '--socket', socket, 'capture'];
    const full = await lab().topology.director.namespace.run([...vsnat, '-w', '/dev/full']);
    expect([full.code, full.stderr.trimEnd().split('\n').at(-1)]).toEqual([
      1,
      'vsnat: capture: /dev/full must take what is captured, got ENOSPC',
    ]);
  });

  test('ends with 4 where its daemon is not, and without CAP_NET_RAW', async () => {
    const { socket } = lab().daemon.installation;
    const vsnat = [process.execPath, path.join(projectRoot, 'bin/vsnat'), '--socket', socket, 'capture'];
    const elsewhere = await lab().client.run([...vsnat]);
    expect([elsewhere.code, elsewhere.stderr]).toEqual([4, expect.stringMatching(/vsnat0 must be a device/)]);
    const bare = await lab().topology.director.namespace.run([
      'setpriv',
      '--bounding-set=-net_raw',
      '--inh-caps=-net_raw',
      ...vsnat,
    ]);
    expect([bare.code, bare.stderr]).toEqual([4, expect.stringMatching(/got EPERM; run it as root/)]);
  });
});
