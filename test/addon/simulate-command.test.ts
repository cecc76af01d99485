// SPDX-License-Identifier: Apache-2.0
/** `vsnat simulate` over files, as a user runs it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { runSimulate, type SimulateCommand } from '../../src/cli/simulate.js';
import type { Io } from '../../src/cli/io.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vsnat-simulate-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string): string => {
  writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
};
const config = write(
  'vsnat.yaml',
  'services:\n  - { name: web, listen: "tcp://10.9.0.1:80", scheduler: wlc, servers: ["10.2.1.2:80", "10.2.1.3:80"] }\n',
);
const trace = write(
  'trace.csv',
  Array.from({ length: 40 }, (_, n) => `${n / 10},192.0.2.${n % 8},0.3`).join('\n'),
);
const mine = write(
  'mine.mjs',
  "export default { name: 'mine', plan: () => ({ kind: 'first', overflow: false, order: [0] }) };",
);

async function run(command: Partial<SimulateCommand>): Promise<string> {
  const lines: string[] = [];
  const io = { out: (text: string) => lines.push(text) } as unknown as Io;
  expect(await runSimulate({ config, service: 'web', seed: '1', ...command }, false, io)).toBe(0);
  return lines.join('\n').replaceAll(/ +/g, ' ');
}

describe('vsnat simulate', () => {
  it('puts schedulers side by side, modules among them', async () => {
    const text = await run({ trace, scheduler: ['rr', mine], remove: '10.2.1.2:80' });
    expect(text.split('\n')[0]).toBe(' wlc rr mine');
    expect(text).toMatch(/share of 10\.2\.1\.2:80 [\d.]+% 25\.0% 50\.0%/);
    expect(text).toMatch(/clients moved by the change \d of \d \d of \d 0 of \d/);
    expect(text).toContain('refused 0 0 0'); // mine names the first server, and that is another from the middle on
  });

  it.each<[Partial<SimulateCommand>, RegExp]>([
    [{ service: 'wbe' }, /--service: must be a service of/],
    [{ scheduler: ['wlcc'] }, /--scheduler: must be one of rr, .* or a module like/],
    [{ scheduler: ['./gone.mjs'] }, /--scheduler: must be a scheduler module, got/],
    [{ seed: 'x' }, /--seed: must be a whole number/],
    [{ trace: '/nonexistent' }, /--trace: must be a file/],
    [{ remove: '10.2.1.9:80' }, /--remove: must be one of 10\.2\.1\.2:80, 10\.2\.1\.3:80/],
    [{ slow: '10.2.1.2:80' }, /--slow: must be a server and milliseconds/],
  ])('says what is wrong with %j', async (command, sentence) => {
    await expect(run(command)).rejects.toThrow(sentence);
  });
});
