// SPDX-License-Identifier: Apache-2.0
/** The completion scripts in the shells themselves; `vsnat` is one that knows two services. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { sortKeys } from '../../../src/cli/top-view.js';
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

/** The line that zsh's own editor has after a TAB. */
function inZsh(line: string): string {
  const editor = join(directory, 'editor.zsh');
  const dump = join(directory, 'dump');
  writeFileSync(
    editor,
    String.raw`zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z "PS1= PROMPT2=; autoload -U compinit; compinit -u -d ${dump}; source ${scripts['zsh'] ?? ''}"
    zpty -w z "bindkey -e; show() { print -r -- \"<<\$BUFFER>>\" }; zle -N show; bindkey '^X' show; print READY"
    zpty -r z before '*READY*READY*'
    zpty -n -w z "$1"$'\t\x18'
    zpty -r z after '*<<*>>*'
    print -r -- "$after"
    zpty -d z`,
  );
  const heard = execFileSync('zsh', ['-f', editor, line], {
    encoding: 'utf8',
    env: environment(),
    cwd: directory,
    timeout: 30_000,
  });
  return /<<(.*)>>/.exec(heard)?.[1]?.trimEnd() ?? heard;
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
    ['vsnat flows --protocol ', ['ip', 'sctp', 'tcp', 'udp']],
    ['vsnat flows --state FIN', ['FIN_WAIT']],
    ['vsnat capture --protocol ', ['icmp', 'sctp', 'tcp', 'udp']],
    ['vsnat top --sort ', Object.keys(sortKeys).sort()],
    ['vsnat flows --follow 250ms --cl', ['--client']],
    ['vsnat nothing ', []],
  ])('bash offers behind %j', (line, offered) => {
    expect(inBash(line)).toEqual(offered);
  });

  it.skipIf(!has('zsh')).each([
    ['vsnat dra', 'vsnat drain'],
    ['vsnat flows --protocol i', 'vsnat flows --protocol ip'],
    ['vsnat capture --protocol i', 'vsnat capture --protocol icmp'],
    ['vsnat flows --follow --cl', 'vsnat flows --follow --client'],
    ['vsnat flows --follow 250ms --cl', 'vsnat flows --follow 250ms --client'],
    ['vsnat stats --watch 1s --ra', 'vsnat stats --watch 1s --rate'],
    ['vsnat flows --service d', 'vsnat flows --service dns'],
  ])('zsh makes of %j %j', (line, completed) => {
    expect(inZsh(line)).toBe(completed);
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
