// SPDX-License-Identifier: Apache-2.0
/** Where a run's samples come from: what a reader needs to judge them, or to run it again. */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release } from 'node:os';
import { projectRoot } from '../test/netns/support/project-root.js';
import type { Results } from './report/results.js';

export const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: projectRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

const sources = ['src', 'native', 'bench', 'binding.gyp', ':!bench/results'];

export type Provenance = Pick<
  Results,
  'commit' | 'dirty' | 'date' | 'cpu' | 'kernel' | 'node' | 'command' | 'loadAverage'
>;

/** To be asked for before the first load: the load average is to be others'. */
export const provenance = (argv: readonly string[]): Provenance => ({
  commit: git('rev-parse', '--short', 'HEAD'),
  dirty: git('status', '--porcelain', '--', ...sources) !== '',
  date: new Date().toISOString(),
  cpu: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
  kernel: release(),
  node: process.version,
  command: ['npm run bench --', ...argv].join(' '),
  loadAverage: loadavg()[0] ?? NaN,
});
