// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench -- config [SERVICES [SERVERS]]`: how long a configuration takes from its file to a checked model, and
 * what the difference of two such takes. 10,000 services with 10 servers each unless told otherwise; every other server
 * is in long form, and every service has a health check. Milliseconds of CPU beside those of the clock, because on a busy
 * machine the clock tells about the others.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadConfig, problemsOf, type HostNetwork } from '../src/config/index.js';
import { diffModels } from '../src/director/diff.js';
import type { Model } from '../src/model/index.js';

const [services = 10_000, serversEach = 10] = process.argv.slice(2).map(Number);
const rounds = 5;

const address = (number: number): string =>
  `${10 + (number >> 24)}.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;

function* lines(weight: number): Generator<string> {
  yield 'services:';
  for (let s = 0; s < services; s += 1) {
    yield `  - name: service-${s}`;
    yield `    listen: tcp://${address((200 << 16) + s)}:80`;
    yield '    health: { type: http, path: /healthz }';
    yield '    servers:';
    for (let i = 0; i < serversEach; i += 1) {
      const server = `${address(s * serversEach + i + 1)}:8080`;
      yield i % 2 === 0 ? `      - ${server}` : `      - { address: ${server}, weight: ${weight} }`;
    }
  }
}

/** Of several rounds: the first, which has everything to compile, and the median of the others. */
function measure(what: string, work: () => void): void {
  const samples = Array.from({ length: rounds }, () => {
    const cpu = process.cpuUsage();
    const start = performance.now();
    work();
    const clock = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    return { clock, cpu: (user + system) / 1000 };
  });
  const [first, ...others] = samples;
  const usual = others.sort((a, b) => a.cpu - b.cpu)[Math.floor(others.length / 2)];
  const text = (sample: typeof first): string =>
    sample === undefined ? '' : `${sample.cpu.toFixed(0).padStart(6)} ${sample.clock.toFixed(0).padStart(6)}`;
  console.log(`${what.padEnd(34)} ${text(first)} ${text(usual)}`);
}

const folder = mkdtempSync(join(tmpdir(), 'vsnat-bench-'));
const [before, after] = ['before.yaml', 'after.yaml'].map((name) => join(folder, name)) as [string, string];
const host: HostNetwork = {
  prefixes: ['192.0.2.0/24', '10.0.0.0/8', '11.0.0.0/8'].map((prefix) => ({ prefix, interface: 'eth0' })),
};
try {
  writeFileSync(before, [...lines(2)].join('\n'));
  writeFileSync(after, [...lines(3)].join('\n'));
  const megabytes = (statSync(before).size / 1e6).toFixed(1);
  console.log(`${services} services, ${services * serversEach} servers, ${megabytes} MB`);
  console.log(`${'milliseconds'.padEnd(34)}  first          then`);
  console.log(`${''.padEnd(34)}    CPU  clock    CPU  clock`);
  let model: Model | undefined;
  measure('file to model', () => (model = loadConfig(before, { host }).model));
  const running = model;
  if (running === undefined) throw new Error('no model');
  measure('file to model, on a reload', () => (model = loadConfig(after, { host, running }).model));
  measure('difference, every other server', () => void diffModels(running, model ?? running));
  const [first, ...others] = running.services;
  const changed = { ...running, services: first === undefined ? [] : [{ ...first }, ...others] };
  measure('checks of a change at run time', () => void problemsOf(changed, running));
  measure('checks of a whole model', () => void problemsOf(running));
} finally {
  rmSync(folder, { recursive: true });
}
