// SPDX-License-Identifier: Apache-2.0
/** Runs bin/vsnat as a user does: in a process of its own, built, with an environment that says nothing about it. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import path from 'node:path';

export const projectRoot = path.resolve(import.meta.dirname, '../../..');

export interface Ended {
  /** null: a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  /** Resolves once stdout holds this. */
  said(text: string): Promise<void>;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Another name than vsnat in bin/. */
  readonly program?: string;
  /** Words before it. */
  readonly under?: readonly string[];
}

/** Root without a single capability: file modes mean something to it again. Of anybody else: who he is. */
export const withoutRights: readonly string[] =
  process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'] : [];

const longestMs = 60_000;

export function start(argv: readonly string[], options: RunOptions = {}): Running {
  const { input, env = {}, cwd, program = 'vsnat', under = [] } = options;
  const [command = '', ...words] = [
    ...under,
    process.execPath,
    path.join(projectRoot, 'bin', program),
    ...argv,
  ];
  const child = spawn(command, words, {
    env: { PATH: process.env['PATH'], ...env },
    ...(cwd !== undefined && { cwd }),
  });
  let [out, err] = ['', ''];
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    for (const look of waiting) look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => undefined); // it may end without reading
  if (input !== undefined) child.stdin.end(input);
  const timer = setTimeout(() => child.kill('SIGKILL'), longestMs);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, out, err });
    });
  });
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!out.includes(text)) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      void ended.then(() => reject(new Error(`it ended without saying ${text}: ${out}${err}`)), reject);
      look();
    });
  return { child, ended, said };
}

export const run = (argv: readonly string[], options: RunOptions = {}): Promise<Ended> =>
  start(argv, { input: '', ...options }).ended;
