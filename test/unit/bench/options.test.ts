// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { benchHelp, benchOptions } from '../../../bench/options.js';

const names = { contenders: ['floor, 1 queue', 'vsnat, 1 queue'], loads: ['bulk TCP'] };
const parse = (...argv: string[]) => benchOptions(argv, names);

describe("the benchmark's command line", () => {
  it('measures everything when nothing is said, and ends before 25 minutes are over', () => {
    const everything = { rounds: 6, contenders: [], loads: [], extent: 'all', against: null };
    expect(parse()).toMatchObject(everything);
    expect(parse()).toHaveProperty('limitMs', 24 * 60_000);
  });

  it('is short with --quick, in what is not said otherwise', () => {
    const quick = { rounds: 7, seconds: 0.5, limitMs: 150_000, extent: 'main' };
    expect(parse('--quick', '--rounds', '7')).toMatchObject(quick);
  });

  it('takes parts of names, again and again', () => {
    const options = parse('--only', 'vsnat', '--only', 'floor', '--load=bulk', '--seconds', '0.5');
    expect(options).toMatchObject({ contenders: ['vsnat', 'floor'], loads: ['bulk'], seconds: 0.5 });
  });

  it('compares with a commit when one is named', () => {
    expect(parse('--against', 'v0.1.0')).toMatchObject({ against: 'v0.1.0' });
  });

  it('knows help, and its help names every option, contender and load', () => {
    expect(parse('--help')).toBe('help');
    expect(parse('-h')).toBe('help');
    for (const option of ['quick', 'rounds', 'seconds', 'limit', 'only', 'load', 'against', 'help'])
      expect(benchHelp(names)).toContain(`--${option} `.trimEnd());
    for (const name of [...names.contenders, ...names.loads]) expect(benchHelp(names)).toContain(name);
  });

  it.each([
    [['--round', '3'], /^npm run bench: Unknown option '--round'; see npm run bench -- --help$/],
    [['fast'], /^npm run bench: Unexpected argument 'fast'/],
    [['--rounds'], /^npm run bench: Option '--rounds <value>' argument missing/],
    [['--rounds', '0'], /^npm run bench: --rounds: must be a number above 0, got "0"$/],
    [['--rounds', '2.5'], /--rounds: must be/],
    [['--limit', 'soon'], /--limit: must be a number above 0, got "soon"$/],
    [
      ['--only', 'katran'],
      /--only: must be a part of a name, got "katran"; there are floor, 1 queue; vsnat, 1/,
    ],
    [['--load', 'UDP'], /--load: must be a part of a name, got "UDP"; there are bulk TCP$/],
  ])('%j is refused in one sentence', (argv, sentence) => {
    expect(() => parse(...argv)).toThrow(sentence);
  });
});
