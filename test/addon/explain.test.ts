// SPDX-License-Identifier: Apache-2.0
/** An explanation says beforehand what the dataplane then does, whatever has happened before. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Director } from '../../src/director/director.js';
import type { Explanation, Tuple } from '../../src/director/explain.js';
import { firstPacket } from '../../src/packet/build.js';
import { readPacket } from '../../src/packet/read.js';
import { metricDefinitions } from '../../src/metrics/registry.js';
import { formatEndpoint, parseEndpoint, type Endpoint } from '../../src/model/index.js';
import { schedulerNames } from '../../src/scheduler/index.js';

const endpoint = (text: string): Endpoint => {
  const parsed = parseEndpoint(text);
  if (!parsed.ok) throw new RangeError(text);
  return parsed.value;
};

const tuple = (client: string, to: string, protocol: Tuple['protocol'] = 'tcp'): Tuple => ({
  protocol,
  client: endpoint(client),
  to: endpoint(to),
});

const config = (scheduler: string, more = ''): string => `
services:
  - name: web
    listen: [tcp://10.9.0.1:80, udp://10.9.0.1:80]
    scheduler: ${scheduler}
    ${more}
    servers:
      - { address: 10.2.1.2:8080, weight: 3, routed: true, max_connections: 6 }
      - { address: 10.2.1.3:8080, weight: 1, routed: true }
      - { address: 10.2.1.4:8080, weight: 0, routed: true }
      - { address: 10.2.1.5:8080, weight: 2, routed: true }
  - { name: six, listen: "udp://[fd00:9::1]:53", servers: [{ address: "[fd00:2::2]:5353", routed: true }] }
`;

/** What the dataplane says, and where the packet went. */
function send(
  director: ReturnType<typeof Director.memory>,
  of: Tuple,
): { verdict: string; server: string | null } {
  const packet = firstPacket(of);
  if (packet === null) throw new RangeError('no packet');
  const { verdict, outputs } = director.process({ packet, nowMs: 1_000 });
  const to =
    verdict === 'forwarded' && outputs[0] !== undefined
      ? readPacket(outputs[0].packet)?.destination
      : undefined;
  // An answer of the director's own is what becomes of a packet that is dropped for a reason.
  const end = verdict === 'forwarded' || verdict === 'passed' ? verdict : 'dropped';
  return { verdict: end, server: to === undefined ? null : formatEndpoint(to) };
}

const dropped = (director: ReturnType<typeof Director.memory>, reason: string): number =>
  director.counters().queues.reduce((sum, queue) => sum + (queue.dropped[reason] ?? 0), 0);

