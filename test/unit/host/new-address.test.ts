// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test, vi } from 'vitest';
import { prepareHost, type HostModel } from '../../../src/host/index.js';
import { virtualService } from '../../../src/model/index.js';
import { FakeKernel } from './fake-kernel.js';

const links = [
  { name: 'lo', index: 1, addresses: ['127.0.0.1/8', '::1/128'] },
  { name: 'eth0', index: 2, addresses: ['10.1.0.1/24'] },
  { name: 'vsnat0', index: 7, kind: 'tun' as const },
];
const model: HostModel = {
  tun: { name: 'vsnat0', mtu: 65535 },
  services: [
    virtualService({ name: 'web', listen: 'tcp://10.9.0.1:80', servers: ['10.2.1.2:8080'] }),
    virtualService({ name: 'near', listen: 'tcp://10.1.0.80:80', servers: ['10.2.1.2:8080'] }),
    virtualService({ name: 'web6', listen: 'tcp://[fd00:9::1]:80', servers: ['[fd00:2::2]:8080'] }),
  ],
};

const never = 1_000_000_000;

async function scene() {
  const kernel = new FakeKernel(links);
  const said: string[] = [];
  const log = { info: (message: string) => void said.push(message), warn: (m: string) => void said.push(m) };
  const before = kernel.snapshot();
  const host = await prepareHost(
    model,
    { name: 'vsnat0', index: 7 },
    { log, system: kernel, watchMs: never },
  );
  const diverted = (address: string): boolean =>
    [...kernel.rules[4], ...kernel.rules[6]].some(({ body }) =>
      body.startsWith(`to ${address} ipproto tcp dport 80 lookup `),
    );
  const routed = (address: string): boolean =>
    [...kernel.routes].some((route) => route.includes(` ${address}/`));
  return { kernel, host, said, before, diverted, routed };
}

describe('a VIP that becomes an address of the host', () => {
  test.each([
    ['10.9.0.1', 'lo', 32],
    ['10.1.0.80', 'eth0', 24],
    ['fd00:9::1', 'lo', 128],
  ])(
    '%s is diverted by rules as soon as it is there, and the rest of it stays',
    async (vip, link, length) => {
      const { kernel, host, said, before, diverted, routed } = await scene();
      expect([diverted(vip), routed(vip)]).toEqual([false, true]);
      kernel.addAddress(link, `${vip}/${length}`);
      await vi.waitFor(() => expect([diverted(vip), routed(vip)]).toEqual([true, false]));
      expect([...kernel.proxies.keys()].filter((proxy) => proxy.startsWith(vip))).toEqual([]);
      expect(said).toEqual([`host: ${vip} is an address of this host now; only its services are diverted`]);
      await host.check();
      expect(said).toHaveLength(1);
      expect(host.trouble()).toBeNull();
      await host.close();
      expect(kernel.snapshot()).toBe(before);
    },
  );

  test('is diverted by two programs, before anything is looked at', async () => {
    const { kernel, diverted } = await scene();
    const before = kernel.runs.length;
    let programs = 0;
    kernel.observe = () => {
      if (programs === 0 && diverted('10.9.0.1')) programs = kernel.runs.length - before;
    };
    kernel.addAddress('lo', '10.9.0.1/32');
    await vi.waitFor(() => expect(diverted('10.9.0.1')).toBe(true));
    expect(programs).toBe(2); // nft and ip -4
  });

  test('is diverted by the look when the host has changed so much that the short way fails', async () => {
    const { kernel, host, diverted, said } = await scene();
    let refusals = 0;
    kernel.refuse = (line) => line.includes('to 10.9.0.1 ') && refusals++ === 0;
    kernel.addAddress('lo', '10.9.0.1/32');
    await host.check();
    expect(refusals).toBeGreaterThan(1);
    expect(diverted('10.9.0.1')).toBe(true);
    expect(host.trouble()).toBeNull();
    expect(said).toEqual(['host: 10.9.0.1 is an address of this host now; only its services are diverted']);
  });

  test('is found by the next look when nobody told of it', async () => {
    const { kernel, host, diverted } = await scene();
    kernel.endFollowing();
    kernel.addAddress('lo', '10.9.0.1/32');
    await host.check();
    expect(diverted('10.9.0.1')).toBe(true);
  });

  test('is not what any other address is', async () => {
    const { kernel, host, said } = await scene();
    const running = kernel.snapshot();
    const processes = kernel.runs.length;
    kernel.addAddress('eth0', '10.1.0.7/24');
    await host.check();
    expect(kernel.snapshot()).toBe(running);
    expect(kernel.runs.length - processes).toBe(3); // one look, ours
    expect(said).toEqual([]);
  });
});

describe('the program that tells of addresses', () => {
  test('is started again after a while when it ends, and stopped with the host', async () => {
    vi.useFakeTimers();
    try {
      const { kernel, host } = await scene();
      expect(kernel.followers).toBe(1);
      kernel.endFollowing();
      expect(kernel.followers).toBe(0);
      await vi.advanceTimersByTimeAsync(5_000);
      expect(kernel.followers).toBe(1);
      await host.close();
      expect(kernel.followers).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
