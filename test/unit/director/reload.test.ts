// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { ChangeRefused } from '../../../src/director/change-refused.js';
import { Reloader } from '../../../src/director/reload.js';
import { VsnatError } from '../../../src/errors.js';
import type { Model } from '../../../src/model/index.js';
import { emptyModel } from './models.js';

const change = { kind: 'removed', what: 'service', name: 'web', detail: '' } as const;

function reloader(load: () => Model | Promise<Model>, changes = [change]): Reloader {
  let time = 1000;
  return new Reloader({ load, apply: () => changes, now: () => time++ });
}

describe('a reload', () => {
  it('that changes something is counted as applied and moves the time of the last success', async () => {
    const subject = reloader(() => emptyModel);
    expect(await subject.reload()).toEqual({ result: 'applied', changes: [change] });
    expect(subject.facts).toEqual({
      counts: { applied: 1, unchanged: 0, rejected: 0, failed: 0 },
      lastSuccessful: true,
      lastSuccessAt: 1001,
      lastError: null,
    });
  });

  it('that changes nothing is a success of its own kind', async () => {
    expect(await reloader(() => emptyModel, []).reload()).toEqual({ result: 'unchanged', changes: [] });
  });

  it.each([
    ['rejected', new VsnatError('VSNAT_CONFIG_INVALID', 'services: must be a list')],
    ['rejected', new VsnatError('VSNAT_CONFIG_UNREADABLE', 'a.yaml: cannot be read')],
    ['failed', new VsnatError('VSNAT_HOST_REFUSED', 'ip: refused')],
    ['failed', new Error('something else')],
  ] as const)('is %s, told and remembered, on %s', async (result, error) => {
    let broken = true;
    const subject = reloader(() => {
      if (broken) throw error;
      return emptyModel;
    });
    expect(await subject.reload()).toEqual({ result, error });
    expect(subject.facts).toMatchObject({
      lastSuccessful: false,
      lastSuccessAt: 1000,
      lastError: error.message,
    });
    expect(subject.facts.counts[result]).toBe(1);
    broken = false;
    await subject.reload();
    expect(subject.facts).toMatchObject({ lastSuccessful: true, lastError: null });
  });

  it('remembers the first hundred of very many mistakes, and how many more there are', async () => {
    const lines = Array.from({ length: 400_000 }, (_, i) => `f:${i}:1: bad`);
    const error = new VsnatError('VSNAT_CONFIG_INVALID', lines.join('\n'));
    const subject = reloader(() => {
      throw error;
    });
    expect(await subject.reload()).toEqual({ result: 'rejected', error });
    const { lastError } = subject.facts;
    expect(lastError?.split('\n')).toEqual([
      ...lines.slice(0, 100),
      'and 399900 more; vsnat check lists them all',
    ]);
  });

  it('waits for the one under way, and everyone who asks meanwhile shares one', async () => {
    const loads: (() => void)[] = [];
    const subject = reloader(() => new Promise<Model>((resolve) => loads.push(() => resolve(emptyModel))));
    const first = subject.reload();
    const storm = Array.from({ length: 50 }, () => subject.reload());
    expect(loads).toHaveLength(1);
    loads[0]?.();
    await first;
    await Promise.resolve();
    expect(new Set(storm).size).toBe(1);
    expect(loads).toHaveLength(2);
    const third = subject.reload(); // asked while the second reads the file: it must read again
    loads[1]?.();
    await storm[0];
    await Promise.resolve();
    expect(loads).toHaveLength(3);
    loads[2]?.();
    await third;
    expect(subject.facts.counts.applied).toBe(3);
    void subject.reload();
    expect(loads).toHaveLength(4); // idle again: starts at once
  });

  it('with a precondition has its own turn, and is no attempt when that fails', async () => {
    const applied: string[] = [];
    const subject = new Reloader({
      load: () => emptyModel,
      apply: (_, precondition) => {
        precondition(7);
        applied.push('applied');
        return [change];
      },
      now: () => 0,
    });
    const outcomes = await Promise.all([
      subject.reload(),
      subject.reload((revision) => {
        throw new ChangeRefused('changed-meanwhile', `revision: must be 6, got ${revision}`);
      }),
      subject.reload((revision) => expect(revision).toBe(7)),
    ]);
    expect(outcomes.map(({ result }) => result)).toEqual(['applied', 'outdated', 'applied']);
    expect(applied).toHaveLength(2);
    expect(subject.facts).toMatchObject({ counts: { applied: 2, failed: 0 }, lastError: null });
  });
});
