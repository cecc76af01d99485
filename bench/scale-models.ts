// SPDX-License-Identifier: Apache-2.0
/** Ten services to a VIP, as a model and as the file that says the same. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { parseConfig } from '../src/config/index.js';
import { realServer, virtualService, type Model } from '../src/model/index.js';

/** A check as it is when nothing is said of it. */
const checks = parseConfig(
  'services: [{ name: a, listen: tcp://10.0.0.1:80, servers: [10.0.0.2:80], health: { type: tcp } }]',
).model.services.flatMap(({ health }) => health);

export const address = (net: number, index: number): string =>
  `${net}.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;

const listenOf = (s: number): string => `udp://${address(10, 1 + Math.floor(s / 10))}:${1000 + (s % 10)}`;
const schedulerOf = (s: number): 'wlc' | 'wrr' => (s % 2 === 0 ? 'wlc' : 'wrr');
const weightOf = (n: number, round: number): number => 1 + ((n + round) % 3);

/** `round` is in every weight, so that another round is another configuration. */
export function modelOf(services: number, servers: number, round: number): Model {
  const base = parseConfig('services: []').model;
  return {
    ...base,
    services: Array.from({ length: services }, (_, s) =>
      virtualService({
        name: `service-${s}`,
        listen: listenOf(s),
        scheduler: schedulerOf(s),
        servers: Array.from({ length: servers }, (__, n) =>
          realServer(`${address(11, 1 + s * servers + n)}:53`, { weight: weightOf(n, round), routed: true }),
        ),
        health: checks,
        slowStart: { seconds: 10, from: 0.1, curve: 1 },
      }),
    ),
  };
}

/** What modelOf(services, servers, 0) is, in a file that is there while `use` runs. */
export function withFile<T>(services: number, servers: number, use: (file: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'vsnat-scale-'));
  try {
    const file = join(folder, 'vsnat.yaml');
    writeFileSync(file, [...linesOf(services, servers)].join('\n'));
    return use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function* linesOf(services: number, servers: number): Generator<string> {
  yield 'services:';
  for (let s = 0; s < services; s += 1) {
    yield `  - name: service-${s}`;
    yield `    listen: ${listenOf(s)}`;
    yield `    scheduler: ${schedulerOf(s)}`;
    yield '    routed: true';
    yield '    health: { type: tcp }';
    yield '    slow_start: { duration: 10s, from: 10% }';
    yield '    servers:';
    for (let n = 0; n < servers; n += 1) {
      const server = `${address(11, 1 + s * servers + n)}:53`;
      const weight = weightOf(n, 0);
      yield weight === 1 ? `      - ${server}` : `      - { address: ${server}, weight: ${weight} }`;
    }
  }
}
