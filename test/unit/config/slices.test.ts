// SPDX-License-Identifier: Apache-2.0
/** A daemon reads its file in slices; what comes out is what comes out at once. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { loadConfig, loadConfigWithModules, type SchedulerSource } from '../../../src/config/index.js';

const noSource: SchedulerSource = { load: () => Promise.reject(new Error('no module is named')) };

const fileOf = (weight: string): string =>
  [
    'services:',
    ...Array.from({ length: 2_000 }, (_, index) => {
      const [high, low] = [index >> 8, index & 255];
      const server = `{ address: 10.3.${high}.${low}:80, weight: ${weight}, routed: true }`;
      return `  - { name: s${index}, listen: tcp://10.9.${high}.${low}:80, servers: [${server}] }`;
    }),
  ].join('\n');

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'vsnat-slices-'))));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a file of many services', () => {
  it('is read while others have turns', async () => {
    const file = join(folder, 'good.yaml');
    writeFileSync(file, fileOf('3'));
    const over = new AbortController();
    const reading = loadConfigWithModules(file, noSource).finally(() => over.abort());
    let turns = 0;
    while (!over.signal.aborted) {
      await setImmediate();
      turns += 1;
    }
    expect(turns).toBeGreaterThan(3);
    expect(await reading).toEqual(loadConfig(file));
  });

  it('is refused with the same words', async () => {
    const file = join(folder, 'bad.yaml');
    writeFileSync(file, fileOf('-1'));
    const refusal = await loadConfigWithModules(file, noSource).catch((error: unknown) => error);
    expect(() => loadConfig(file)).toThrow((refusal as Error).message);
    await expect(loadConfigWithModules(join(folder, 'none.yaml'), noSource)).rejects.toMatchObject({
      code: 'VSNAT_CONFIG_UNREADABLE',
    });
  });
});
