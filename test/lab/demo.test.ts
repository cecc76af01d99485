// SPDX-License-Identifier: Apache-2.0
/** The lab as a user runs it: `npm start -- --once`, twice, after a crash, and ended with Ctrl-C. Needs root. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { afterEach, expect, it } from 'vitest';

import { suite } from '../netns/support/suite.js';

const root = path.resolve(import.meta.dirname, '../..');
const running = new Set<ChildProcess>();

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | NodeJS.Signals>;
}

function demo(...argv: string[]): Run {
  const child = spawn(process.execPath, ['tools/start.mjs', ...argv], {
    cwd: root,
    stdio: 'pipe',
    detached: true,
    env: { ...process.env, VSNAT_TEST_RUN: mark.slice(mark.indexOf('=') + 1) },
  });
  running.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (text += data.toString()));
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? signal ?? 1);
    });
  });
  return { child, output: () => text, ended };
}

/** Ctrl-C reaches the whole foreground process group. */
function signalGroup(run: Run, signal: NodeJS.Signals): void {
  if (run.child.pid !== undefined) process.kill(-run.child.pid, signal);
}

async function until(run: Run, pattern: RegExp): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!pattern.test(run.output())) {
    if (Date.now() > deadline || run.child.exitCode !== null) {
      throw new Error(`the demo never said ${pattern.source}:\n${run.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const namespaces = (): readonly string[] =>
  execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name.startsWith('vsnat-'));

/** Processes of the demos started here, whatever they are called and wherever they run: they inherit a mark. */
const mark = `VSNAT_TEST_RUN=${randomUUID()}`;
const processes = (): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
      } catch {
        return false; // it ended in between
      }
    });

afterEach(async () => {
  for (const child of running) if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  running.clear();
  await demo('--once').ended; // tidies up what a failed test left
});

suite('the lab', () => {
  it(
    'shows what it promises, ends with 0 and leaves nothing, twice in a row',
    { timeout: 120_000 },
    async () => {
      for (let i = 0; i < 2; ++i) {
        const run = demo('--once');
        expect(await run.ended, run.output()).toBe(0);
        expect(run.output()).toMatch(/rs1 +weight 5 +50 of 50 expected/);
        expect(run.output()).toMatch(/rs2 +weight 3 +30 of 30 expected/);
        expect(run.output()).toMatch(/rs3 +weight 1 +10 of 10 expected/);
        expect(run.output()).toMatch(/from the VIP, 0 from any RIP/);
        expect(run.output()).not.toMatch(/^ +NO /m);
        expect(namespaces()).toEqual([]);
        expect(processes()).toEqual([]);
      }
    },
  );

  it('leaves nothing behind after Ctrl-C', { timeout: 120_000 }, async () => {
    const run = demo();
    await until(run, /Ctrl-C ends the demo/);
    expect(namespaces()).toHaveLength(5);
    expect(processes().length).toBeGreaterThanOrEqual(5); // the demo, its director, three servers
    signalGroup(run, 'SIGINT');
    expect(await run.ended, run.output()).toBe(0);
    expect(namespaces()).toEqual([]);
    expect(processes()).toEqual([]);
  });

  it("leaves somebody else's namespace alone, whatever it is called", { timeout: 60_000 }, async () => {
    execFileSync('ip', ['netns', 'add', 'vsnat-rs2']);
    try {
      const run = demo('--once');
      expect(await run.ended, run.output()).toBe(1);
      expect(run.output()).toContain('got vsnat-rs2 made by somebody else');
      expect(namespaces()).toEqual(['vsnat-rs2']);
    } finally {
      execFileSync('ip', ['netns', 'delete', 'vsnat-rs2']);
    }
  });

  it('works again after it was killed without a chance to tidy up', { timeout: 120_000 }, async () => {
    const killed = demo();
    await until(killed, /Ctrl-C ends the demo/);
    const [pid = ''] = readFileSync('/run/vsnat-demo/pid', 'utf8').split(' ');
    expect(processes()).toContain(pid);
    signalGroup(killed, 'SIGKILL');
    await killed.ended; // only npm start's own process: the demo is its child and ends when it ends
    while (processes().includes(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(namespaces()).toHaveLength(5);
    const again = demo('--once');
    expect(await again.ended, again.output()).toBe(0);
    expect(namespaces()).toEqual([]);
    expect(processes()).toEqual([]);
  });
});
