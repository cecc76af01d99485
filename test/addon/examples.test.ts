// SPDX-License-Identifier: Apache-2.0
/** The programs of examples/, run as they stand. */
import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';

import { afterAll, describe, expect, it } from 'vitest';

import type { CheckReport, CustomCheck } from '../../src/index.js';
import { compiledExamples } from '../support/examples.js';
import { projectRoot } from './support.js';

const folder = compiledExamples();
afterAll(() => rmSync(folder, { recursive: true }));

/** What the program says; it has to end by itself, and well. */
async function said(program: string, ...argv: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(folder, program), ...argv], {
    cwd: folder,
  });
  return stdout;
}

/** The numbers of a program's sentences, in order. */
const numbers = (text: string, pattern: RegExp): number[] =>
  [...text.matchAll(pattern)].map(([, number]) => Number(number));

describe('examples/try-before-live.ts', { timeout: 120_000 }, () => {
  it('prints what a trace makes of both schedulers, and swaps the better one in under connections that live', async () => {
    const text = await said('try-before-live.js');
    const shares = numbers(text, /got ([\d.]+) %/g);
    expect(shares).toHaveLength(8);
    expect(shares.slice(0, 4).reduce((a, b) => a + b)).toBeCloseTo(100, 0);
    expect(shares[0]).toBeGreaterThan(20); // the slow server under wlc
    expect(shares[4]).toBeLessThan(10); // and under steer-clear
    expect(numbers(text, /worst load ([\d.]+) %/g)).toHaveLength(2);
    expect(text).toMatch(/^ {2}disruption \d+ of 10\d clients$/m);
    const [wlc = 0, candidate = 0] = numbers(text, /mean handshake ([\d.]+) ms/g);
    expect(candidate).toBeLessThan(wlc / 2);
    expect(text).toMatch(/\nlive: steer-clear; 0 of 100 connections moved\n$/);
  });

  it.each([
    ['sends everybody to one server', "plan: () => ({ kind: 'cycle', lead: [], loop: [0] })", /a server gets more than twice its share/],
    ['throws', "plan() { throw new Error('no idea'); }", /made no plan, so the last one stays: no idea/],
    ['names a server that is not there', "plan: () => ({ kind: 'cycle', lead: [], loop: [4] })", /loop\[0\]: must be 0\.\.3, got 4/],
  ])('leaves the running one where the candidate %s', async (_, plan, reason) => {
    const module = path.join(folder, 'candidate.mjs');
    writeFileSync(module, `export default { name: 'candidate', ${plan} };`);
    const text = await said('try-before-live.js', path.join(folder, 'trace.csv'), module);
    expect(text).toMatch(/\nwlc stays: /);
    expect(text).toMatch(reason);
    expect(text).not.toMatch(/^live/m);
  }); // prettier-ignore
});

describe('examples/peak-ewma.ts', { timeout: 120_000 }, () => {
  it('shows that the slower a server is the fewer clients it gets, and the less the others wait', async () => {
    const text = await said('peak-ewma.js');
    const [wlc, measured] = ['wlc', 'peak-ewma'].map((name) =>
      [...text.matchAll(new RegExp(`^${name}: .* get ([\\d.]+) %.* wait ([\\d.]+) ms`, 'gm'))].map(
        ([, share, wait]) => ({ share: Number(share), wait: Number(wait) }),
      ),
    );
    expect(measured?.[0]?.share).toBeGreaterThan(20);
    expect(measured?.[1]?.share).toBeLessThan(5);
    expect(measured?.[2]?.share).toBeLessThan(2.5);
    expect(measured?.[2]?.wait).toBeLessThan((wlc?.[2]?.wait ?? 0) / 3);
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

describe('examples/embedded-director.test.mjs', { timeout: 120_000 }, () => {
  it('passes in a Node of its own, which then ends by itself', async () => {
    const file = path.join(projectRoot, 'examples/embedded-director.test.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', file], {
      cwd: projectRoot,
    });
    expect(stdout).toMatch(/^# pass 2$/m);
  });
});
