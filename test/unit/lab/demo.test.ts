// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { sourceOf } from '../../../src/lab/capture.js';
import { connectionsByServer, findings, type Measured } from '../../../src/lab/findings.js';
import {
  drawCommands,
  drawFindings,
  drawShares,
  drawTopology,
  pickMetrics,
} from '../../../src/lab/picture.js';
import { clientAddress, configuration, demoServers, vip } from '../../../src/lab/topology.js';

const repeat = (text: string, times: number): readonly string[] => Array<string>(times).fill(text);

/** 90 requests as they should go. */
const good: Measured = {
  requests: 90,
  answers: [...repeat('rs1', 50), ...repeat('rs2', 30), ...repeat('rs3', 10)],
  seenClients: new Map([
    ['rs1', repeat(clientAddress, 50)],
    ['rs2', repeat(clientAddress, 30)],
    ['rs3', repeat(clientAddress, 10)],
  ]),
  sources: new Map([[vip, 444]]),
  counted: new Map([
    ['10.2.1.2', 50],
    ['10.2.2.2', 30],
    ['10.2.3.2', 10],
  ]),
};

const failing = (measured: Measured): readonly string[] =>
  findings(measured)
    .filter((finding) => !finding.holds)
    .map((finding) => finding.sentence);

describe('what the demo claims', () => {
  test('holds for a right run', () => {
    expect(failing(good)).toEqual([]);
    expect(findings(good)).toHaveLength(4);
  });

  const cases: readonly (readonly [name: string, change: Partial<Measured>, sentence: string])[] = [
    [
      'one request at the wrong server',
      { answers: [...repeat('rs1', 51), ...repeat('rs2', 29), ...repeat('rs3', 10)] },
      '90 requests shared 51 : 29 : 10; the weights ask for 50 : 30 : 10',
    ],
    [
      'a server that saw the director instead of the client',
      { seenClients: new Map([...good.seenClients, ['rs3', repeat('10.2.3.1', 10)]]) },
      'the real servers logged somebody else: 10.2.3.1 instead of 10.1.0.2',
    ],
    [
      'a server that logged less than it answered',
      { seenClients: new Map([...good.seenClients, ['rs3', repeat(clientAddress, 9)]]) },
      'the real servers logged the real client: 10.1.0.2, 89 times',
    ],
    [
      'a packet from a RIP at the client',
      { sources: new Map([...(good.sources ?? []), ['10.2.2.2', 1]]) },
      'packets the client received: 444 from the VIP, 1 from any RIP',
    ],
    [
      'a packet from anybody else at the client',
      { sources: new Map([...(good.sources ?? []), ['10.1.0.1', 2]]) },
      'packets the client received: 444 from the VIP, 0 from any RIP, from others (10.1.0.1) too',
    ],
    [
      'an empty capture',
      { sources: new Map() },
      'packets the client received: 0 from the VIP, 0 from any RIP',
    ],
    ['metrics that disagree', { counted: new Map() }, 'the director counted the same: 0 : 0 : 0 connections'],
  ];
  test.each(cases)('fails for %s', (_name, change, sentence) => {
    expect(failing({ ...good, ...change })).toContain(sentence);
  });

  test('is one claim less without a capture', () => {
    expect(findings({ ...good, sources: null })).toHaveLength(3);
  });
});

describe('what the demo reads', () => {
  test('tcpdump lines with and without a port name their source', () => {
    expect(sourceOf('12:00:00.000000 IP 10.9.0.1.80 > 10.1.0.2.40000: tcp 0')).toBe('10.9.0.1');
    expect(sourceOf('12:00:00.000000 IP 10.2.1.2 > 10.1.0.2: ICMP echo reply, id 1, seq 1, length 64')).toBe(
      '10.2.1.2',
    );
    expect(sourceOf('12 packets captured')).toBeNull();
  });

  test('connections per server come from the metrics', () => {
    const metrics = [
      '# TYPE vsnat_server_connections_total counter',
      'vsnat_server_connections_total{service="web",server="10.2.1.2:8080"} 50',
      'vsnat_server_connections_active{service="web",server="10.2.1.2:8080"} 7',
      'vsnat_server_connections_total{server="10.2.2.2:8080",service="web"} 30',
    ].join('\n');
    expect([...connectionsByServer(metrics)]).toEqual([
      ['10.2.1.2', 50],
      ['10.2.2.2', 30],
    ]);
    expect(pickMetrics(metrics)).toHaveLength(2);
  });
});

describe('what the demo draws', () => {
  test('fits a terminal of 80 columns', () => {
    const handles = {
      vsnat: 'bin/vsnat',
      socket: '/run/vsnat-demo/vsnat.sock',
      configFile: '/run/vsnat-demo/vsnat.yaml',
    };
    const lines = [
      ...drawTopology(),
      ...drawShares(good),
      ...drawFindings(findings(good)),
      ...drawCommands(handles),
    ];
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
  });

  test('the picture has every address, each server under its gateway', () => {
    const lines = drawTopology();
    const text = lines.join('\n');
    for (const server of demoServers) {
      const at = (needle: string): number => {
        const line = lines.find((candidate) => candidate.includes(needle)) ?? '';
        return line.indexOf(needle) + needle.length / 2;
      };
      expect(Math.abs(at(server.gateway) - at(server.address + ':'))).toBeLessThan(3);
    }
    expect(text).toContain(`VIP ${vip}:80`);
    expect(text).toContain(clientAddress);
  });

  test('the configuration names every server with its weight', () => {
    for (const server of demoServers)
      expect(configuration('/run/x.sock')).toContain(
        `{ address: "${server.address}:8080", weight: ${server.weight} }`,
      );
  });
});
