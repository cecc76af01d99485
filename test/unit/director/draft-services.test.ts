// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { applyOperations, kernelSetTimeouts } from '../../../src/director/change.js';
import type { Operation } from '../../../src/director/operation.js';
import { realServer, virtualService, type Model, type VirtualService } from '../../../src/model/index.js';
import { emptyModel, idOf, modelWith, web } from './models.js';

const change = (model: Model, operations: readonly Operation[]): Model =>
  applyOperations({ model, timeouts: kernelSetTimeouts, file: model }, operations).model;

const plain = { weight: 1, upperThreshold: 0, lowerThreshold: 0 };
const place = (service: number): string => `tcp://10.9.${service >> 8}.${service & 255}:80`;
const server = (index: number): string => `10.2.${index >> 8}.${index & 255}:80`;

/** The same object, and how often something of it was read. */
function counting<T extends object>(of: T, key: keyof T, count: () => void): T {
  const value = of[key];
  return Object.defineProperty({ ...of }, key, {
    enumerable: true,
    get: () => {
      count();
      return value;
    },
  });
}

const manyServices = (count: number, onRead: () => void): Model => ({
  ...emptyModel,
  services: Array.from({ length: count }, (_, index) =>
    counting(
      virtualService({ name: `service-${index}`, listen: place(index), servers: [realServer(server(1))] }),
      'listen',
      onRead,
    ),
  ),
});

describe('a long list of operations', () => {
  const [services, operations] = [1_000, 500];

  it.each<readonly [what: string, operation: (index: number) => Operation]>([
    [
      'weights, by name',
      (n) => ({ op: 'set-weight', service: `service-${n}`, server: server(1), weight: 7 }),
    ],
    [
      'the weights of the file',
      (n) => ({ op: 'set-weight', service: place(n), server: server(1), weight: null }),
    ],
    ['new servers', (n) => ({ op: 'add-server', service: place(n), server: server(2), ...plain })],
    ['new services', (n) => ({ op: 'add-service', service: place(5_000 + n), scheduler: 'rr', flags: [] })],
    ['services that leave', (n) => ({ op: 'delete-service', service: place(n) })],
    ['other schedulers', (n) => ({ op: 'edit-service', service: place(n), scheduler: 'lc', flags: [] })],
  ])('of %s looks at each of many services a few times, not once for each operation', (_, operation) => {
    let reads = 0;
    const model = manyServices(services, () => (reads += 1));
    const list = Array.from({ length: operations }, (__, index) => operation(services - 1 - index));
    change(model, list.slice(0, 1));
    const alone = reads;
    reads = 0;
    change(model, list);
    // Were each to be searched for among all, it would be operations x services / 2 and more.
    expect(reads).toBeLessThan(2 * alone + 20 * operations);
  });

  it('on the servers of one service looks at each of them a few times', () => {
    let reads = 0;
    const servers = Array.from({ length: services }, (_, index) =>
      counting(realServer(server(index + 1)), 'address', () => (reads += 1)),
    );
    const model = modelWith(web('', { servers }));
    const list = (op: 'drain' | 'delete-server', count: number): Operation[] =>
      Array.from({ length: count }, (_, index) => ({ op, service: 'web', server: server(index + 1) }));
    for (const op of ['drain', 'delete-server'] as const) {
      reads = 0;
      change(model, list(op, 1));
      const alone = reads;
      reads = 0;
      change(model, list(op, operations));
      expect(reads, op).toBeLessThan(2 * alone + 20 * operations);
    }
  });
});

describe('operations in one list', () => {
  const model = modelWith(
    web('a b', { listen: ['tcp://10.9.0.1:80', 'tcp://10.9.0.1:443'] }),
    web('c', { name: 'six', listen: 'tcp://[2001:db8::1]:80', servers: [realServer('[2001:db8::2]:80')] }),
    web('d', { name: 'last', listen: 'tcp://10.9.0.2:80' }),
  );

  it('come out as they do one by one', () => {
    const operations: readonly Operation[] = [
      { op: 'delete-service', service: 'tcp://10.9.0.1:80' },
      { op: 'add-service', service: 'tcp://10.9.0.1:8080', scheduler: 'rr', flags: [] },
      { op: 'add-server', service: 'tcp://10.9.0.1:8080', server: '10.2.1.7:80', ...plain },
      { op: 'add-server', service: 'tcp://10.9.0.1:443', server: '10.2.1.8:80', ...plain },
      { op: 'edit-server', service: 'web', server: idOf('a'), ...plain, weight: 9 },
      { op: 'drain', service: 'web', server: '10.2.1.8:80' },
      { op: 'delete-server', service: 'last', server: idOf('d') },
      { op: 'delete-service', service: 'six' },
      { op: 'set-timeouts', tcp: 100, tcpFin: 0, udp: 30 },
    ];
    const oneByOne = operations.reduce((before, operation) => change(before, [operation]), model);
    const atOnce = change(model, operations);
    expect(atOnce.services.map(summary)).toEqual(oneByOne.services.map(summary));
    expect(atOnce.services.map(({ name }) => name)).toEqual(['web', 'last', 'tcp-10.9.0.1-8080']);
  });

  it('leave what they do not name the object it was', () => {
    const after = change(model, [{ op: 'drain', service: 'web', server: idOf('a') }]);
    expect(after.services.slice(1)).toEqual(model.services.slice(1));
    expect(after.services.slice(1).every((one, index) => one === model.services[index + 1])).toBe(true);
  });

  it('find a service and a server however their addresses are spelt', () => {
    const service = 'tcp://[2001:DB8:0::1]:80';
    expect(() => change(model, [{ op: 'add-service', service, scheduler: 'rr', flags: [] }])).toThrow(
      'must be new',
    );
    const [, six] = change(model, [
      { op: 'delete-server', service, server: '[2001:DB8::0:2]:80' },
      { op: 'add-server', service, server: '[2001:DB8::3]:80', ...plain },
    ]).services;
    expect(six?.servers.map(({ address }) => address)).toEqual(['2001:db8::3']);
  });
});

const summary = ({ name, listen, servers, timeouts, scheduler }: VirtualService): object => ({
  ...{ name, listen, servers, timeouts, scheduler },
});
