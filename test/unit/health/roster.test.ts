// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Roster } from '../../../src/health/roster.js';
import { realServer, type Model } from '../../../src/model/index.js';
import { modelWith, web } from '../director/models.js';
import { check, tcp } from './support/checks.js';

const place = (name: string): string => `tcp://10.9.0.${name.charCodeAt(0)}:80`;
const service = (name: string, servers: string, port?: number) =>
  web(servers, { name, listen: place(name), health: [check(tcp, port === undefined ? {} : { port })] });

/** Who is checked by what, and who hears of it: all that a roster says. */
const contentOf = (roster: Roster): object => ({
  servers: roster.servers.map(({ service: of, server, probes }) => [
    of,
    server,
    probes.map(({ wanted }) => wanted.key),
  ]),
  probes: [...roster.probes]
    .map((probe) => [
      probe.wanted.key,
      [...roster.listenersOf(probe)].map(({ service: of, server }) => `${of} ${server}`).sort(),
    ])
    .sort(),
  found: roster.servers.every((server) => roster.find(server.service, server.server) === server),
});

const models: fc.Arbitrary<Model> = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      servers: fc.uniqueArray(fc.constantFrom('p', 'q', 'r'), { minLength: 1 }),
      weight: fc.integer({ min: 1, max: 2 }),
      port: fc.option(fc.constant(81), { nil: undefined }),
    }),
    { selector: ({ name }) => name },
  )
  .map((services) =>
    modelWith(
      ...services.map(({ name, servers, weight, port }) =>
        service(name, servers.map((letter) => `${letter}:${weight}`).join(' '), port),
      ),
    ),
  );

describe('the roster', () => {
  it('is after any changes what it would be had the last configuration been the first', () => {
    fc.assert(
      fc.property(fc.array(models, { minLength: 1, maxLength: 6 }), (all) => {
        const roster = new Roster();
        const running = new Set<string>();
        for (const model of all) {
          const { begun, ended } = roster.follow(model, 0);
          for (const { wanted } of begun) running.add(wanted.key);
          for (const { wanted } of ended) running.delete(wanted.key);
        }
        const fresh = new Roster();
        const last = all.at(-1);
        if (last !== undefined) fresh.follow(last, 0);
        expect(contentOf(roster)).toEqual(contentOf(fresh));
        expect([...running].sort()).toEqual([...fresh.probes].map(({ wanted }) => wanted.key).sort());
      }),
    );
  });

  it('keeps a probe that passes from one service to another', () => {
    const roster = new Roster();
    roster.follow(modelWith(service('a', 'p')), 0);
    const probes = [...roster.probes];
    const change = roster.follow(modelWith(service('b', 'p')), 0);
    expect(change).toMatchObject({ begun: [], ended: [] });
    expect([...change.left].map((server) => server.service)).toEqual(['a']);
    expect([...roster.probes]).toEqual(probes);
  });

  it('does not look at the servers of a service whose checks and servers are as they were', () => {
    const roster = new Roster();
    const [web1] = modelWith(service('a', 'p')).services;
    if (web1 === undefined) throw new Error('no service');
    let reads = 0;
    const shy = Object.defineProperty({ ...realServer('10.2.1.1:80') }, 'address', {
      enumerable: true,
      get: () => ((reads += 1), '10.2.1.1'),
    });
    const one = { ...web1, servers: [shy] };
    const model = modelWith();
    roster.follow({ ...model, services: [one] }, 0);
    reads = 0;
    roster.follow({ ...model, services: [{ ...one, quorum: { weight: 1, hysteresis: 0 } }] }, 0);
    expect(reads).toBe(0);
  });
});
