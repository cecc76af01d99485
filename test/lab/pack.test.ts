// SPDX-License-Identifier: Apache-2.0
/**
 * What `npm pack` makes, installed where nothing else is, as on a user's machine: its addon is compiled there, the command
 * and the examples run, and the examples compile against the types that came along.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { compiledExamples } from '../support/examples.js';
import { projectRoot } from '../netns/support/project-root.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vsnat-pack-'));
const examples = compiledExamples();
afterAll(() => {
  for (const made of [folder, examples]) rmSync(made, { recursive: true });
}, 60_000);

/** ccache, where it is installed, may know the sources from another folder: the name of this one is new each time. */
const env = { ...process.env, CCACHE_BASEDIR: folder, CCACHE_NOHASHDIR: '1' };

const run = async (cwd: string, command: string, ...argv: readonly string[]): Promise<string> =>
  (await promisify(execFile)(command, argv, { cwd, env, maxBuffer: 2 ** 26 })).stdout;

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

let packed: Packed;

beforeAll(async () => {
  // Not prepack's clean build: other tests run what is in dist, and it has just been built.
  const said = await run(projectRoot, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder);
  [packed] = JSON.parse(said) as [Packed];
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  await run(folder, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', `./${packed.filename}`);
  for (const file of readdirSync(examples)) cpSync(path.join(examples, file), path.join(folder, file));
}, 600_000); // prettier-ignore

describe('the package', { timeout: 120_000 }, () => {
  it('has what an installation needs, and nothing of how it is made', () => {
    const files = packed.files.map((file) => file.path);
    for (const needed of ['LICENSE', 'README.md', 'vsnat.schema.json', 'bin/vsnat', 'dist/index.js', 'dist/index.d.ts', 'contrib/man/vsnat.8', 'binding.gyp', 'native/native.gypi'])
      expect(files).toContain(needed);
    expect(files.filter((file) => /^(test|bench|docs|examples|src|build|tools|\.)/.test(file) || file.endsWith('.map'))).toEqual([]);
  }); // prettier-ignore

  it('has every file that a declaration names', () => {
    const files = new Set(packed.files.map((file) => file.path));
    const declarations = [...files].filter((file) => file.endsWith('.d.ts'));
    expect(declarations.length).toBeGreaterThan(100);
    const missing = declarations.flatMap((file) => {
      const { importedFiles } = ts.preProcessFile(readFileSync(path.join(projectRoot, file), 'utf8'));
      return importedFiles
        .filter(({ fileName }) => fileName.startsWith('.'))
        .map(({ fileName }) => path.join(path.dirname(file), fileName.replace(/\.js$/, '.d.ts')))
        .filter((wanted) => !files.has(wanted))
        .map((wanted) => `${file}: ${wanted}`);
    });
    expect(missing).toEqual([]);
  });

  it('runs: the command, and a program that need not close its director to end', async () => {
    expect(await run(folder, 'node_modules/.bin/vsnat', '--version')).toMatch(/^(vsnat )?\d+\.\d+\.\d+/);
    writeFileSync(
      path.join(folder, 'program.js'),
      `import { Director, formatEndpoint, readPacket, tcpPacket, virtualService } from 'vsnat';
       const web = virtualService({ name: 'web', listen: 'tcp://192.0.2.10:80', servers: ['10.0.0.1:8080'] });
       const director = Director.memory({ services: [web] });
       const { outputs } = director.process({ packet: tcpPacket('198.51.100.7:40000', '192.0.2.10:80'), nowMs: 0 });
       console.log(formatEndpoint(readPacket(outputs[0].packet).destination));`,
    );
    expect(await run(folder, process.execPath, 'program.js')).toBe('10.0.0.1:8080\n');
  });

  it('lets its schema be imported, and nothing that is its own business', async () => {
    const code = `
      import schema from 'vsnat/vsnat.schema.json' with { type: 'json' };
      const inner = await import('vsnat/dist/director/director.js').catch((error) => error.code);
      console.log(typeof schema.properties.services, inner);`;
    const said = await run(folder, process.execPath, '--no-warnings', '--input-type=module', '-e', code);
    expect(said).toBe('object ERR_PACKAGE_PATH_NOT_EXPORTED\n');
  });

  it('runs the examples', async () => {
    expect(await run(folder, process.execPath, 'try-before-live.js')).toMatch(/^live: steer-clear; 0 of 100 connections moved$/m);
    expect(await run(folder, process.execPath, 'peak-ewma.js')).toMatch(/^peak-ewma: /m);
    const tested = await run(folder, process.execPath, '--test', '--test-reporter=tap', 'embedded-director.test.mjs');
    expect(tested).toMatch(/^# pass 2$/m);
  }); // prettier-ignore

  it('has types that the examples compile against, also where no library is trusted unseen', () => {
    const place = path.join(folder, 'typed');
    cpSync(path.join(projectRoot, 'examples'), place, { recursive: true });
    const settings = ts.readConfigFile(path.join(place, 'tsconfig.json'), (file) => readFileSync(file, 'utf8'));
    const { options, fileNames } = ts.parseJsonConfigFileContent(settings.config, ts.sys, place);
    expect(fileNames.length).toBeGreaterThan(3);
    const strict = { ...options, skipLibCheck: false, noEmit: true, typeRoots: [path.join(projectRoot, 'node_modules/@types')] };
    const program = ts.createProgram(fileNames, strict);
    const used = program.getSourceFiles().map(({ fileName }) => fileName);
    expect(used).toContain(path.join(folder, 'node_modules/vsnat/dist/index.d.ts'));
    const said = ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
    expect(said).toEqual([]);
  }); // prettier-ignore

  it('reads a scheduler and a health check in TypeScript, by the compiler its user has or by a Node that needs none', async () => {
    symlinkSync(
      path.join(projectRoot, 'node_modules/typescript'),
      path.join(folder, 'node_modules/typescript'),
    );
    for (const [file, text] of Object.entries({
      'check.ts': `import type { CustomCheck } from 'vsnat';
        const check: CustomCheck = { check: ({ port }) => ({ good: true, message: \`typed \${port}\` }) };
        export default check;`,
      'vsnat.yaml': `services:
        - name: web
          listen: tcp://192.0.2.10:80
          routed: true
          scheduler: ./steer-clear.ts
          scheduler_options: { times: 4 }
          health: { type: module, file: ./check.ts, interval: 100ms }
          servers: [10.0.0.1:8080]`,
      'typed.js': `import { setTimeout as pause } from 'node:timers/promises';
        import { Director, loadConfigWithModules, SchedulerModules } from 'vsnat';
        const { model } = await loadConfigWithModules('vsnat.yaml', new SchedulerModules());
        const director = Director.memory(model, { health: 'on' });
        const said = () => director.health()[0].checks[0].lastMessage;
        for (let tries = 0; tries < 600 && said() !== 'typed 8080'; tries++) await pause(100);
        console.log(director.services()[0].scheduler, said());
        await director.close();`,
    }))
      writeFileSync(path.join(folder, file), text);
    cpSync(path.join(projectRoot, 'examples/steer-clear.ts'), path.join(folder, 'steer-clear.ts'));
    expect(await run(folder, 'node_modules/.bin/vsnat', 'check', 'vsnat.yaml')).toContain('ok, 1 service');
    expect(await run(folder, process.execPath, 'typed.js')).toBe('steer-clear typed 8080\n');
  });
});
