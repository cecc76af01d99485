// SPDX-License-Identifier: Apache-2.0
/** SIGHUP under traffic: what is running is not disturbed, what is new applies, what is bad changes nothing. */
import { expect, test } from 'vitest';
import { at, standardServices, vip } from './support/lab.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

suite('reload', () => {
  const lab = useLab({});
  const withWeights = (...weights: number[]) => ({
    ...lab().config,
    services: standardServices(lab().topology.servers, { weights }),
  });

  test('loses nothing of streams, requests and datagrams while weights and services change twenty times', async () => {
    const seconds = 600; // an upper bound; the counts end the loads
    const stream = await lab().startLoad('stream', {
      to: at(vip.v4, vip.stream),
      bytes: 400_000_000,
      streams: 2,
      direction: 'both',
      seconds,
    });
    const kept = await lab().startLoad('http', {
      to: at(vip.v6, vip.http),
      connections: 10,
      requests: 30_000,
      seconds,
    });
    const fresh = await lab().startLoad('http', {
      to: at(vip.v4, vip.http),
      mode: 'connect',
      connections: 5,
      requests: 4_000,
      seconds,
    });
    const datagrams = await lab().startLoad('udp', {
      to: at(vip.v4, vip.udp),
      sources: 100,
      datagrams: 200,
      seconds,
    });

    const loads = [stream, kept, fresh, datagrams];
    let reloads = 0;
    while (reloads < 20 || loads.some((load) => load.process.alive)) {
      const extra = { name: 'extra', listen: 'tcp://10.9.0.2:80', servers: [`${lab().server(0).ipv4}:8080`] };
      const config = withWeights((reloads % 5) + 1, 3, 1);
      await lab().daemon.reload(
        reloads % 2 === 0 ? config : { ...config, services: [...config.services, extra] },
      );
      reloads++;
    }
    expect(await stream.result()).toMatchObject({ failed: 0, badBytes: 0 });
    expect(await kept.result()).toMatchObject({ answered: 30_000, failed: 0 });
    expect(await fresh.result()).toMatchObject({ answered: 4_000, failed: 0 });
    expect(await datagrams.result()).toMatchObject({
      received: 20_000,
      lost: 0,
      duplicated: 0,
      corrupted: 0,
    });
    const metrics = await lab().daemon.metrics();
    expect(metrics.sum('vsnat_config_reloads_total', { result: 'applied' })).toBe(reloads);
  }, 120_000);

  test('weights and services of the new file hold from the next connection on', async () => {
    const extra = { name: 'extra', listen: 'tcp://10.9.0.2:80', servers: [`${lab().server(1).ipv4}:8080`] };
    const config = withWeights(1, 0, 2);
    await lab().daemon.reload({ ...config, services: [...config.services, extra] });
    const shared = await lab().load('http', { to: at(vip.v4, vip.http), mode: 'connect', requests: 90 });
    expect(shared.byServer).toEqual({ rs1: 30, rs3: 60 });
    const added = await lab().load('http', { to: '10.9.0.2:80', mode: 'connect', requests: 5 });
    expect(added.byServer).toEqual({ rs2: 5 });
    await lab().daemon.reload(withWeights(1, 1, 1));
    const gone = await lab().load('http', {
      to: '10.9.0.2:80',
      mode: 'connect',
      requests: 1,
      seconds: 1,
      timeout: 1,
    });
    expect(gone.answered).toBe(0);
  });

  test('a bad file changes nothing, is counted, and its mistakes are in the log', async () => {
    const good = withWeights(2, 1, 0);
    await lab().daemon.reload(good);
    const before = await lab().daemon.metrics();
    await lab().daemon.reload({
      ...good,
      services: [{ name: 'web', listen: 'tcp://10.9.0.1:80', servers: ['nonsense'] }],
    });
    await lab().daemon.reload('services: [');
    const after = await lab().daemon.metrics();
    const rejected = { result: 'rejected' };
    expect(after.sum('vsnat_config_reloads_total', rejected)).toBe(
      before.sum('vsnat_config_reloads_total', rejected) + 2,
    );
    expect(after.sum('vsnat_config_last_reload_successful')).toBe(0);
    expect(after.by('queue', 'vsnat_queue_generation')).toEqual(before.by('queue', 'vsnat_queue_generation'));
    await until('the log to name the mistake', () => lab().log.includes('vsnat.yaml:'));
    const result = await lab().load('http', { to: at(vip.v4, vip.http), mode: 'connect', requests: 90 });
    expect(result.byServer).toEqual({ rs1: 60, rs2: 30 });
  });
});
