// SPDX-License-Identifier: Apache-2.0
/** Where made-up samples come from. */
import type { Provenance } from '../../../bench/provenance.js';

export const someRun: Provenance = {
  commit: 'abc1234',
  dirty: false,
  date: '2026-01-02T03:04:05.000Z',
  cpu: '2 x some CPU',
  kernel: '6.1',
  node: 'v20.19.0',
  command: 'npm run bench --',
  loadAverage: 0.1,
};
