// SPDX-License-Identifier: Apache-2.0
/** The completion scripts in the shells themselves; `vsnat` is one that knows two services. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { vsnat } from './capture.js';

const shells = ['bash', 'zsh', 'fish'] as const;
const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;
for (const shell of shells)
  if (!has(shell)) console.error(`SKIPPED: completion of ${shell}: it is not installed`);

let directory: string;
const scripts: Record<string, string> = {};
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'vsnat-completion-'));
  for (const shell of shells) {
    const { code, out } = await vsnat(['completion', shell]);
    expect(code).toBe(0);
    scripts[shell] = join(directory, `vsnat.${shell}`);
    writeFileSync(scripts[shell], out);
  }
  const fake = join(directory, 'vsnat');
  writeFileSync(
    fake,
    '#!/bin/sh\ncase "$2" in services) printf "web\\nweb-tls\\ndns\\n";; servers) printf "10.2.1.2:8080\\n10.2.1.3:8080\\n[fd00::2]:80\\n";; esac\n',
  );
  chmodSync(fake, 0o755);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${directory}:${process.env['PATH'] ?? ''}`,
});

/** What bash would offer behind `line`; as its own line editor calls the function. */
function inBash(line: string): string[] {
  const words = `source ${scripts['bash'] ?? ''}
    COMP_LINE=$1; COMP_POINT=\${#1}
    _vsnat vsnat
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', words, 'bash', line], {
    encoding: 'utf8',
    env: environment(),
    cwd: directory,
  })
    .split('\n')
    .filter(Boolean)
    .sort();
}

function inFish(line: string): string[] {
  const words = `source ${scripts['fish'] ?? ''}; complete -C ${JSON.stringify(line)}`;
  return execFileSync('fish', ['--no-config', '-c', words], {
    encoding: 'utf8',
    env: { ...environment(), HOME: directory },
  })
    .split('\n')
    .filter(Boolean)
    .map((one) => one.split('\t')[0] ?? '')
    .sort();
}

describe('completion', () => {
  it.each(shells)(
    '%s can read its script, which names every command and not the hidden one',
    async (shell) => {
      const { out } = await vsnat(['completion', shell]);
      const { out: help } = await vsnat(['--help']);
      for (const [, name = ''] of (help.split('Commands:')[1] ?? '').matchAll(/^ {2}([a-z]+)/gm))
        expect(out).toContain(name);
      if (has(shell)) {
        const { status, stderr } = spawnSync(shell, ['-n', scripts[shell] ?? ''], { encoding: 'utf8' });
        expect([status, stderr]).toEqual([0, '']);
      }
    },
  );

  it.skipIf(!has('bash')).each<[string, readonly string[]]>([
    ['vsnat se', ['servers', 'services']],
    ['vsnat dr', ['drain']],
    ['vsnat --js', ['--json']],
    ['vsnat drain ', ['dns', 'web', 'web-tls']],
    ['vsnat drain we', ['web', 'web-tls']],
    ['vsnat drain web 10.2.1.2:', ['8080']],
    ['vsnat --json drain web 10.2.1.', ['10.2.1.2:8080', '10.2.1.3:8080']],
    ['vsnat --socket /x drain web 10.2.1.2', ['10.2.1.2:8080']],
    ['vsnat drain web 10.2.1.2:8080 --then ', ['reset', 'silence']],
    ['vsnat weight web 10.2.1.2:8080 ', ['file']],
    ['vsnat events --kind he', ['health']],
    ['vsnat flows --service d', ['dns']],
    ['vsnat flows --follow --service d', ['dns']],
    ['vsnat events -f --kind he', ['health']],
    ['vsnat capture --server 10.2.1.3:80', ['8080']],
    ['vsnat capture -w vsnat.z', ['vsnat.zsh']],
    ['vsnat check vsnat.f', ['vsnat.fish']],
    ['vsnat completion ', ['bash', 'fish', 'zsh']],
    ['vsnat flows --fo', ['--follow']],
    ['vsnat nothing ', []],
  ])('bash offers behind %j', (line, offered) => {
    expect(inBash(line)).toEqual(offered);
  });

  it.skipIf(!has('fish')).each<[string, readonly string[]]>([
    ['vsnat dra', ['drain']],
    ['vsnat flows --service d', ['dns']],
    ['vsnat events --kind he', ['health']],
    ['vsnat flows --follow --serv', ['--server', '--service']],
    ['vsnat completion z', ['zsh']],
  ])('fish offers behind %j', (line, offered) => {
    expect(inFish(line)).toEqual(offered);
  });
});
