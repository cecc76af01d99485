// SPDX-License-Identifier: Apache-2.0
/** Signals that come when nobody expects them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { run } from './support/run.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'vsnat-signals-'));
  writeFileSync(join(directory, 'bad.yaml'), 'services: 7\n');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Has Node send this signal to itself when it is about to load a module whose name ends so. */
function sentAtLoading(ending: string, signal: string): Readonly<Record<string, string>> {
  const hook =
    'export async function resolve(name, context, next) {' +
    `if (name.endsWith(${JSON.stringify(ending)})) process.kill(process.pid, ${JSON.stringify(signal)});` +
    'return next(name, context); }';
  const url = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
  const register = `import { register } from 'node:module'; register(${JSON.stringify(url(hook))});`;
  return { NODE_OPTIONS: `--import=${url(register)}` };
}

describe('while the daemon is still loaded', () => {
  it('SIGHUP does not end it: the start reads the file as it is by then', async () => {
    const env = sentAtLoading('../run.js', 'SIGHUP');
    const { code, signal, err } = await run(['run', '-c', join(directory, 'bad.yaml')], { env });
    expect([code, signal]).toEqual([3, null]);
    expect(err).toContain('bad.yaml:1:11: services: must be a list');
  });

  it('SIGTERM does', async () => {
    const env = sentAtLoading('../run.js', 'SIGTERM');
    const { signal } = await run(['run', '-c', join(directory, 'bad.yaml')], { env });
    expect(signal).toBe('SIGTERM');
  });
});

it('a terminal that is closed ends a command', async () => {
  const env = sentAtLoading('../check.js', 'SIGHUP');
  const { signal } = await run(['check', join(directory, 'bad.yaml')], { env });
  expect(signal).toBe('SIGHUP');
});
