// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { VsnatError } from '../../../src/errors.js';
import { formatEndpoint, formatListen, parseEndpoint, parseListen } from '../../../src/model/endpoint.js';
import {
  realServer,
  serverId,
  serviceFamily,
  targetPort,
  virtualService,
} from '../../../src/model/service.js';
import { kernelTimeouts } from '../../../src/model/timeouts.js';
import { parseWeight } from '../../../src/model/weight.js';

describe('endpoints', () => {
  test.each([
    ['10.2.1.2:8080', '10.2.1.2:8080'],
    ['10.2.1.2:00080', '10.2.1.2:80'],
    ['[2001:DB8::2]:1', '[2001:db8::2]:1'],
    ['[::]:65535', '[::]:65535'],
  ])('%s is %s', (text, canonical) => {
    const parsed = parseEndpoint(text);
    expect(parsed.ok && formatEndpoint(parsed.value)).toBe(canonical);
  });

  test.each([
    ['10.2.1.2', 'add a port: 10.2.1.2:80'],
    ['[2001:db8::2]', 'add a port: [2001:db8::2]:80'],
    ['2001:db8::2:80:8080', 'add a port: [2001:db8::2:80:8080]:80'],
    ['2001:db8:0:0:0:0:0:2:8080', 'write [2001:db8::2]:8080'],
    ['[10.2.1.2]:80', 'use brackets for IPv6 only'],
    ['10.2.1.2:0', undefined],
    ['10.2.1.2:65536', undefined],
    ['10.2.1.2:http', undefined],
    ['10.2.1.2:', undefined],
    [':80', undefined],
    ['web:80', undefined],
    ['10.2.1.2:80:81', undefined],
    ['10.2.1.2:+80', undefined],
    ['[fe80::1%eth0]:80', 'leave out the zone (% and what follows)'],
    ['', undefined],
  ])('%j is none, and the hint is %j', (text, hint) => {
    const parsed = parseEndpoint(text);
    expect(parsed.ok ? 'an endpoint' : parsed.hint).toBe(hint);
  });

  test.each([
    ['tcp://10.9.0.1:80', 'tcp://10.9.0.1:80'],
    ['udp://[2001:db8:0::1]:53', 'udp://[2001:db8::1]:53'],
    ['tcp://10.9.0.1', 'tcp://10.9.0.1:0'],
    ['tcp://10.9.0.1:0', 'tcp://10.9.0.1:0'],
    ['udp://[2001:db8::1]', 'udp://[2001:db8::1]:0'],
    ['sctp://10.9.0.1:2905', 'sctp://10.9.0.1:2905'],
  ])('%s is where a service listens: %s', (text, canonical) => {
    const parsed = parseListen(text);
    expect(parsed.ok && formatListen(parsed.value)).toBe(canonical);
  });

  test.each([
    ['10.9.0.1:80', 'write tcp://10.9.0.1:80 or udp://10.9.0.1:80'],
    ['dccp://10.9.0.1:80', undefined],
    ['http://10.9.0.1:80', undefined],
    ['TCP://10.9.0.1:80', undefined],
    ['tcp://10.9.0.1:', undefined],
    ['tcp://2001:db8::1', 'add a port: [2001:db8::1]:80'],
    ['tcp://[10.9.0.1]', 'use brackets for IPv6 only'],
    ['tcp:10.9.0.1:80', undefined],
  ])('%j is no place to listen, and the hint is %j', (text, hint) => {
    const parsed = parseListen(text);
    expect(parsed.ok ? 'a place' : parsed.hint).toBe(hint);
  });
});

test.each([0, 1, 65535])('%d is a weight', (value) => {
  expect(parseWeight(value).ok).toBe(true);
});

test.each([-1, 65536, 1.5, NaN, Infinity, '3', null, undefined])('%s is no weight', (value) => {
  expect(parseWeight(value).ok).toBe(false);
});

describe('services made by code', () => {
  const web = virtualService({
    name: 'web',
    listen: 'tcp://10.9.0.1:80',
    servers: ['10.2.1.2:8080', realServer('10.2.2.2:8080', { weight: 3 })],
    timeouts: { udp: 30 },
  });

  const ordinary = { routed: false, backup: false, disabled: false, checked: true };

  test('have the defaults of the configuration', () => {
    expect(web).toEqual({
      name: 'web',
      listen: [{ protocol: 'tcp', address: '10.9.0.1', port: 80 }],
      scheduler: 'wlc',
      flags: [],
      servers: [
        { address: '10.2.1.2', port: 8080, weight: 1, upperThreshold: 0, lowerThreshold: 0, ...ordinary },
        { address: '10.2.2.2', port: 8080, weight: 3, upperThreshold: 0, lowerThreshold: 0, ...ordinary },
      ],
      timeouts: { ...kernelTimeouts, udp: 30 },
      persistence: null,
      mark: null,
      onePacket: false,
      helper: 'none',
      health: [],
      slowStart: null,
      drain: { deadlineSeconds: null, then: 'reset' },
      quorum: null,
      sorryServers: [],
    });
    expect(serviceFamily(web)).toBe('ipv4');
  });

  test('identify a server by address and port', () => {
    expect(web.servers.map(serverId)).toEqual(['10.2.1.2:8080', '10.2.2.2:8080']);
    expect(serverId(realServer('[2001:DB8::2]:8080'))).toBe('[2001:db8::2]:8080');
  });

  test("have the kernel's persistence when they ask for any", () => {
    const persistent = (listen: string) =>
      virtualService({ name: 'p', listen, servers: [], persistence: {} });
    expect(persistent('tcp://10.9.0.1:80').persistence).toEqual({ timeoutSeconds: 360, prefixLength: 32 });
    expect(persistent('tcp://[2001:db8::1]').persistence).toEqual({ timeoutSeconds: 360, prefixLength: 128 });
  });

  test.each([
    ['one port', {}, 80, 8080, 8080],
    ['one port, persistent', { persistence: {} }, 80, 8080, 8080],
    ['one port, a server without', { persistence: {} }, 80, 0, 80],
    ['every port', { persistence: {} }, 0, 8080, 0],
    ['a mark', { mark: 7 }, 80, 8080, 8080],
    ['a mark on every port, a server without', { mark: 7 }, 0, 0, 0],
    ['a mark, persistent', { mark: 7, persistence: {} }, 80, 8080, 80],
  ])('on %s are translated to the port the dataplane takes', (_, options, port, serverPort, expected) => {
    const service = virtualService({ name: 's', listen: `tcp://10.9.0.1:${port}`, servers: [], ...options });
    const [listen] = service.listen;
    expect(listen && targetPort(service, listen, realServer(`10.2.1.2:${serverPort}`))).toBe(expected);
  });

  test('refuse a bad address in a sentence', () => {
    const make = (): unknown => realServer('10.2.1.2');
    expect(make).toThrow(VsnatError);
    expect(make).toThrow(
      'server "10.2.1.2": must be address:port like 10.2.1.2:8080 or [2001:db8::2]:8080; add a port: 10.2.1.2:80',
    );
    expect(() => realServer('10.2.1.2:80', { weight: -1 })).toThrow(
      'weight of server 10.2.1.2:80: must be 0..65535',
    );
  });
});
