// SPDX-License-Identifier: Apache-2.0
/** Samples to a file that is never rewritten, and to a table: a median is never shown without its spread. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import path from 'node:path';
import { projectRoot } from '../test/netns/support/project-root.js';

export interface Sample {
  readonly round: number;
  readonly contender: string;
  readonly load: string;
  readonly unit: string;
  /** null: the run failed; `error` says how. */
  readonly value: number | null;
  readonly error?: string;
}

const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: projectRoot, encoding: 'utf8' }).trim();

const addon = path.join(projectRoot, 'build/Release/vsnat.node');

/** bench/results/<date>-<commit>.json; a second run of the day gets a number, nothing is overwritten. */
export function writeResults(samples: readonly Sample[], notes: readonly string[]): string {
  const commit = git('rev-parse', '--short', 'HEAD');
  const date = new Date().toISOString();
  const results = {
    commit,
    dirty: git('status', '--porcelain', '--', 'src', 'native', 'bench', 'binding.gyp') !== '',
    date,
    cpu: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    kernel: release(),
    node: process.version,
    addonBytes: existsSync(addon) ? readFileSync(addon).length : null,
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    notes,
    samples,
  };
  const folder = path.join(projectRoot, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const base = path.join(folder, `${date.slice(0, 10)}-${commit}`);
  let file = `${base}.json`;
  for (let n = 2; existsSync(file); n++) file = `${base}-${n}.json`;
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  return path.relative(projectRoot, file);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1] ?? NaN, sorted[Math.floor(middle)] ?? NaN];
  return (low + high) / 2;
}

const short = (value: number): string =>
  value >= 1000 ? `${(value / 1000).toFixed(1)}k` : value.toFixed(value >= 100 ? 0 : 2);

/** Markdown: one row per contender; `median (least–most)`, then the median as a share of `yardstick`'s. */
export function table(samples: readonly Sample[], yardstick: string): string {
  const columns = [...new Map(samples.map(({ load, unit }) => [load, unit]))];
  const rows = [...new Set(samples.map(({ contender }) => contender))];
  const values = (contender: string, load: string): number[] =>
    samples
      .filter((sample) => sample.contender === contender && sample.load === load)
      .flatMap(({ value }) => (value === null ? [] : [value]));
  const cell = (contender: string, load: string): string => {
    const mine = values(contender, load);
    if (mine.length === 0) return 'failed';
    const share = Math.round((median(mine) / median(values(yardstick, load))) * 100);
    const relative = Number.isNaN(share) ? '' : ` ${share} %`;
    return `**${short(median(mine))}** (${short(Math.min(...mine))}–${short(Math.max(...mine))})${relative}`;
  };
  return [
    `| | ${columns.map(([load, unit]) => `${load}, ${unit}`).join(' | ')} |`,
    `| --- |${columns.map(() => ' --- |').join('')}`,
    ...rows.map((row) => `| ${row} | ${columns.map(([load]) => cell(row, load)).join(' | ')} |`),
  ].join('\n');
}
