// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** Plain JavaScript: it runs before anything is installed. */
const bootstrap = new URL('../../../tools/bootstrap.mjs', import.meta.url).href;
const { checkPackagesAreOurs } = (await import(bootstrap)) as {
  readonly checkPackagesAreOurs: (folder: string) => void;
};

describe('packages that are out of date', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'vsnat-bootstrap-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are installed anew in a folder, and where there are none', () => {
    const packages = path.join(folder, 'node_modules');
    expect(() => checkPackagesAreOurs(packages)).not.toThrow();
    mkdirSync(packages);
    expect(() => checkPackagesAreOurs(packages)).not.toThrow();
  });

  it.each(['others', 'nowhere'])('are left alone behind a link to %s, with a sentence', (target) => {
    mkdirSync(path.join(folder, 'others'));
    const packages = path.join(folder, 'node_modules');
    symlinkSync(path.join(folder, target), packages);
    expect(() => checkPackagesAreOurs(packages)).toThrow(
      /node_modules: must be brought up to date .*, got a link to \/.*; remove the link/,
    );
  });
});
