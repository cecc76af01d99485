// SPDX-License-Identifier: Apache-2.0
/** The commands of docs/admin-api.md, run as they stand there, by a shell and curl(1) against a daemon. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect } from 'vitest';

import { testWith } from '../../support/programs.js';
import { serve, type Served } from './served.js';

const page = readFileSync(join(import.meta.dirname, '../../../docs/admin-api.md'), 'utf8');
const blocks = [...page.matchAll(/```sh\n([^`]+)```/g)].map(([, text = '']) => text.trimEnd());

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.stop());

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly complaints: string;
}

/** -f makes curl fail with what is refused; a stream is heard for a second. */
function run(block: string): Promise<Ran> {
  const script = block
    .replace(/^alias api=.*$/gm, '')
    .replaceAll('/run/vsnat/vsnat.sock', served.machine.socket)
    .replace(/^curl /gm, 'curl -sSf ');
  const api = `api() { curl -sSf --max-time 5 --unix-socket "${served.machine.socket}" "$@"; }\n`;
  const streams = script.replace(/^api -N (\S+)$/gm, 'api -N --max-time 1 $1 || test $? = 28');
  return new Promise((resolve) => {
    const shell = spawn('bash', ['--norc', '-euc', api + streams]);
    let [out, complaints] = ['', ''];
    shell.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    shell.stderr.on('data', (piece: Buffer) => (complaints += piece.toString()));
    shell.on('close', (code) => resolve({ code, out, complaints }));
  });
}

describe('the commands of docs/admin-api.md', () => {
  testWith('curl')('are there to be tried', () => {
    expect(blocks.length).toBeGreaterThanOrEqual(6);
  });

  for (const [index, block] of blocks.entries())
    testWith('curl')(`number ${index + 1} works: ${block.split('\n').at(-1)}`, async () => {
      const { code, out, complaints } = await run(block);
      expect([code, complaints.replace(/^curl: \(28\) .*\n/gm, '')]).toEqual([0, '']);
      expect(out).not.toBe('');
    });
});
