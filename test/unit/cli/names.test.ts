// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { machineNames } from '../../../src/cli/names.js';

const directory = mkdtempSync(join(tmpdir(), 'vsnat-names-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const file = join(directory, 'services');
writeFileSync(
  file,
  '# ports\nhttp\t80/tcp  www # web\nhttp2 80/tcp\ndomain 53/tcp\ndomain 53/udp\nsctp-only 9/sctp\nbroken\n\n',
);

describe('service names', () => {
  const names = machineNames(file);
  it('are found by name, alias and port, by protocol; the first one wins', () => {
    expect(names.portOf('http', 'tcp')).toBe(80);
    expect(names.portOf('www', 'tcp')).toBe(80);
    expect(names.portOf('http', 'udp')).toBeUndefined();
    expect(names.portOf('sctp-only', 'tcp')).toBeUndefined();
    expect(names.serviceOf(80, 'tcp')).toBe('http');
    expect(names.serviceOf(53, 'udp')).toBe('domain');
    expect(names.serviceOf(80, 'udp')).toBeUndefined();
  });

  it('are none where the file is missing', () => {
    expect(machineNames(join(directory, 'none')).portOf('http', 'tcp')).toBeUndefined();
  });
});

describe('host names', () => {
  it('are those of this machine', async () => {
    const names = machineNames(file);
    expect(await names.addressOf('localhost')).toBe('127.0.0.1');
    expect(await names.hostOf('127.0.0.1' as never)).toMatch(/localhost/);
  });
});
