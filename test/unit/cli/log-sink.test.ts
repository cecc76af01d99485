// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { LogSink } from '../../../src/cli/log-sink.js';

/** A stderr with room for so many bytes, and what it took. */
class Pipe {
  taken = '';
  #later: (() => void)[] = [];
  code = 'EAGAIN';
  constructor(public room: number) {}

  readonly sink = new LogSink({
    write: (bytes) => {
      if (this.room === 0) throw Object.assign(new Error(this.code), { code: this.code });
      const part = bytes.subarray(0, this.room);
      this.taken += Buffer.from(part).toString();
      this.room -= part.length;
      return part.length;
    },
    later: (work) => this.#later.push(work),
  });

  /** The time to try again has come. */
  again(room: number): void {
    this.room = room;
    const due = this.#later;
    this.#later = [];
    for (const work of due) work();
  }
}

describe('the log', () => {
  it('goes to stderr at once', () => {
    const pipe = new Pipe(100);
    pipe.sink.write('a\n');
    expect(pipe.taken).toBe('a\n');
  });

  it('waits for a reader that is slow, whole and in order', () => {
    const pipe = new Pipe(3);
    for (const line of ['one\n', 'two\n', 'three\n']) pipe.sink.write(line);
    expect(pipe.taken).toBe('one');
    pipe.again(2);
    pipe.sink.write('four\n');
    expect(pipe.taken).toBe('one\nt');
    pipe.again(100);
    expect(pipe.taken).toBe('one\ntwo\nthree\nfour\n');
  });

  it('loses what is too much, and says how many lines when there is room again', () => {
    const pipe = new Pipe(0);
    const told: number[] = [];
    pipe.sink.onRecovered = (lost) => told.push(lost);
    const line = `${'x'.repeat(1023)}\n`;
    for (let i = 0; i < 300; i += 1) pipe.sink.write(line);
    expect(told).toEqual([]);
    pipe.again(1e9);
    expect([pipe.taken.length, told]).toEqual([256 * 1024, [44]]);
  });

  it('takes a line that is longer than what may wait', () => {
    const pipe = new Pipe(1e9);
    const line = `${'x'.repeat(5e6)}\n`;
    pipe.sink.write(line);
    pipe.room = 10;
    pipe.sink.write(line);
    pipe.sink.write('lost\n');
    pipe.again(1e9);
    expect(pipe.taken.length).toBe(2 * line.length);
  });

  it('survives a full disk, and goes on when there is space', () => {
    const pipe = new Pipe(0);
    const told: number[] = [];
    pipe.sink.onRecovered = (lost) => told.push(lost);
    pipe.code = 'ENOSPC';
    pipe.sink.write('a\n');
    pipe.sink.write('b\n');
    pipe.room = 100;
    pipe.sink.write('c\n');
    expect([pipe.taken, told]).toEqual(['c\n', [2]]);
  });
});

describe('a process that logs', () => {
  const source = readFileSync(new URL('../../../src/cli/log-sink.ts', import.meta.url), 'utf8');
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ES2022 } });
  const program = `${outputText}
    const sink = new LogSink();
    for (let i = 0; i < 2000; i += 1) sink.write('x'.repeat(1000));
    setTimeout(() => console.log('went on'), 1);`;
  const run = (stderr: number | 'pipe') =>
    spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', stderr],
      timeout: 60_000,
    });

  it.each([
    ['into a pipe that nobody reads', 'pipe' as const],
    ['onto a disk without space', openSync('/dev/full', 'w')],
  ])('%s goes on, and ends', async (_, stderr) => {
    const child = run(stderr);
    const said = once(child.stdout as NonNullable<typeof child.stdout>, 'data');
    const [code] = (await once(child, 'exit')) as [number | null];
    expect([String((await said)[0]), code]).toEqual(['went on\n', 0]);
  });
});
