// SPDX-License-Identifier: Apache-2.0
/** Health checks from a real daemon: real pings and connections, a server that dies, and clients who notice little. */
import { expect, test } from 'vitest';
import { addressOf, at, vip } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

/** A silent server is down after 6 s or so: a shorter timeout would take a busy machine for a dead server. */
const timing = { interval: '2s', fast_interval: '100ms', timeout: '2s', rise: 2, fall: 2 };

suite('health checks', () => {
  const lab = useLab({
    scheduler: 'rr',
    config: { health: { type: 'icmp', ...timing } },
    // The kernel's ping sockets; in other namespaces this daemon has raw ones.
    prepare: ({ director }) => director.namespace.sysctl({ 'net.ipv4.ping_group_range': '0 0' }),
  });
  const portOf = (service: string): number => ports[service.split('-')[0] as keyof typeof ports];
  const up = async (service: string): Promise<Record<string, number>> => {
    const metrics = await lab().daemon.metrics();
    const family = service.endsWith('v6') ? 'v6' : 'v4';
    const addresses = lab().topology.servers.map((server) => addressOf(server, family));
    return Object.fromEntries(
      addresses.map((address) => [
        address,
        metrics.sum('vsnat_server_up', { service, server: at(address, portOf(service)) }),
      ]),
    );
  };
  const allUp = async (service: string): Promise<boolean> =>
    Object.values(await up(service)).every((value) => value === 1);
  /** A server that drops every packet is silent, as one without power is. */
  const nft = (index: number, ...argv: string[]): Promise<string> =>
    lab()
      .server(index)
      .namespace.must(['nft', ...argv]);

  test('find every server of every service well, with one ping for all services on it', async () => {
    for (const service of ['http-v4', 'http-v6', 'udp-v4', 'stream-v6'])
      await until(`the servers of ${service} to be up`, () => allUp(service));
    const metrics = await lab().daemon.metrics();
    expect(metrics.sum('vsnat_health_probes')).toBe(2 * lab().topology.servers.length);
    expect(metrics.sum('vsnat_health_checks_total', { result: 'bad' })).toBe(0);
    expect(metrics.sum('vsnat_health_checks_total', { result: 'skipped' })).toBe(0);
  });

  test('take a silent server out of all its services, and clients go elsewhere', async () => {
    await until('the servers to be up', () => allUp('http-v4'));
    const dead = lab().server(1).ipv4;
    await nft(
      1,
      'add table inet dead; add chain inet dead in { type filter hook input priority 0; policy drop; }',
    );
    await until('it to be down', async () => (await up('http-v4'))[dead] === 0);
    expect((await up('udp-v4'))[dead]).toBe(0);
    const result = await lab().load('http', {
      to: at(vip.v4, vip.http),
      mode: 'connect',
      connections: 4,
      requests: 200,
      seconds: 30,
    });
    expect(result).toMatchObject({ answered: 200, failed: 0 });
    await nft(1, 'delete table inet dead');
    await until('it to be up again', () => allUp('http-v4'));
  });

  test('ask by HTTP from a given source, and see a process that is gone', async () => {
    const { services } = lab().config;
    const source = (
      await lab().topology.director.namespace.must(['ip', '-j', '-4', 'route', 'get', lab().server(0).ipv4])
    ).match(/"prefsrc":"([^"]+)"/)?.[1];
    const health = { type: 'http', path: '/', source, ...timing };
    const wrong = { type: 'tcp', port: 9, ...timing };
    await lab().daemon.reload({
      ...lab().config,
      services: services.map((service) =>
        service.name === 'http-v4'
          ? { ...service, health }
          : service.name === 'stream-v4'
            ? { ...service, health: wrong }
            : service,
      ),
    });
    const counted = async (kind: string, result: string): Promise<number> =>
      (await lab().daemon.metrics()).sum('vsnat_health_checks_total', { kind, result });
    await until('good answers to HTTP', async () => (await counted('http', 'good')) > 6);
    await until('refusals', async () => Object.values(await up('stream-v4')).every((value) => value === 0));
    const failed = async (reason: string): Promise<number> =>
      (await lab().daemon.metrics()).sum('vsnat_health_failures_total', { reason });
    expect(await failed('refused')).toBeGreaterThanOrEqual(lab().topology.servers.length);
    expect(await failed('timeout')).toBeGreaterThan(1); // of the silent one above
    expect(await counted('http', 'bad')).toBe(0);
    expect(await allUp('http-v4')).toBe(true);
  });
});

/**
 * So rare that only a suspicion can have found a death within seconds. The second check comes at a random moment of the
 * interval: of a minute, that could be in the very seconds of the test, and took the server down unsuspected. The first check
 * decides alone, and a bad one would not be mended within the hour either, so a busy machine must not make it one.
 */
const rare = { type: 'tcp', interval: '1h', fast_interval: '200ms', timeout: '3s', rise: 1, fall: 2 };

suite('what clients meet', () => {
  const lab = useLab({ scheduler: 'rr', config: { health: rare } });
  const sum = async (name: string, index: number): Promise<number> =>
    (await lab().daemon.metrics()).sum(name, {
      service: 'http-v4',
      server: at(lab().server(index).ipv4, ports.http),
    });
  const checksOf = async (index: number): Promise<number> =>
    (await lab().daemon.metrics()).sum('vsnat_health_checks_total', {
      server: at(lab().server(index).ipv4, ports.http),
      service: 'http-v4',
      result: 'good',
    });
  const connect = () =>
    lab().client.run(['curl', '-s', '-o', '/dev/null', '-m', '2', `http://${at(vip.v4, vip.http)}/`]);
  const silence = (index: number) =>
    lab()
      .server(index)
      .namespace.must([
        'nft',
        'add table inet dead; add chain inet dead in { type filter hook input priority 0; policy drop; }',
      ]);
  const mend = (index: number) => lab().server(index).namespace.must(['nft', 'delete table inet dead']);

  test('has a silent server checked long before its time, and taken out', async () => {
    await until('the first answers', async () => (await checksOf(0)) > 0 && (await checksOf(1)) > 0);
    await lab().load('http', { to: at(vip.v4, vip.http), mode: 'connect', requests: 50 });
    await silence(1);
    const clients = Array.from({ length: 12 }, connect);
    await until('it to be suspect', async () => (await sum('vsnat_server_suspicions_total', 1)) === 1, {
      timeoutMs: 60_000,
    });
    await until('it to be down', async () => (await sum('vsnat_server_up', 1)) === 0, { timeoutMs: 60_000 });
    await Promise.all(clients);
    expect(await sum('vsnat_server_suspicions_total', 0)).toBe(0);
    const events = await lab().daemon.installation.vsnat('events', '--json');
    expect(events.stdout).toContain('is suspect and checked sooner');
    await mend(1);
  });

  test('is nobody else’s business with `passive: false`', async () => {
    await lab().daemon.reload({ ...lab().config, health: { ...rare, passive: false } });
    // Another check than before: it asks at once, and does not wait for the hour to be over.
    await until('it to be up', async () => (await sum('vsnat_server_up', 1)) === 1);
    const before = await sum('vsnat_server_suspicions_total', 1);
    await silence(1);
    await Promise.all(Array.from({ length: 12 }, connect));
    expect(await sum('vsnat_server_up', 1)).toBe(1);
    expect(await sum('vsnat_server_suspicions_total', 1)).toBe(before);
    await mend(1);
  });
});
