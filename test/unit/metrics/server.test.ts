// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { parseEndpoint, type IpAddress } from '../../../src/model/index.js';
import { MetricsRegistry } from '../../../src/metrics/registry.js';
import { openMetrics, type MetricsServer } from '../../../src/metrics/server.js';
import { busySample } from './sample.js';

const loopback = '127.0.0.1' as IpAddress;
const opened: MetricsServer[] = [];
afterEach(() => Promise.all(opened.splice(0).map((server) => server.close())));

async function open(
  options: { notReady?: string; sample?: typeof busySample } = {},
): Promise<{ url: string; failures: unknown[]; port: number }> {
  const failures: unknown[] = [];
  const server = await openMetrics({
    listen: { address: loopback, port: 0 },
    registry: new MetricsRegistry(options.sample ?? busySample, { processMetrics: false }),
    notReady: () => options.notReady ?? null,
    onFailure: (error) => failures.push(error),
  });
  opened.push(server);
  return { url: `http://127.0.0.1:${server.port}`, failures, port: server.port };
}

describe('the metrics server', () => {
  it('serves the metrics in the format asked for', async () => {
    const { url } = await open();
    const classic = await fetch(`${url}/metrics?ignored=1`);
    expect(classic.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await classic.text()).toContain('vsnat_flows 10');
    const open_ = await fetch(`${url}/metrics`, {
      headers: { accept: 'application/openmetrics-text;version=1.0.0' },
    });
    expect(open_.headers.get('content-type')).toMatch(/^application\/openmetrics-text/);
    await open_.text();
  });

  it('answers HEAD with the headers alone', async () => {
    const { url } = await open();
    const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(1000);
    expect(await head.text()).toBe('');
  });

  it('is live as soon as it listens, and ready when the newest configuration is adopted', async () => {
    const ready = await open();
    expect((await fetch(`${ready.url}/livez`)).status).toBe(200);
    expect((await fetch(`${ready.url}/readyz`)).status).toBe(200);
    const lagging = await open({ notReady: 'a queue lags' });
    const answer = await fetch(`${lagging.url}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toBe('a queue lags\n');
  });

  it('refuses what does not read', async () => {
    const { url } = await open();
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await fetch(`${url}/metrics`, { method });
      expect(answer.status, method).toBe(405);
      expect(answer.headers.get('allow')).toBe('GET, HEAD');
    }
    expect((await fetch(`${url}/`)).status).toBe(404);
  });

  it('answers 500 and reports when the sample fails, and lives on', async () => {
    let broken = true;
    const { url, failures } = await open({
      sample: () => {
        if (broken) throw new Error('the dataplane is closed');
        return busySample();
      },
    });
    expect((await fetch(`${url}/metrics`)).status).toBe(500);
    expect(failures).toHaveLength(1);
    broken = false;
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  it('refuses headers beyond its bound', async () => {
    const { url } = await open();
    const answer = await fetch(`${url}/metrics`, { headers: { 'x-long': 'x'.repeat(9_000) } });
    expect(answer.status).toBe(431);
  });

  it('takes a bounded number of connections and drops the rest', async () => {
    const { port } = await open();
    const outcomes = await Promise.all(
      Array.from({ length: 70 }, () => {
        const socket = connect(port, '127.0.0.1');
        return new Promise<'open' | 'closed'>((resolve) => {
          socket.on('error', () => resolve('closed'));
          socket.on('close', () => resolve('closed'));
          socket.on('connect', () => socket.write('GET /livez HTTP/1.1\r\nhost: x\r\n\r\n'));
          socket.on('data', () => resolve('open'));
        });
      }),
    );
    expect(outcomes.filter((outcome) => outcome === 'open')).toHaveLength(64);
  });

  it('closes at once, also with idle keep-alive connections', async () => {
    const { port } = await open();
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('GET /livez HTTP/1.1\r\nhost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await Promise.all(opened.splice(0).map((server) => server.close()));
    await closed;
  });

  it('names the address when the port is taken', async () => {
    const { port } = await open();
    const endpoint = parseEndpoint(`127.0.0.1:${port}`);
    if (!endpoint.ok) throw new Error('not an endpoint');
    await expect(
      openMetrics({
        listen: endpoint.value,
        registry: new MetricsRegistry(busySample, { processMetrics: false }),
        notReady: () => null,
        onFailure: () => undefined,
      }),
    ).rejects.toMatchObject({
      code: 'VSNAT_HOST_REFUSED',
      message: expect.stringContaining(`got EADDRINUSE for 127.0.0.1:${port}`) as string,
    });
  });
});
