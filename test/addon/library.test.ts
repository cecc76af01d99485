// SPDX-License-Identifier: Apache-2.0
/** The library as a program uses it: the whole director, from YAML to translated packets, with no root. */
import { EventEmitter } from 'node:events';

import { afterEach, describe, expect, it } from 'vitest';

import {
  describeChange,
  Director,
  virtualService,
  VsnatError,
  type MemoryDirector,
} from '../../src/index.js';
import { syn } from './support.js';

const config = (servers: string): string => `
services:
  - { name: web, listen: "tcp://192.0.2.10:80", scheduler: wrr, servers: [${servers}] }
flows: { capacity: 1024 }
`;
const both = '{ address: 10.0.0.1:8080, weight: 2 }, 10.0.0.2:8080';

const opened: MemoryDirector[] = [];
afterEach(() => Promise.all(opened.splice(0).map((director) => director.close())));

function open(text: string): MemoryDirector {
  const director = Director.memory(text, { hashKey: new Uint8Array(16) });
  opened.push(director);
  return director;
}

/** Destination address and port of an IPv4 packet. */
const destination = (packet: Uint8Array | undefined): string =>
  packet === undefined
    ? 'nowhere'
    : `${packet.subarray(16, 20).join('.')}:${((packet[22] ?? 0) << 8) | (packet[23] ?? 0)}`;

/** The servers that `count` new clients get. */
function serversFor(director: MemoryDirector, firstPort: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const packet = syn('198.51.100.7', firstPort + index, '192.0.2.10', 80);
    return destination(director.process({ packet, nowMs: 1000 }).outputs[0]?.packet);
  });
}

describe('a director in memory', () => {
  it('translates to the servers in the shares of their weights, and remembers', () => {
    const director = open(config(both));
    const servers = serversFor(director, 40_000, 30);
    expect(servers.filter((server) => server === '10.0.0.1:8080')).toHaveLength(20);
    expect(servers.filter((server) => server === '10.0.0.2:8080')).toHaveLength(10);
    expect(serversFor(director, 40_000, 30)).toEqual(servers); // retransmissions stay where they were
    expect(director.services()).toMatchObject([{ service: 'web', connections: 30 }]);
    expect(director.counters().flowTable.flows).toBe(30);
  });

  it('shows its connections by name', () => {
    const director = open(config(both));
    serversFor(director, 40_000, 3);
    const { rows } = director.connections();
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatchObject({
      service: 'web',
      protocol: 'tcp',
      clientAddress: '198.51.100.7',
      virtualPort: 80,
    });
  });

  it('changes its servers under live connections', async () => {
    const director = open(config(both));
    const before = serversFor(director, 40_000, 6);
    const changes = await director.apply(config(`${both.replace('weight: 2', 'weight: 0')}, 10.0.0.3:8080`));
    expect(changes.map(describeChange)).toEqual([
      '~ server web 10.0.0.1:8080 weight 2 -> 0',
      '+ server web 10.0.0.3:8080 weight 1',
    ]);
    expect(serversFor(director, 40_000, 6)).toEqual(before);
    expect(serversFor(director, 50_000, 6)).not.toContain('10.0.0.1:8080');
    expect(director.services()[0]?.servers.map(({ server }) => server)).toEqual([
      '10.0.0.1:8080',
      '10.0.0.2:8080',
      '10.0.0.3:8080',
    ]);
  });

  it('lets a service go on in its cycle when another one changes', async () => {
    const dns = (port: number): string =>
      `${config(both).split('flows:')[0] ?? ''}  - { name: dns, listen: "udp://192.0.2.10:53", servers: ["10.0.0.9:${port}"] }`;
    const director = open(dns(53));
    const undisturbed = serversFor(open(dns(53)), 40_000, 12);
    const disturbed: string[] = [];
    for (let port = 0; port < 12; port += 1) {
      disturbed.push(...serversFor(director, 40_000 + port, 1));
      await director.apply(dns(1000 + port));
    }
    expect(disturbed).toEqual(undisturbed);
  });

  it('forgets connections when their time has run out, and only then', () => {
    const director = open(config(both));
    serversFor(director, 40_000, 5);
    director.expire(60_000); // SYN_RECV lives for 60 s, and these began at 1 s
    expect(director.counters().flowTable.flows).toBe(5);
    director.expire(63_000);
    expect(director.counters().flowTable.flows).toBe(0);
  });

  it('serves a stream of packets', () => {
    const director = open(config(both));
    const written: Uint8Array[] = [];
    const stream = Object.assign(new EventEmitter(), {
      write: (packet: Uint8Array) => written.push(packet) > 0,
    });
    const { counters } = director.attach(stream);
    stream.emit('data', syn('198.51.100.7', 40_000, '192.0.2.10', 80));
    expect(written.map(destination)).toEqual(['10.0.0.1:8080']);
    stream.emit('data', new Uint8Array(3));
    expect(counters.received).toBe(2);
    expect(written).toHaveLength(1);
  });

  it('is told of services from code, and keeps what a change leaves out', async () => {
    const web = virtualService({ name: 'web', listen: 'tcp://192.0.2.10:80', servers: ['10.0.0.1:80'] });
    const director = Director.memory({ services: [web], flows: { capacity: 2048 } });
    opened.push(director);
    await director.apply({ services: [{ ...web, scheduler: 'rr' }] });
    expect(director.model.flows.capacity).toBe(2048);
    expect(director.services()).toMatchObject([{ service: 'web', scheduler: 'rr' }]);
  });

  it('does not see another one in the same process', async () => {
    const [first, second] = [open(config(both)), open(config('10.0.0.9:80'))];
    expect(serversFor(second, 40_000, 4)).toEqual(Array(4).fill('10.0.0.9:80'));
    expect(first.counters().flowTable.flows).toBe(0);
    await first.close();
    expect(serversFor(second, 50_000, 1)).toEqual(['10.0.0.9:80']);
  });

  it('says what is wrong with a configuration, and after close() that it is closed', async () => {
    expect(() => Director.memory('services: [{ nmae: web }]')).toThrow(VsnatError);
    const director = open(config(both));
    await director.close();
    await director.close();
    expect(() => director.counters()).toThrow(/closed/);
    await expect(director.apply(config(''))).rejects.toMatchObject({ code: 'VSNAT_DATAPLANE' });
  });
});
