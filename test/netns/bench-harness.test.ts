// SPDX-License-Identifier: Apache-2.0
/** The benchmark runs, its numbers come from what it says, and a contender that breaks is a failure and not a number. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { takesAll, type Contender } from '../../bench/contenders/contender.js';
import { floor } from '../../bench/contenders/floor.js';
import { kernelDnat } from '../../bench/contenders/nftables.js';
import { routing } from '../../bench/contenders/routing.js';
import { vsnat } from '../../bench/contenders/vsnat.js';
import { bulkTcp } from '../../bench/loads/bulk-tcp.js';
import { bulkUdp, smallPackets } from '../../bench/loads/datagrams.js';
import { latency } from '../../bench/loads/latency.js';
import { requests } from '../../bench/loads/requests.js';
import { cpuSeconds, family, machineTime, memoryMiB } from '../../bench/processes.js';
import { directorCpu, machineCpu } from '../../bench/report/groups.js';
import { valuesOf } from '../../bench/report/results.js';
import { figuresOf, measureAll } from '../../bench/session.js';
import { at } from './support/lab.js';
import { load, ports, serve, sinkPort } from './support/load.js';
import { Background } from './support/process.js';
import { suite } from './support/suite.js';
import { Topology } from './support/topology.js';

const short = { rounds: 1, seconds: 0.2, limitMs: 120_000 };
const quiet = (): void => undefined;

suite('the benchmark', () => {
  test('has a value for each figure of each load and contender, and CPU time where there are processes', async () => {
    const loads = [
      bulkTcp({ streams: 2 }),
      bulkUdp('USO'),
      smallPackets({ flows: 1000 }),
      latency({ beside: 'beside bulk' }),
      requests({ mode: 'connect' }),
    ];
    const contenders = [
      routing,
      kernelDnat,
      floor({ queues: 1, offload: 'on' }),
      floor({ queues: 1, offload: 'off' }),
      vsnat({ queues: 1, way: 'direct' }),
    ];
    const { samples, notes } = await measureAll({ ...short, contenders, loads }, quiet);
    expect(samples.filter(({ value }) => value === null)).toEqual([]);
    expect(notes).toEqual([]);
    const own = loads.flatMap(({ name, figures }) => figures.map((figure) => [name, figure.name] as const));
    for (const { name, kind } of contenders) {
      for (const [loadName, figure] of own)
        expect(valuesOf(samples, name, loadName, figure), `${name}, ${loadName}`).toHaveLength(1);
      const director = valuesOf(samples, name, 'bulk TCP, 2 streams', directorCpu);
      expect(director).toHaveLength(kind === 'kernel' ? 0 : 1);
      expect(Math.min(...director)).toBeGreaterThan(0);
      expect(valuesOf(samples, name, 'bulk TCP, 2 streams', machineCpu)).toHaveLength(1);
      expect(valuesOf(samples, name, 'memory', 'memory')).toHaveLength(kind === 'kernel' ? 0 : 1);
    }
    const known = new Set(figuresOf(loads).map((one) => `${one.load}: ${one.figure}`));
    expect(samples.filter((one) => !known.has(`${one.load}: ${one.figure}`))).toEqual([]);
  }, 240_000);

  test('counts a contender that does not start as failed, one that declines not at all, and goes on', async () => {
    const broken: Contender = {
      name: 'broken',
      kind: 'proxy',
      declines: takesAll,
      start: () => Promise.reject(new Error('no such luck')),
    };
    const picky: Contender = { ...broken, name: 'picky', declines: () => 'not today' };
    const absent: Contender = {
      ...broken,
      name: 'absent',
      needs: { command: 'no-such-command', packages: 'x' },
    };
    const contenders = [broken, picky, absent, routing];
    const { samples, notes } = await measureAll(
      { ...short, contenders, loads: [requests({ mode: 'keepalive' })] },
      quiet,
    );
    const of = (name: string) => samples.filter(({ contender }) => contender === name);
    expect(of('broken')).toMatchObject([{ figure: 'rate', value: null, error: 'no such luck' }]);
    expect(of('picky')).toEqual([]);
    expect(of('absent')).toEqual([]);
    expect(of(routing.name).every(({ value }) => value !== null)).toBe(true);
    expect(notes).toEqual([
      'absent not measured: no-such-command is missing; apt-get install x',
      'picky: not today',
    ]);
  }, 120_000);

  test('counts at the real server: what the client reports is what the kernel there has seen', async () => {
    const topology = await Topology.create({ servers: 1 });
    const folder = await mkdtemp(path.join(tmpdir(), 'vsnat-bench-test-'));
    try {
      const [server] = topology.servers;
      if (server === undefined) throw new Error('no server');
      const count = path.join(folder, 'count');
      const serving = await serve(server, count);
      const snmp = async (): Promise<number> => {
        const text = await server.namespace.must(['cat', '/proc/net/snmp']);
        return Number(/^Udp: (\d+)/m.exec(text)?.[1]);
      };
      const sentBytes = async (): Promise<number> => {
        const text = await server.namespace.must(['cat', '/proc/net/dev']);
        return Number(/up0:\s*(?:\d+\s+){8}(\d+)/.exec(text)?.[1]);
      };
      const links = await topology.director.namespace.must([
        'ip',
        '-j',
        'link',
        'show',
        topology.clientDevice,
      ]);
      const [link] = JSON.parse(links) as { readonly address: string }[];
      const before = await snmp();
      const flood = await load(topology.client.namespace, 'flood', {
        ...{ to: at(server.ipv4, sinkPort), count, datagrams: 60_000, flows: 60_000, seconds: 60 },
        ...{ device: 'up0', 'next-hop': link?.address ?? '' },
      });
      expect(flood).toMatchObject({ sent: 60_000, received: 60_000, lost: 0, bytesReceived: 60_000 * 22 });
      expect((await snmp()) - before).toBe(60_000);

      const bytesBefore = await sentBytes();
      const to = at(server.ipv4, ports.stream);
      const stream = await load(topology.client.namespace, 'stream', { to, seconds: 0.2, verify: 'no' });
      expect(stream.bytesDown).toBeGreaterThan(0);
      expect(stream.bytesSentByServer).toBe(stream.bytesDown);
      expect((await sentBytes()) - bytesBefore).toBeGreaterThanOrEqual(stream.bytesDown);
      await serving.stop('SIGKILL');
    } finally {
      await topology.remove();
      await rm(folder, { recursive: true });
    }
  }, 240_000);

  test('sees the CPU time and memory of a process and its children, and not more than the machine had', async () => {
    // So much of a processor's time, however long others make it wait for that; and memory that it shares with nobody.
    const busy =
      'const own = Buffer.alloc(32 << 20, 1); while (process.cpuUsage().user < 500_000); setInterval(() => own, 1000)';
    const before = machineTime().busy;
    const script = `"${process.execPath}" -e '${busy}' & wait`;
    const parent = new Background(['sh', '-c', script]);
    try {
      await expect.poll(() => cpuSeconds([parent.pid]), { timeout: 30_000 }).toBeGreaterThan(0.3);
      expect(family([parent.pid])).toHaveLength(2);
      expect(memoryMiB([parent.pid])).toBeGreaterThan(32);
      expect(machineTime().busy - before).toBeGreaterThan(0.2);
    } finally {
      for (const pid of family([parent.pid]).toReversed()) process.kill(pid, 'SIGKILL');
      await parent.finish();
    }
  });
});
