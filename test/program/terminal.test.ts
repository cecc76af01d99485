// SPDX-License-Identifier: Apache-2.0
/** On a terminal of its own: narrow ones, dumb ones, and that it is given back as it was however a command ends. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect } from 'vitest';

import { startDaemon, type Daemon } from '../../src/cli/daemon.js';
import { testWith } from '../support/programs.js';
import { fakeMachine, type FakeMachine } from '../unit/cli/parts.js';
import { projectRoot } from './support/run.js';

const test = testWith('python3');
const player = join(projectRoot, 'test/netns/support/on_terminal.py');
const enter = '\u001b[?1049h';

interface Shown {
  readonly text: string;
  readonly restored: boolean;
  readonly stoppedClean: boolean | null;
  readonly code: number;
}

let machine: FakeMachine;
let daemon: Daemon;
let folder: string;
let hanging: Server;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vsnat-terminal-'));
  machine = fakeMachine();
  const servers = Array.from({ length: 40 }, (_, index) => `10.2.1.${index + 2}:8080`);
  machine.text = `services: [{ name: a-service-of-some-length, listen: "tcp://10.9.0.1:80", servers: ${JSON.stringify(servers)} }]`;
  daemon = await startDaemon({ configFile: '/etc/vsnat.yaml', version: '0.1.0' }, machine.parts);
  hanging = createServer(() => undefined).listen(join(folder, 'hanging.sock'));
});
afterAll(async () => {
  hanging.close();
  await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
  rmSync(machine.directory, { recursive: true, force: true });
});

async function play(
  acts: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Shown> {
  const vsnat = [process.execPath, join(projectRoot, 'bin/vsnat'), ...words];
  const child = spawn('python3', [player, acts, ...vsnat], {
    env: { PATH: process.env['PATH'], TERM: 'xterm', VSNAT_SOCKET: machine.socket, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return JSON.parse(out) as Shown;
}

/** What a screen of so many rows shows after all that was written: every write of ours begins with its place. */
function screenOf(text: string, rows: number): string[] {
  const lines = Array<string>(rows).fill('');
  const [, drawn = ''] = text.split(enter);
  for (const [, row = '', line = ''] of drawn.matchAll(/\u001b\[(\d+);1H([^]*?)\u001b\[K/g))
    lines[Number(row) - 1] = line.replaceAll(/\u001b\[\d*m/g, '');
  return lines;
}

describe('top', () => {
  test.each([
    [24, 80],
    [10, 40],
    [5, 20],
  ])('on %i rows of %i columns fits, and says how to leave it', async (rows, columns) => {
    const shown = await play(`${rows}x${columns}:q`, ['top']);
    expect(shown).toMatchObject({ code: 0, restored: true });
    const lines = screenOf(shown.text, rows);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(columns);
    expect(lines.at(-1)).toContain('q quit');
    expect(lines.at(-1)).toContain('of 40');
    expect(lines[3]).toMatch(/SERVER.*CONN\/s/);
  });

  test('takes keys that come together one by one', async () => {
    const shown = await play('jjnq', ['top']);
    expect(shown).toMatchObject({ code: 0, restored: true });
    expect(shown.text).toContain('3-21 of 40');
    expect(shown.text).toContain('[n]');
  });

  test('gives the terminal back around a stop that comes from elsewhere', async () => {
    expect(await play('tstp,q', ['top'])).toMatchObject({ code: 0, restored: true, stoppedClean: true });
  });

  test('draws nothing bold where nobody wants it', async () => {
    expect((await play('q', ['top'])).text).toContain('\u001b[1m');
    for (const [words, env] of [
      [['top'], { NO_COLOR: '1' }],
      [['top', '--no-color'], {}],
    ] as const) {
      const { text } = await play('q', words, env);
      expect(text).toContain(enter);
      expect(text).not.toContain('\u001b[1m');
    }
  });

  test('is plain text on a dumb terminal', async () => {
    const { text, code } = await play('term', ['top', '--interval', '100ms'], {
      TERM: 'dumb',
      WAIT_FOR: '10.2.1.9',
    });
    expect(code).toBe(0);
    expect(text).not.toContain('\u001b');
  });

  test('says before it draws that nobody answers', async () => {
    const { text, code, restored } = await play('', ['top'], { VSNAT_SOCKET: '/nowhere/x.sock' });
    expect([code, restored]).toEqual([5, true]);
    expect(text).not.toContain(enter);
  });
});

describe('lists', () => {
  test.each([['servers'], ['services'], ['stats']])(
    '%s keeps to 80 columns, and is bold but where nobody wants it',
    async (word) => {
      const shown = await play('', [word]);
      expect([shown.code, shown.restored]).toEqual([0, true]);
      for (const line of shown.text.split('\r\n'))
        expect(line.replaceAll(/\u001b\[\d*m/g, '').length, line).toBeLessThanOrEqual(80);
      expect(shown.text).toContain('\u001b[1m');
      expect((await play('', [word], { TERM: 'dumb' })).text).not.toContain('\u001b');
    },
  );
});

describe('what goes on until it is stopped', () => {
  test.each([
    [['flows', '--follow'], 'destination'],
    [['events', '--follow'], 'changed at run time'],
    [['stats', '--watch'], 'connections'],
  ])('%j ends with 0 by Ctrl-C', async (words, WAIT_FOR) => {
    await play('', ['weight', 'a-service-of-some-length', '10.2.1.2:8080', '2']); // an event
    const { code, restored, text } = await play('\u0003', words, { WAIT_FOR });
    expect([code, restored]).toEqual([0, true]);
    expect(text).toContain(WAIT_FOR);
    expect(text).not.toContain('vsnat:');
  });
});
