// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { Io } from '../../../src/cli/io.js';
import { runIpvsadm, type IpvsadmDaemon } from '../../../src/cli/ipvsadm.js';
import {
  connectionLine,
  inNumbers,
  noFlow,
  type Table,
  type TableConnection,
} from '../../../src/ipvsadm/index.js';
import { capture } from '../cli/capture.js';
import { names } from './describe.js';

interface Recording {
  readonly table: Table;
  readonly connections: readonly TableConnection[];
  readonly runs: readonly {
    readonly args: readonly string[];
    readonly code: number;
    readonly err: string;
    readonly out: readonly string[];
  }[];
}

const file = join(import.meta.dirname, '../../fixtures/ipvsadm/listings.json');
const { table, connections, runs } = JSON.parse(readFileSync(file, 'utf8')) as Recording;

const unasked = (): never => {
  throw new Error('a listing must change nothing');
};

const daemonWith = (shown: Table): IpvsadmDaemon => ({
  table: () => Promise.resolve(shown),
  change: unasked,
  zero: unasked,
  connections: async function* () {
    yield* await Promise.resolve([connections.slice(0, 2), connections.slice(2)]);
  },
});

async function list(args: readonly string[], shown = table) {
  const { streams, said } = capture();
  const code = await runIpvsadm(args, { daemon: daemonWith(shown), names, io: new Io(streams) });
  return { code, err: said.err, out: said.out.split('\n') };
}

describe('a listing', () => {
  it.each(runs)('ipvsadm $args is what ipvsadm 1.31 prints, to the blank', async ({ args, ...expected }) => {
    expect(await list(args)).toEqual(expected);
  });

  it('of nothing has its titles', async () => {
    const nothing: Table = { size: 262_144, timeouts: { tcp: 900, tcpFin: 120, udp: 300 }, services: [] };
    expect((await list(['-Ln'], nothing)).out).toEqual([
      'IP Virtual Server version 1.2.1 (size=262144)',
      'Prot LocalAddress:Port Scheduler Flags',
      '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
      '',
    ]);
    expect((await list(['-Sn'], nothing)).out).toEqual(['']);
  });

  it('shows the timeouts of the director', async () => {
    const { out } = await list(['-L', '--timeout'], { ...table, timeouts: { tcp: 1, tcpFin: 2, udp: 3 } });
    expect(out).toEqual(['Timeout (tcp tcpfin udp): 1 2 3', '']);
  });

  it.each([
    [99_999_999, ' 99999999'],
    [100_000_000, '  100000K'],
    [999_999_999, '  999999K'],
    [1_000_000_000, '    1000M'],
    [99_999_999_999, '   99999M'],
    [100_000_000_000, '     100G'],
    [99_999_999_999_999, '   99999G'],
    [100_000_000_000_000, '     100T'],
  ])('writes %i bytes as "%s"', async (inBytes, shown) => {
    const [service] = table.services;
    if (service === undefined) throw new Error('the recording has services');
    const one: Table = { ...table, services: [{ ...service, totals: { ...noFlow, inBytes }, servers: [] }] };
    const [, , , line = ''] = (await list(['-Ln', '--stats'], one)).out;
    expect(line.slice(60, 69)).toBe(shown);
  });
});

describe('a SIP call', () => {
  // As ipvsadm 1.31 printed it on Linux 6.12.
  it.each([
    [
      '10.16.1.2',
      '10.32.1.1',
      '10.2.2.2',
      'one',
      'UDP 01:39  NONE        10.16.1.2:0        10.32.1.1:5060     10.2.2.2:8080    sip                one',
    ],
    [
      'fd00:1:1::2',
      'fd00:9:1::1',
      'fd00:2:1::2',
      'six',
      'UDP 01:39  NONE        [fd00:1:1::2]:0    [fd00:9:1::1]:5060 [fd00:2:1::2]:8080 sip                six',
    ],
  ])('of %s is listed with its Call-ID when asked for', (client, virtual, real, callId, line) => {
    const row = {
      protocol: 'udp',
      state: 'NONE',
      expiresInSeconds: 99,
      clientAddress: client,
      clientPort: 0,
      virtualAddress: virtual,
      virtualPort: 5060,
      realAddress: real,
      realPort: 8080,
      callId,
    };
    expect(connectionLine(row, inNumbers, true)).toBe(line);
    expect(connectionLine(row, inNumbers)).toBe(line.replace(/ *sip .*$/, ''));
  });
});
