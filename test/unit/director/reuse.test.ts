// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { isDeepEqual, reuseServices } from '../../../src/director/reuse.js';
import { modelWith, web } from './models.js';

describe('equality of plain data', () => {
  it.each([
    [1, 1],
    [null, null],
    [{ a: [1, { b: 'c' }] }, { a: [1, { b: 'c' }] }],
    [Uint8Array.of(1, 2), Uint8Array.of(1, 2)],
  ])('%j is %j', (a, b) => expect(isDeepEqual(a, b)).toBe(true));

  it.each([
    [1, '1'],
    [null, {}],
    [[], {}],
    [[1], [1, 2]],
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ a: 1, b: 2 }, { a: 1 }],
    [{ a: undefined }, { b: 1 }],
    [Uint8Array.of(1), Uint8Array.of(2)],
    [Uint8Array.of(1), [1]],
  ])('%j is not %j', (a, b) => {
    expect(isDeepEqual(a, b)).toBe(false);
    expect(isDeepEqual(b, a)).toBe(false);
  });
});

it('services that say what they said are the objects that run, in the order of the new model', () => {
  const dns = (servers: string) => web(servers, { name: 'dns', listen: 'udp://10.9.0.1:53' });
  const running = modelWith(web('a b'), dns('c'));
  const { services } = reuseServices(running, modelWith(dns('c d'), web('a b')));
  expect(services.map((service) => running.services.includes(service))).toEqual([false, true]);
  expect(services.map(({ name }) => name)).toEqual(['dns', 'web']);
});

it('of a service that differs, the parts that say what they said are those that run', () => {
  const running = modelWith(web('a b c'));
  const { services } = reuseServices(running, modelWith(web('c a:5 d b', { timeouts: { udp: 7 } })));
  const [old, now] = [running.services[0], services[0]];
  expect(now).not.toBe(old);
  expect(now?.listen).toBe(old?.listen);
  expect(now?.drain).toBe(old?.drain);
  expect(now?.timeouts).not.toBe(old?.timeouts);
  const [a, b, c] = old?.servers ?? [];
  expect(now?.servers.map((server) => [a, b, c].indexOf(server))).toEqual([2, -1, -1, 1]);
  expect(now?.servers.map(({ weight }) => weight)).toEqual([1, 5, 1, 1]);
});
