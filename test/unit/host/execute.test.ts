// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { applySteps } from '../../../src/host/execute.js';
import type { Step } from '../../../src/host/step.js';
import type { System } from '../../../src/host/system.js';

/** Takes everything, and remembers how many lines each program got. */
class Taking implements Pick<System, 'run'> {
  readonly lines: number[] = [];
  run: System['run'] = (_, input = '') => {
    this.lines.push(input.split('\n').filter(Boolean).length);
    return Promise.resolve({ status: 0, stdout: '', stderr: '' });
  };
}

const steps = (count: number): readonly Step[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `element ${n}`,
    why: 'replies of a real server',
    do: { tool: 'nft', line: `add element ip vsnat replies { ${n} }` },
    undo: null,
  }));

describe('steps', () => {
  it('of the same tool are one process, a million servers as well as one', async () => {
    for (const count of [1, 1_000_000]) {
      const system = new Taking();
      await applySteps(system as unknown as System, steps(count));
      expect(system.lines).toEqual([count]);
    }
  });
});
