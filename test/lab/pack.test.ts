// SPDX-License-Identifier: Apache-2.0
/** What `npm pack` makes, installed where nothing else is: its addon is compiled there, as on a user's machine. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { afterAll, expect, it } from 'vitest';

import { projectRoot } from '../netns/support/project-root.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vsnat-pack-'));
afterAll(() => rmSync(folder, { recursive: true }), 60_000);

const run = async (cwd: string, command: string, ...argv: readonly string[]): Promise<string> =>
  (await promisify(execFile)(command, argv, { cwd, maxBuffer: 2 ** 26 })).stdout;

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const program = `
import { Director, formatEndpoint, readPacket, tcpPacket, virtualService } from 'vsnat';
const web = virtualService({ name: 'web', listen: 'tcp://192.0.2.10:80', servers: ['10.0.0.1:8080'] });
const director = Director.memory({ services: [web] });
const { outputs } = director.process({ packet: tcpPacket('198.51.100.7:40000', '192.0.2.10:80'), nowMs: 0 });
console.log(formatEndpoint(readPacket(outputs[0].packet).destination));
`; // it is not closed, and the process has to end all the same

it('the package installs into an empty folder, and runs there', async () => {
  const said = await run(projectRoot, 'npm', 'pack', '--json', '--pack-destination', folder);
  const [packed] = JSON.parse(said) as readonly Packed[];
  const files = packed?.files.map((file) => file.path) ?? [];
  for (const needed of ['LICENSE', 'README.md', 'vsnat.schema.json', 'bin/vsnat', 'dist/index.d.ts', 'contrib/man/vsnat.8'])
    expect(files).toContain(needed);
  expect(files.filter((file) => /^(test|bench|docs|src|build|\.)/.test(file))).toEqual([]);

  writeFileSync(path.join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const tarball = `./${packed?.filename ?? ''}`;
  await run(folder, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball);
  writeFileSync(path.join(folder, 'program.js'), program);
  expect(await run(folder, process.execPath, 'program.js')).toBe('10.0.0.1:8080\n');
  expect(await run(folder, 'node_modules/.bin/vsnat', '--version')).toMatch(/^(vsnat )?\d+\.\d+\.\d+/);
  expect(readdirSync(path.join(folder, 'node_modules/.bin'))).toContain('vsnat');
}, 300_000); // prettier-ignore
