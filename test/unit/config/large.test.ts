// SPDX-License-Identifier: Apache-2.0
/**
 * Three thousand services with ten servers each. The bound is far above what it takes (`npm run bench -- config` measures that): it
 * is there for whatever grows with the square of something.
 */
import { expect, it } from 'vitest';

import { parseConfig, problemsOf } from '../../../src/config/index.js';

const services = 3000;
const serversEach = 10;

/** Every other server in long form, and a health check for each service. */
function manyServices(): string {
  const lines = ['services:'];
  for (let s = 0; s < services; s += 1) {
    lines.push(
      `  - name: service-${s}`,
      `    listen: tcp://10.100.${s >> 8}.${s & 255}:80`,
      '    health: { type: http, path: /healthz }',
      '    servers:',
    );
    for (let i = 0; i < serversEach; i += 1) {
      const n = s * serversEach + i;
      const address = `10.${20 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}:8080`;
      lines.push(i % 2 === 0 ? `      - ${address}` : `      - { address: ${address}, weight: ${i} }`);
    }
  }
  return lines.join('\n');
}

const secondsOfCpu = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
};

it(
  'thirty thousand servers are read and checked in seconds, from a file and from a model',
  { timeout: 60_000 },
  () => {
    const text = manyServices();
    let loaded = parseConfig('services: []').model;
    expect(secondsOfCpu(() => (loaded = parseConfig(text).model))).toBeLessThan(5);
    expect(loaded.services).toHaveLength(services);
    expect(loaded.services.at(-1)?.servers).toHaveLength(serversEach);
    expect(secondsOfCpu(() => expect(problemsOf(loaded)).toEqual([]))).toBeLessThan(5);
  },
);

it('and of one mistake among them the place is known as soon', { timeout: 60_000 }, () => {
  const text = `${manyServices()}\n  - { name: service-0, listen: tcp://10.9.0.1:80, servers: [] }\n`;
  expect(
    secondsOfCpu(() =>
      expect(() => parseConfig(text)).toThrow(
        'vsnat.yaml:42002:13: services[3000].name: must differ from services[0].name',
      ),
    ),
  ).toBeLessThan(5);
});
