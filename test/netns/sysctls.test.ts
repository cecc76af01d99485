// SPDX-License-Identifier: Apache-2.0
/** The kernel's sysctls through the real daemon, device and host: set in the file, changed by a reload. */
import { expect, test } from 'vitest';
import type { DaemonConfig } from './support/daemon.js';
import { at, standardServices, vip } from './support/lab.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

suite('sysctls of IPVS', () => {
  const lab = useLab({ servers: 2, scheduler: 'rr' });
  const config = (
    ipvs: Readonly<Record<string, number>>,
    weights: readonly number[] = [1, 1],
  ): DaemonConfig => ({
    ...lab().config,
    services: standardServices(lab().topology.servers, { scheduler: 'rr', weights }),
    ipvs,
  });
  const dropped = async (): Promise<number> =>
    (await lab().daemon.metrics()).sum('vsnat_packets_dropped_total', { reason: 'drop_packet' });

  test('drop_packet 3 with am_droprate 2 drops every second new connection, over all queues together', async () => {
    await lab().daemon.reload(config({ drop_packet: 3, am_droprate: 2 }));
    const metrics = await lab().daemon.metrics();
    expect(metrics.sum('vsnat_defence_active', { defence: 'drop_packet' })).toBe(1);
    expect(metrics.sum('vsnat_defence_drop_rate')).toBe(2);
    const before = await dropped();
    // One datagram from each source port: each is a connection of its own, and is not sent again.
    const to = at(vip.v4, vip.udp);
    const result = await lab().load('udp', { to, sources: 400, datagrams: 1, window: 400, seconds: 9 });
    expect(result).toMatchObject({ sent: 400, received: 200, lost: 200 });
    expect((await dropped()) - before).toBe(200);
  });

  test('a TCP client only waits for its second SYN, and nothing is dropped once the reload says so', async () => {
    const to = at(vip.v4, vip.http);
    // One after the other: each SYN that is dropped makes the next one pass, which is the same client's.
    const slow = await lab().load('http', { to, mode: 'connect', connections: 1, requests: 4, seconds: 15 });
    expect(slow).toMatchObject({ answered: 4, failed: 0 });
    const after = await dropped();
    await lab().daemon.reload(config({}));
    const result = await lab().load('udp', { to: at(vip.v4, vip.udp), sources: 300, datagrams: 1 });
    expect(result).toMatchObject({ sent: 300, received: 300, lost: 0 });
    expect(await dropped()).toBe(after);
  });

  test('drop_packet 1 drops while the host has less memory than amemthresh, as the daemon sees it', async () => {
    await lab().daemon.reload(config({ drop_packet: 1, amemthresh: 0x7fffffff }));
    await until('the memory to be looked at', async () => {
      const metrics = await lab().daemon.metrics();
      return (
        metrics.has('vsnat_defence_memory_available_bytes') && metrics.sum('vsnat_defence_drop_rate') === 1
      );
    });
    // IPv6: a source port that had a connection in the tests before would still have it.
    const result = await lab().load('udp', {
      to: at(vip.v6, vip.udp),
      sources: 50,
      datagrams: 1,
      seconds: 9,
    });
    expect(result).toMatchObject({ sent: 50, received: 0 });
    await lab().daemon.reload(config({}));
  });

  test('expire_nodest_conn 1 ends the connections of a deleted server, at once and on every queue', async () => {
    await lab().daemon.reload(config({ expire_nodest_conn: 1 }));
    const flows = async (): Promise<number> => (await lab().daemon.metrics()).sum('vsnat_flows');
    const ended = async (): Promise<number> =>
      (await lab().daemon.metrics()).sum('vsnat_flows_dropped_total', { cause: 'expire_nodest_conn' });
    await lab().load('udp', { to: at(vip.v6, vip.udp), sources: 100, datagrams: 1 });
    const [flowsBefore, endedBefore] = [await flows(), await ended()];

    const all = config({ expire_nodest_conn: 1 });
    const [, ...others] = lab().topology.servers;
    await lab().daemon.reload({ ...all, services: standardServices(others, { scheduler: 'rr' }) });
    await until(
      'the connections of the first server to end',
      async () => (await ended()) - endedBefore >= 50,
    );
    expect((await flows()) + (await ended()) - endedBefore).toBe(flowsBefore);
    await lab().daemon.reload(config({}));
  });
});
