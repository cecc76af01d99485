// SPDX-License-Identifier: Apache-2.0
/**
 * Health checks `through: vip` from a real daemon: each reaches its own server and no other, sees a way back that is
 * broken, is in nobody's numbers, and is no door for strangers.
 */
import { expect, test } from 'vitest';
import type { DaemonConfig, ServiceConfig } from './support/daemon.js';
import { addressOf, at, families, vip, type Family } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

/** Long enough that a busy machine is not taken for a dead server. */
const timing = { interval: '2s', fast_interval: '200ms', timeout: '2s', rise: 1, fall: 2 };
const source: Readonly<Record<Family, string>> = { v4: '10.118.0.1', v6: 'fd00:118::1' };

const questions = {
  http: { type: 'http', path: '/' },
  // The header of bench/load/udp.cc; the echo has the server's name in it.
  udp: { type: 'udp', send: `hex:756e7376${'00'.repeat(28)}`, expect: 'rs[1-3]' },
  stream: { type: 'tcp' },
} as const;

/** The service with its kind's check through the VIP; the stream services are asked directly, for comparison. */
function withCheck(service: ServiceConfig): ServiceConfig & { readonly health: object } {
  const [kind = '', family = ''] = service.name.split('-');
  const question = { ...questions[kind as keyof typeof questions], ...timing };
  return kind === 'stream'
    ? { ...service, health: question }
    : { ...service, health: { ...question, through: 'vip', source: source[family as Family] } };
}

const withChecks = (config: DaemonConfig): DaemonConfig => ({
  ...config,
  services: config.services.map(withCheck),
});

