// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { includeFiles } from '../../../src/cli/include-files.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vsnat-include-'));
  for (const name of [
    'a/web-1.conf',
    'a/web-2.conf',
    'a/mail.conf',
    'a/.hidden.conf',
    'b/web-1.conf',
    'k.conf',
  ]) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), '');
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('an include', () => {
  test.each([
    ['k.conf', ['k.conf']],
    ['nobody.conf', []],
    ['nowhere/*.conf', []],
    ['a/*.conf', ['a/mail.conf', 'a/web-1.conf', 'a/web-2.conf']],
    ['a/web-?.conf', ['a/web-1.conf', 'a/web-2.conf']],
    ['a/web-[2-9].conf', ['a/web-2.conf']],
    ['a/[!w]*.conf', ['a/mail.conf']],
    ['*/web-1.conf', ['a/web-1.conf', 'b/web-1.conf']],
    ['{b,a}/web-1.conf', ['b/web-1.conf', 'a/web-1.conf']],
    ['{a/{mail,web-2},k}.conf', ['a/mail.conf', 'a/web-2.conf', 'k.conf']],
    ['a/{,x}mail.conf', ['a/mail.conf']],
    ['a/.*.conf', ['a/.hidden.conf']],
    ['a/{web-1.conf', []],
    ['a/(+).conf', []],
    ['a/[z-a].conf', []],
    ['*', ['k.conf']],
  ])('of %s takes %j', (pattern, expected) => {
    expect(includeFiles(pattern, folder).map((path) => relative(folder, path))).toEqual(expected);
  });

  test('may begin at the root', () => {
    expect(includeFiles(join(folder, 'k.*'), '/nowhere')).toEqual([join(folder, 'k.conf')]);
  });
});
