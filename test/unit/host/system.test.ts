// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { realSystem } from '../../../src/host/system.js';

const timers = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;

describe('running a program', () => {
  const cases = [
    ['that does not exist', ['vsnat-no-such-program'], 127],
    ['that may not be run', ['/dev/null'], 126],
    ['that fails', ['false'], 1],
    ['that succeeds', ['true'], 0],
  ] as const;
  for (const [name, argv, status] of cases) {
    test(`${name} leaves no timer that would keep the process`, async () => {
      const before = timers();
      expect(await realSystem.run(argv)).toMatchObject({ status });
      expect(timers()).toBeLessThanOrEqual(before);
    });
  }
});
