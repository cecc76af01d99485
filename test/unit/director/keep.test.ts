// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { applyOperations, kernelSetTimeouts } from '../../../src/director/change.js';
import { describeChange, diffModels } from '../../../src/director/diff.js';
import { keepChanges } from '../../../src/director/keep.js';
import type { Operation } from '../../../src/director/operation.js';
import { idOf, modelWith, web } from './models.js';

const old = modelWith(web('a b'));
const a = { service: 'web', server: idOf('a') };

function kept(file: ReturnType<typeof modelWith>, ...operations: Operation[]) {
  const running = applyOperations({ model: old, timeouts: kernelSetTimeouts, file: old }, operations).model;
  const { model, notes } = keepChanges(old, running, file);
  return { changes: diffModels(file, model).map(describeChange), notes };
}

describe('changes at run time that are to be kept', () => {
  it('stay where the file says what it said', () => {
    expect(kept(modelWith(web('a b c')), { op: 'set-weight', ...a, weight: 7 })).toEqual({
      changes: [`~ server web ${idOf('a')} weight 1 -> 7`],
      notes: [],
    });
    expect(kept(modelWith(web('a b')), { op: 'drain', ...a, deadlineSeconds: 9 }).changes).toEqual([
      `~ server web ${idOf('a')} disabled false -> true`,
      `~ server web ${idOf('a')} drain as the service says -> 9s then reset`,
    ]);
  });

  it('give way, property by property, where the file says something new', () => {
    const both: Operation[] = [
      { op: 'set-weight', ...a, weight: 7 },
      { op: 'disable', ...a },
    ];
    expect(kept(modelWith(web('a:3 b')), ...both)).toEqual({
      changes: [`~ server web ${idOf('a')} disabled false -> true`],
      notes: [
        `server ${idOf('a')} of web: weight was changed at run time and in the file; the file's is taken`,
      ],
    });
  });

  it('are no conflict when the file now says the same', () => {
    expect(kept(modelWith(web('a:7 b')), { op: 'set-weight', ...a, weight: 7 })).toEqual({
      changes: [],
      notes: [],
    });
  });

  it('go with the server or service they were of, which is told', () => {
    expect(kept(modelWith(web('b')), { op: 'set-weight', ...a, weight: 7 })).toEqual({
      changes: [],
      notes: [`server ${idOf('a')} of web: was changed at run time and is not in the file any more`],
    });
    expect(kept(modelWith(), { op: 'disable', ...a }).notes).toEqual([
      'service web: was changed at run time and is not in the file any more',
    ]);
    expect(kept(modelWith())).toEqual({ changes: [], notes: [] });
  });

  it('are servers and services that were added, and those that were deleted', () => {
    const plain = { weight: 1, upperThreshold: 0, lowerThreshold: 0 };
    const dns = 'udp://10.9.0.1:53';
    const { changes, notes } = kept(
      modelWith(web('a b', { scheduler: 'rr' })),
      { op: 'add-server', service: 'web', server: idOf('c'), ...plain },
      { op: 'delete-server', ...a },
      { op: 'add-service', service: dns, scheduler: 'rr', flags: [] },
    );
    expect(changes).toEqual([
      `- server web ${idOf('a')}`,
      `+ server web ${idOf('c')} weight 1`,
      '+ service udp-10.9.0.1-53 udp://10.9.0.1:53 rr',
    ]);
    expect(notes).toEqual([]);
  });

  it('are not deletions of what the file has changed since', () => {
    expect(kept(modelWith(web('a:5 b')), { op: 'delete-server', ...a })).toEqual({
      changes: [],
      notes: [
        `server ${idOf('a')} of web: was deleted at run time and has been changed in the file, so it is back`,
      ],
    });
    expect(kept(modelWith(web('a b')), { op: 'delete-service', service: 'web' }).changes).toEqual([
      '- service web',
    ]);
  });
});
