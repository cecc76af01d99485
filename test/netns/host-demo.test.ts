// SPDX-License-Identifier: Apache-2.0
/**
 * The demo while it stays: a second one is refused, and the commands it prints do what it says. What a whole run
 * shows and leaves is tested in test/lab.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { realSystem } from '../../src/host/index.js';
import { endChild, namespaceNames, waitFor } from '../../src/lab/namespaces.js';

const canRun = process.getuid?.() === 0 && existsSync('/dev/net/tun');
if (!canRun) {
  console.warn('SKIPPED: needs CAP_NET_ADMIN');
  if (process.env['VSNAT_REQUIRE_NETNS'] === '1') throw new Error('SKIPPED: needs CAP_NET_ADMIN');
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const vsnat = `${root}bin/vsnat`;
const deadlineMs = 50_000;

let child: ChildProcess | undefined;
afterEach(async () => {
  if (child !== undefined) await endChild(child, deadlineMs);
});

interface Running {
  readonly child: ChildProcess;
  readonly text: () => string;
  readonly exit: Promise<number | null>;
}

function demo(): Running {
  const started = spawn(process.execPath, [vsnat, 'demo'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child = started;
  let text = '';
  for (const stream of [started.stdout, started.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  return {
    child: started,
    text: () => text,
    exit: new Promise((resolve) => started.once('close', (status) => resolve(status))),
  };
}

async function stays(running: Running): Promise<void> {
  const hasSettled = (): true | null =>
    running.text().includes('Ctrl-C ends the demo') || running.child.exitCode !== null ? true : null;
  await waitFor(hasSettled, deadlineMs);
  expect(running.text()).toContain('Ctrl-C ends the demo');
}

async function expectNothingLeft(): Promise<void> {
  const names = await namespaceNames();
  expect(names.filter((name) => /^vsnat-(client|director|rs\d)$/.test(name))).toEqual([]);
  expect(existsSync('/run/vsnat-demo')).toBe(false);
}

describe.skipIf(!canRun)('the demo', () => {
  test('refuses a second one, takes other weights by the commands it prints, and leaves nothing', async () => {
    const running = demo();
    await stays(running);

    const second = await realSystem.run([process.execPath, vsnat, 'demo', '--once']);
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`one is running already, as process ${running.child.pid ?? 0}`);

    // The commands on the screen, as they stand there.
    const sed = /^ {2}(sed .*)$/m.exec(running.text())?.[1] ?? '';
    await realSystem.run(['sh', '-c', sed]);
    const socket = /VSNAT_SOCKET=(\S+)/.exec(running.text())?.[1] ?? '';
    const reload = await realSystem.run([process.execPath, vsnat, '--socket', socket, 'reload']);
    expect(reload.stdout).toContain('10.2.1.2:8080 weight 5 -> 1');

    running.child.kill('SIGINT');
    expect(await running.exit, running.text()).toBe(0);
    await expectNothingLeft();
  });
});
