// SPDX-License-Identifier: Apache-2.0
/** The metrics of the process, with prom-client's measurement of the event loop and with another. */
import { expect, test } from 'vitest';

import { ProcessMetrics } from '../../../src/metrics/process.js';

const told = (text: string): readonly string[] =>
  text.split('\n').filter((line) => line.startsWith('# ') && line.includes('eventloop'));

const delays = { min: 0.01, max: 0.5, mean: 0.011, stddev: 0.002, p50: 0.0101, p90: 0.0102, p99: 0.25 };

for (const format of ['classic', 'openmetrics'] as const)
  test(`who measures the event loop makes no difference to names and sentences (${format})`, async () => {
    const usual = told(await new ProcessMetrics().text(format));
    const ours = told(await new ProcessMetrics(() => delays).text(format));
    expect(usual).toHaveLength(2 * 8);
    expect([...ours].sort()).toEqual([...usual].sort());
  });

test('delays are asked for once a scrape, and told', async () => {
  let asked = 0;
  const metrics = new ProcessMetrics(() => {
    asked += 1;
    return { ...delays, max: asked };
  });
  for (const scrape of [1, 2]) {
    const text = await metrics.text('classic');
    expect(asked).toBe(scrape);
    expect(text).toMatch(new RegExp(`^nodejs_eventloop_lag_max_seconds ${scrape}$`, 'm'));
    expect(text).toMatch(/^nodejs_eventloop_lag_min_seconds 0.01$/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds 0.25$/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_stddev_seconds 0.002$/m);
  }
});
