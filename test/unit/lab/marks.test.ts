// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { assertNamesFree, readMarks, writeMarks } from '../../../src/lab/marks.js';

test('what was marked is read back, and without a file nothing is ours', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vsnat-marks-'));
  try {
    expect(await readMarks(folder)).toEqual([]);
    await writeMarks(folder, ['vsnat-client', 'vsnat-rs1']);
    expect(await readMarks(folder)).toEqual(['vsnat-client', 'vsnat-rs1']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("somebody else's namespaces are named, with the command that removes them", () => {
  expect(() => assertNamesFree(['a', 'b'], ['c'])).not.toThrow();
  expect(() => assertNamesFree(['a', 'b', 'd'], ['d', 'a'])).toThrow(
    'demo: its network namespaces must be free to make, got a, d made by somebody else; if nobody needs them, ' +
      'run: ip netns delete a && ip netns delete d',
  );
});