suite('health checks through the VIP', () => {
  const lab = useLab({
    scheduler: 'rr',
    // The kernel itself refuses an IPv4 packet from outside with a source of ours; here it is told to let it in.
    prepare: ({ director }) =>
      director.namespace.sysctl({
        'net.ipv4.conf.all.rp_filter': 0,
        'net.ipv4.conf.cli.rp_filter': 0,
        'net.ipv4.conf.cli.accept_local': 1,
      }),
  });
  const kindOf = (service: string) => service.split('-')[0] as keyof typeof ports;
  const familyOf = (service: string) => service.split('-')[1] as Family;
  const up = async (service: string): Promise<readonly number[]> => {
    const metrics = await lab().daemon.metrics();
    return lab().topology.servers.map((server) =>
      metrics.sum('vsnat_server_up', {
        service,
        server: at(addressOf(server, familyOf(service)), ports[kindOf(service)]),
      }),
    );
  };
  const toBe = (service: string, expected: readonly number[]) =>
    until(
      `the servers of ${service} to be ${expected.join(' ')}`,
      async () => {
        return (await up(service)).join() === expected.join();
      },
      { timeoutMs: 60_000 },
    );
  const everywhere = async (expected: readonly number[]): Promise<void> => {
    for (const kind of ['http', 'udp'])
      for (const family of families) await toBe(`${kind}-${family}`, expected);
  };
  const answers = async (
    service: string,
    result: string,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<number> =>
    (await lab().daemon.metrics()).sum('vsnat_health_checks_total', { service, result, ...labels });
  const on = (index: number, ...argv: string[]): Promise<string> => lab().server(index).namespace.must(argv);

  test('find every server well, over TCP and UDP, IPv4 and IPv6', async () => {
    await lab().daemon.reload(withChecks(lab().config));
    await everywhere([1, 1, 1]);
    for (const service of ['http-v4', 'http-v6', 'udp-v4', 'udp-v6']) {
      const before = await answers(service, 'good');
      await until(`answers from ${service}`, async () => (await answers(service, 'good')) > before + 6);
      expect(await answers(service, 'bad')).toBe(0);
      expect(await answers(service, 'skipped')).toBe(0);
    }
  }, 120_000);

  test('are in no server’s and no service’s numbers', async () => {
    const metrics = await lab().daemon.metrics();
    expect(metrics.sum('vsnat_health_connections_total')).toBeGreaterThan(24);
    for (const service of ['http-v4', 'http-v6', 'udp-v4', 'udp-v6']) {
      expect(metrics.sum('vsnat_server_connections_total', { service })).toBe(0);
      expect(metrics.sum('vsnat_service_connections_total', { service })).toBe(0);
      expect(metrics.sum('vsnat_server_packets_total', { service })).toBe(0);
    }
    // Each is forgotten two seconds after its end, so there are never many.
    expect(metrics.sum('vsnat_health_connections')).toBeLessThan(metrics.sum('vsnat_health_probes') * 5 * 4);
  });

  test('reach the very server they ask: of three only the silent one is down, and it is found again', async () => {
    for (const index of [0, 1, 2]) {
      await on(
        index,
        'nft',
        'add table inet dead; add chain inet dead in { type filter hook input priority 0; policy drop; }',
      );
      await everywhere([0, 1, 2].map((one) => Number(one !== index)));
      await on(index, 'nft', 'delete table inet dead');
      await everywhere([1, 1, 1]);
    }
  }, 240_000);

  test('see that a server has lost its way back through the director, which direct checks do not', async () => {
    await toBe('stream-v4', [1, 1, 1]);
    const [route] = (await on(1, 'ip', '-4', 'route', 'show', 'default')).trim().split('\n');
    await on(1, 'ip', '-4', 'route', 'del', 'default');
    await toBe('http-v4', [1, 0, 1]);
    await toBe('udp-v4', [1, 0, 1]);
    expect(await up('stream-v4')).toEqual([1, 1, 1]);
    expect(await up('http-v6')).toEqual([1, 1, 1]);
    await on(1, 'ip', '-4', 'route', 'add', ...(route ?? '').trim().split(/\s+/));
    await toBe('http-v4', [1, 1, 1]);
  }, 120_000);

  test('go on through reloads that take a server away and bring it back', async () => {
    const config = withChecks(lab().config);
    const fewer = {
      ...config,
      services: config.services.map((service) => ({ ...service, servers: service.servers.slice(0, 2) })),
    };
    const staying = { server: at(lab().server(0).ipv4, ports.http) };
    const bad = await answers('http-v4', 'bad', staying);
    for (let round = 0; round < 6; round += 1) await lab().daemon.reload(round % 2 === 0 ? fewer : config);
    await everywhere([1, 1, 1]);
    expect(await answers('http-v4', 'bad', staying)).toBe(bad);
    expect(await answers('http-v4', 'skipped', staying)).toBe(0);
  }, 120_000);

  test('lead no stranger who borrows their source', async () => {
    const { client } = lab();
    // As hostile as can be from outside: the greatest hop limit there is.
    await client.sysctl({ 'net.ipv4.ip_default_ttl': 255, 'net.ipv6.conf.all.hop_limit': 255 });
    await client.ip([`addr add ${source.v4}/32 dev lo`, `addr add ${source.v6}/128 dev lo`]);
    const dropped = async (): Promise<number> =>
      (await lab().daemon.metrics()).sum('vsnat_packets_dropped_total', { reason: 'check_source' });
    for (const family of families) {
      const before = await dropped();
      const to = `http://${at(vip[family], vip.http)}/`;
      const { code } = await client.run(['curl', '-s', '-m', '1', '--interface', source[family], to]);
      expect(code).toBe(28); // curl's timeout: the SYN went out, and nobody said anything
      await until(`the strangers' SYN (${family}) to be dropped`, async () => (await dropped()) > before);
    }
    await client.ip([`addr del ${source.v4}/32 dev lo`, `addr del ${source.v6}/128 dev lo`]);
    expect(await up('http-v4')).toEqual([1, 1, 1]);
  });

  test('are refused by the file when their source is this host’s own, and the running configuration stays', async () => {
    const own = (
      await lab().topology.director.namespace.must(['ip', '-j', '-4', 'addr', 'show', 'dev', 'cli'])
    ).match(/"local":"([^"]+)"/)?.[1];
    const config = withChecks(lab().config);
    await lab().daemon.reload({
      ...config,
      services: config.services.map((service) =>
        service.name === 'http-v4'
          ? { ...service, health: { ...questions.http, ...timing, through: 'vip', source: own } }
          : service,
      ),
    });
    await until('the log to say why', () =>
      lab().log.includes('must be no address of this host with through: vip'),
    );
    expect(await up('http-v4')).toEqual([1, 1, 1]);
  });
});
