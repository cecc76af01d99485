// SPDX-License-Identifier: Apache-2.0
/**
 * The page made of three runs that were recorded (test/fixtures/bench: two rounds each, on a busy machine). What is expected
 * was worked out from the same files with another program.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fill, partsOf } from '../../../bench/report/pages.js';
import { readResults } from '../../../bench/report/results.js';

const root = path.join(import.meta.dirname, '../../..');
const recorded = (n: number) => readResults(path.join(root, `test/fixtures/bench/run-${n}.json`));
const { parts, charts } = partsOf([recorded(1), recorded(2), recorded(3)], 'benchmarks');

/** The row of a part that begins with `name`, cell by cell. */
function row(part: string, name: string): readonly string[] {
  const found = (parts.get(part) ?? '').split('\n').find((line) => line.startsWith(`| ${name} |`));
  return found?.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')) ?? [];
}

describe('the page of three recorded runs', () => {
  it('has own cost over the rounds of all of them, with what is surely more than 3 % and what only seems so', () => {
    expect(row('own-cost', '64-byte UDP, 1,000 flows')).toEqual([
      '64-byte UDP, 1,000 flows',
      '1.296 (0.653–2.572)',
      '1.135 (0.564–2.285)',
      '2.181 (1.311–3.629)',
    ]);
    expect(row('own-cost', 'bulk TCP, 1 stream')).toEqual([
      'bulk TCP, 1 stream',
      '0.785 (0.353–1.744), unsure',
      '0.440 (0.235–0.826), **more than 3 %**',
      '0.692 (0.353–1.357), unsure',
    ]);
    expect(row('own-cost', 'latency, idle, p50 (less is better)').slice(1)).toEqual([
      '1.168 (0.719–1.898), unsure',
      '0.888 (0.518–1.521)',
      '0.778 (0.466–1.299)',
    ]);
  });

  it('has CPU time beside the loop, and what io_uring is worth', () => {
    expect(row('own-cost-cpu', '64-byte UDP, 1,000 flows').slice(1)).toEqual([
      '1.123 (0.851–1.484)',
      '0.905 (0.620–1.321)',
      '0.627 (0.549–0.716)',
    ]);
    expect(row('worth', '64-byte UDP, 1,000 flows')[1]).toBe('0.876 (0.486–1.579)');
  });

  it('has the medians of each, and how far they are apart', () => {
    const medians = row('runs', '64-byte UDP, 1,000 flows, packets/s');
    expect(medians[1]).toBe('44.6k, 45.9k, 25.8k (45 %)');
    expect(medians[3]).toBe('79.2k, 85.4k, 80.3k (8 %)');
  });

  it('has the figures of the last, and a column for each in the table of the machine', () => {
    expect(row('packets', 'vsnat, 1 queue, direct')[1]).toMatch(/^\*\*80.3k\*\* /);
    expect(row('system-calls', 'vsnat, 1 queue, route')[2]).toMatch(/^\*\*0.0374\*\* /);
    expect(row('machine', 'commit')).toHaveLength(4);
  });

  it("fits this project's page, and leaves what comes from other files", () => {
    const page = readFileSync(path.join(root, 'docs/benchmarks.md'), 'utf8');
    const filled = fill(page, parts);
    expect(filled).toContain('44.6k, 45.9k, 25.8k (45 %)');
    const profile = (text: string) => /<!-- bench:profile -->[^]*<!-- \/bench:profile -->/.exec(text)?.[0];
    expect(profile(filled)).toBe(profile(page));
    expect(profile(page)).toBeDefined();
    expect(row('summary', 'vsnat, 1 queue, direct')).toHaveLength(4);
    expect(readFileSync(path.join(root, 'README.md'), 'utf8')).toContain('<!-- bench:summary -->');
    for (const name of charts.keys()) expect(filled).toContain(`(benchmarks/${name})`);
  });
});
