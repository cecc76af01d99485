// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { checkSources, transportOf, virtualService, wayIn } from '../../../src/model/index.js';
import { address } from '../health/support/checks.js';
import { check } from '../director/played.js';

const service = (...listen: string[]) =>
  virtualService({
    name: 'web',
    listen,
    servers: ['10.2.1.2:8080'],
    ...(listen.some((it) => it.endsWith(':0')) && { persistence: {} }),
  });
const dns = { kind: 'dns', name: 'a.example', type: 'A', expect: [], answer: null } as const;

describe('the way of a check through the VIP', () => {
  it('is open to what is a connection to a service', () => {
    expect(transportOf({ kind: 'tcp' })).toBe('tcp');
    expect(transportOf({ kind: 'https' })).toBe('tcp');
    expect(transportOf({ kind: 'udp' })).toBe('udp');
    expect(transportOf({ kind: 'dns', transport: 'tcp' })).toBe('tcp');
    for (const kind of ['icmp', 'exec', 'agent', 'module'] as const) expect(transportOf({ kind })).toBeNull();
  });

  it('begins at the first address of its protocol', () => {
    const both = service('udp://10.9.0.1:53', 'tcp://10.9.0.1:53', 'tcp://10.9.0.2:53');
    const over = (transport: 'tcp' | 'udp') =>
      wayIn(both, { ...check, question: { ...dns, transport } }, { port: 5353 });
    expect(over('tcp')).toEqual({ protocol: 'tcp', address: '10.9.0.1', port: 53 });
    expect(over('udp')).toEqual({ protocol: 'udp', address: '10.9.0.1', port: 53 });
    expect(wayIn(service('udp://10.9.0.1:53'), check, { port: 53 })).toBeNull();
  });

  it('begins at the port the check names, where the service has it', () => {
    const two = service('tcp://10.9.0.1:80', 'tcp://10.9.0.1:443');
    expect(wayIn(two, { ...check, port: 443 }, { port: 80 })).toMatchObject({ port: 443 });
    expect(wayIn(two, { ...check, port: 81 }, { port: 80 })).toBeNull();
  });

  it('on every port begins at the check’s port, or else at the server’s', () => {
    const whole = service('tcp://10.9.0.1:0');
    expect(wayIn(whole, check, { port: 8080 })).toMatchObject({ port: 8080 });
    expect(wayIn(whole, { ...check, port: 81 }, { port: 8080 })).toMatchObject({ port: 81 });
    expect(wayIn(whole, check, { port: 0 })).toBeNull();
  });

  it('begins at a source that is told once, however many checks have it', () => {
    const source = address('10.118.0.1');
    const web = { health: [{ ...check, source, through: 'vip' as const }, check] };
    const direct = { health: [{ ...check, source: address('10.2.1.1') }] };
    expect(checkSources([web, direct, {}, web])).toEqual([source]);
  });
});
