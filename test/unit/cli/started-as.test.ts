// SPDX-License-Identifier: Apache-2.0
/** The names of ipvsadm's scripts, against a daemon without a machine. */
import { rmSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startDaemon, type Daemon } from '../../../src/cli/daemon.js';
import { runStartedAs } from '../../../src/cli/started-as.js';
import { capture, type Said } from './capture.js';
import { fakeMachine, type FakeMachine } from './parts.js';

let machine: FakeMachine;
let daemon: Daemon;
beforeEach(async () => {
  machine = fakeMachine();
  machine.text = 'services: []';
  daemon = await startDaemon({ configFile: 'vsnat.yaml', version: '0.1.0' }, machine.parts);
});
afterEach(async () => {
  await daemon.stop();
  rmSync(machine.directory, { recursive: true, force: true });
});

async function run(name: string, words: readonly string[], input = '', env = {}): Promise<Said> {
  const { streams, said } = capture({ VSNAT_SOCKET: machine.socket, ...env }, false, input);
  const code = await runStartedAs(name, words, streams);
  return { code, ...said };
}

const rules =
  '-A -t 10.9.0.1:80 -s rr\n' + '-a -t 10.9.0.1:80 -r 10.2.1.2:8080 -m -w 1\n' + '-A -u 10.9.0.1:53 -s wlc\n';

describe('started as', () => {
  it('ipvsadm, it has the words of ipvsadm', async () => {
    expect(await run('ipvsadm', ['-A', '-t', '10.9.0.1:80'])).toEqual({ code: 0, out: '', err: '' });
    expect((await run('ipvsadm', ['-A', '-x'])).err).toBe('-x: missing argument\n');
  });

  it('vsnat, it has its own', async () => {
    expect((await run('vsnat', ['status'])).out).toContain('vsnat 0.1.0');
    expect((await run('vsnat', ['-A'])).code).toBe(2);
  });

  it('ipvsadm-restore, it leaves comments out, clears, and obeys rule by rule', async () => {
    await run('ipvsadm', ['-A', '-t', '10.9.0.7:7']);
    const bad = '-D -t 10.9.0.9:9\n';
    expect(await run('ipvsadm-restore', [], `# saved\n${bad}${rules}`)).toEqual({
      code: 0,
      out: '',
      err: 'No such service\n',
    });
    expect((await run('ipvsadm-save', ['-n'])).out).toBe(rules);
  });

  it('ipvsadm-restore without a daemon, it says so once', async () => {
    const said = await run('ipvsadm-restore', [], rules, { VSNAT_SOCKET: '/nowhere/vsnat.sock' });
    expect(said).toMatchObject({ code: 5, out: '' });
    expect(said.err.trimEnd().split('\n')).toHaveLength(1);
  });

  it('ipvsadm-save, it refuses other options', async () => {
    expect(await run('ipvsadm-save', ['-x'])).toMatchObject({ code: 1, out: '' });
  });
});