describe('an explanation', () => {
  it.each(schedulerNames)('of %s names the server that the next packet goes to', async (scheduler) => {
    const step = fc.record({
      host: fc.integer({ min: 1, max: 20 }),
      port: fc.integer({ min: 1, max: 3 }),
      udp: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const director = Director.memory(config(scheduler));
        try {
          for (const { host, port, udp } of steps) {
            const of = tuple(`192.0.2.${host}:${40_000 + port}`, '10.9.0.1:80', udp ? 'udp' : 'tcp');
            const said = await director.explain(of);
            const again = await director.explain(of);
            expect(again).toEqual(said); // asking changes nothing
            const done = send(director, of);
            expect(said.verdict).toBe(done.verdict);
            if (said.certain) expect(said.server).toBe(done.server);
          }
        } finally {
          await director.close();
        }
      }),
      { numRuns: 12 },
    );
  });

  it('is sure of all schedulers but those that draw or remember', async () => {
    for (const scheduler of schedulerNames) {
      const director = Director.memory(config(scheduler));
      const { certain } = await director.explain(tuple('192.0.2.7:40000', '10.9.0.1:80'));
      expect(certain, scheduler).toBe(!['twos', 'lblc', 'lblcr'].includes(scheduler));
      await director.close();
    }
  });

  it('knows a connection that is there, and a client that is remembered', async () => {
    const director = Director.memory(config('rr', 'persistence: { timeout: 300s, netmask: 24 }'));
    const first = tuple('192.0.2.7:40000', '10.9.0.1:80');
    const { server } = send(director, first);
    const known = await director.explain(first);
    expect(known).toMatchObject({ basis: 'connection', verdict: 'forwarded', server });
    expect(known.counts).not.toContain('vsnat_service_connections_total{service="web"}');
    const neighbour = tuple('192.0.2.99:41000', '10.9.0.1:80');
    expect(await director.explain(neighbour)).toMatchObject({ basis: 'persistence', server });
    expect(send(director, neighbour).server).toBe(server);
    const stranger = tuple('198.51.100.1:41000', '10.9.0.1:80');
    const said = await director.explain(stranger);
    expect(said).toMatchObject({ basis: 'scheduler' });
    expect(said.steps.join('\n')).toContain('no server is remembered for this client');
    expect(send(director, stranger).server).toBe(said.server);
    await director.close();
  });

  it.each<[string, Tuple, Partial<Explanation>, string]>([
    [
      'a port nobody listens on',
      tuple('192.0.2.7:1024', '10.9.0.1:81'),
      { verdict: 'dropped', reason: 'no_service' },
      'dropped',
    ],
    [
      'an address that is no VIP',
      tuple('192.0.2.7:1024', '10.9.0.2:80'),
      { verdict: 'passed', reason: null },
      'passed',
    ],
    [
      'IPv6',
      tuple('[2001:db8::7]:1024', '[fd00:9::1]:53', 'udp'),
      { verdict: 'forwarded', service: 'six' },
      'forwarded',
    ],
    [
      'a client that is a server of the service',
      tuple('10.2.1.2:1024', '10.9.0.1:80'),
      { verdict: 'forwarded' },
      'forwarded',
    ],
    ...['0.0.0.7', '127.0.0.1', '224.0.0.5', '240.0.0.1', '255.255.255.255'].map(
      (client): [string, Tuple, Partial<Explanation>, string] => [
        `a client ${client}`,
        tuple(`${client}:1024`, '10.9.0.1:80'),
        { verdict: 'dropped', reason: 'martian' },
        'dropped',
      ],
    ),
    ...['::', '::1', 'fe80::1', 'ff02::1', '::ffff:192.0.2.7'].map(
      (client): [string, Tuple, Partial<Explanation>, string] => [
        `a client ${client}`,
        tuple(`[${client}]:1024`, '[fd00:9::1]:53', 'udp'),
        { verdict: 'dropped', reason: 'martian' },
        'dropped',
      ],
    ),
    [
      'an IPv4 client with a link-local address',
      tuple('169.254.0.7:1024', '10.9.0.1:80'),
      { verdict: 'forwarded' },
      'forwarded',
    ],
    [
      'a packet from where it goes',
      tuple('10.9.0.1:1024', '10.9.0.1:80'),
      { verdict: 'dropped', reason: 'land' },
      'dropped',
    ],
  ])('of %s agrees with the dataplane', async (_, of, expected, verdict) => {
    const director = Director.memory(config('rr'));
    const said = await director.explain(of);
    expect(said).toMatchObject(expected);
    const done = send(director, of);
    expect(done.verdict).toBe(verdict);
    if (said.server !== null) expect(done.server).toBe(said.server);
    if (said.reason !== null) expect(dropped(director, said.reason)).toBe(1);
    await director.close();
  });

  it('is not given of a packet of two families', async () => {
    const director = Director.memory(config('rr'));
    await expect(director.explain(tuple('[2001:db8::7]:1024', '10.9.0.1:80'))).rejects.toThrow(
      'explain: the two addresses must be of one family, got 2001:db8::7 and 10.9.0.1',
    );
    await director.close();
  });

  it('of a reply names the connection, and of one after its translation why it is none', async () => {
    const director = Director.memory(config('rr'));
    const { server } = send(director, tuple('192.0.2.7:40000', '10.9.0.1:80'));
    const reply = tuple(server ?? '', '192.0.2.7:40000');
    const said = await director.explain(reply);
    expect(said).toMatchObject({ verdict: 'forwarded', basis: 'reply', service: 'web', server });
    expect(said.steps.join()).toContain('its source becomes 10.9.0.1:80');
    expect(said.counts[0]).toBe(
      `vsnat_server_packets_total{service="web",server="${server}",direction="out"}`,
    );
    expect(send(director, reply)).toEqual({ verdict: 'forwarded', server: '192.0.2.7:40000' });

    const left = tuple('10.9.0.1:80', '192.0.2.7:40000');
    expect(await director.explain(left)).toMatchObject({ verdict: 'dropped', reason: 'vip_loop' });
    expect(send(director, left).verdict).toBe('dropped');
    expect(dropped(director, 'vip_loop')).toBe(1);

    const stray = tuple(server ?? '', '192.0.2.8:40000');
    const passed = await director.explain(stray);
    expect(passed).toMatchObject({ verdict: 'passed' });
    expect(passed.steps.join()).toContain('although it comes from a real server of web');
    expect(send(director, stray).verdict).toBe('passed');
    await director.close();
  });

  it('of a service whose servers are all drained is a refusal that is counted twice', async () => {
    const director = Director.memory(
      'services: [{ name: web, listen: "tcp://10.9.0.1:80", servers: [{ address: 10.2.1.2:80, weight: 0, routed: true }] }]',
    );
    const of = tuple('192.0.2.7:1024', '10.9.0.1:80');
    expect(await director.explain(of)).toMatchObject({
      verdict: 'dropped',
      reason: 'no_server',
      counts: [
        'vsnat_packets_dropped_total{reason="no_server"}',
        'vsnat_service_schedule_failures_total{service="web"}',
      ],
    });
    send(director, of);
    expect(dropped(director, 'no_server')).toBe(1);
    expect(director.services()[0]?.scheduleFailures).toBe(1);
    await director.close();
  });

  it('names only metrics that there are', async () => {
    const director = Director.memory(config('wrr'));
    const names = new Set(metricDefinitions.map(({ name }) => name));
    for (const to of ['10.9.0.1:80', '10.9.0.1:81', '10.9.0.2:80'])
      for (const series of (await director.explain(tuple('192.0.2.7:1024', to))).counts)
        expect(names).toContain(series.replace(/\{.*/, ''));
    await director.close();
  });
});
