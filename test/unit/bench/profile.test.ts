// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { profileTable, readProfile, type ProfileResults } from '../../../bench/report/profile.js';
import { countedBetween } from '../../../bench/session.js';
import { kindOf, resultsText } from '../../../bench/report/files.js';
import { someRun } from './some-run.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vsnat-profile-'));
afterAll(() => rmSync(folder, { recursive: true }));

const sample = (round: number, contender: string, perUnit: number, waiting: number) => ({
  round,
  contender,
  perUnit,
  stages: { 'the program itself': perUnit - waiting, 'waiting and waking': waiting },
  systemCalls: perUnit * 1e5,
});

const results: ProfileResults = {
  kind: 'profile',
  ...someRun,
  command: 'npm run bench -- profile',
  load: '64-byte UDP, 1,000 flows',
  unit: 'million packets',
  seconds: 2,
  samples: [
    sample(1, 'floor', 9, 6),
    sample(2, 'floor', 8, 5),
    sample(3, 'floor', 7, 4),
    { ...sample(1, 'vsnat', 4, 1), stages: { 'the program itself': 3, netfilter: 0.25 } },
  ],
};

describe('where the time goes', () => {
  it('is a row per stage by medians of the rounds, the longest first, zero where a contender has none of it', () => {
    expect(profileTable(results).split('\n')).toEqual([
      '64-byte UDP, 1,000 flows; commit abc1234, 3 rounds of 2 s, load average 0.10 at the start.',
      '',
      '| µs of CPU per packet | floor | vsnat |',
      '| --- | --- | --- |',
      '| waiting and waking | 5.00 | 0.00 |',
      '| the program itself | 3.00 | 3.00 |',
      '| netfilter | 0.00 | 0.25 |',
      '| sum | **8.00** | **4.00** |',
      '| system calls per packet | 0.80 | 0.40 |',
    ]);
  });

  it('is per gigabyte where the load is bytes', () => {
    const lines = profileTable({ ...results, load: 'bulk TCP, 1 stream', unit: 'GB' });
    expect(lines).toContain('| CPU s per GB | floor | vsnat |');
    expect(lines).toContain('| system calls per GB | 800000 | 400000 |');
  });

  it('is kept in a file that says what it is', () => {
    const file = path.join(folder, 'profile.json');
    writeFileSync(file, resultsText(results));
    expect(kindOf(file)).toBe('profile');
    expect(readProfile(file)).toEqual(results);
    writeFileSync(file, '{"commit":"abc"}');
    expect(kindOf(file)).toBeUndefined();
  });
});

describe('what the queues counted meanwhile', () => {
  const before = { queues: 2, packets: 1000, systemCalls: 500, foreign: 10 };

  it('is system calls per packet, and the share of packets on the queue of their connection', () => {
    const after = { queues: 2, packets: 3000, systemCalls: 1500, foreign: 510 };
    expect(countedBetween(before, after)).toEqual({ 'system calls': 0.5, 'own queue': 75 });
    expect(countedBetween(before, { ...after, foreign: 10 })).toMatchObject({ 'own queue': 100 });
  });

  it('says nothing of other queues where there is one, and nothing at all where no packet came', () => {
    const after = { queues: 1, packets: 2000, systemCalls: 600, foreign: 10 };
    expect(countedBetween({ ...before, queues: 1 }, after)).toEqual({ 'system calls': 0.1 });
    expect(countedBetween(before, before)).toEqual({});
  });
});
