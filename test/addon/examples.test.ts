// SPDX-License-Identifier: Apache-2.0
/** The programs of examples/, run as they stand. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import type { CheckReport, CustomCheck } from '../../src/index.js';
import { exchange, firstTwice, leastBytes, openDirector } from '../../examples/custom-scheduler.js';
import { projectRoot, syn } from './support.js';

describe('examples/custom-scheduler.ts', () => {
  it('schedules with one scheduler, then with the other, and no connection moves', async () => {
    const director = await openDirector(leastBytes);
    const serverOf = (port: number): string => {
      const packet = syn('198.51.100.7', port, '192.0.2.10', 80);
      const [output] = director.process({ packet, nowMs: 1000 }).outputs;
      return output === undefined ? '-' : output.packet.subarray(16, 20).join('.');
    };
    const ports = Array.from({ length: 8 }, (_, index) => 40_000 + index);
    expect(new Set(ports.map(serverOf))).toEqual(new Set(['10.0.0.1']));
    await exchange(director, firstTwice);
    expect(new Set(ports.map(serverOf))).toEqual(new Set(['10.0.0.1'])); // the same connections
    expect(ports.map((port) => serverOf(port + 100))).toEqual(
      [1, 1, 2, 3, 1, 1, 2, 3].map((last) => `10.0.0.${last}`),
    );
    expect(director.services()).toMatchObject([{ scheduler: 'first-twice', connections: 16 }]);
    await director.close();
  });
});

describe('examples/custom-health-check.mjs', () => {
  it('gives a busy server half of its weight', async () => {
    const file = path.join(projectRoot, 'examples/custom-health-check.mjs');
    const { default: custom } = (await import(file)) as { readonly default: CustomCheck };
    let load = '0.5';
    const server = createServer((_, response) => void response.end(load)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const target = {
      address: '127.0.0.1',
      port,
      source: null,
      service: 'web',
      server: 'web',
      timeoutMs: 1000,
    };
    const ask = async (): Promise<CheckReport | boolean> =>
      custom.check({ ...target, options: undefined }, AbortSignal.timeout(10_000));
    expect(await ask()).toEqual({ good: true, message: 'load 0.5', weightPercent: 100 });
    load = '7';
    expect(await ask()).toMatchObject({ good: true, weightPercent: 50 });
    server.closeAllConnections();
    server.close();
    await expect(ask()).rejects.toThrow(); // and that is a bad answer to the monitor
  });
});

describe('examples/embedded-director.test.mjs', () => {
  it('passes in a Node of its own, which then ends by itself', async () => {
    const file = path.join(projectRoot, 'examples/embedded-director.test.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', file], {
      cwd: projectRoot,
    });
    expect(stdout).toMatch(/^# pass 2$/m);
  });
});
