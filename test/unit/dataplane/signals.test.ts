// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import {
  emptyHistogram,
  latencyBounds,
  noSignals,
  signalsSince,
  type Histogram,
  type ServerSignals,
} from '../../../src/dataplane/signals.js';

/** A histogram with these samples (seconds), made the slow way. */
function histogramOf(...samples: number[]): Histogram {
  const counts = [...emptyHistogram.counts];
  for (const sample of samples) {
    const bucket = latencyBounds.findIndex((bound) => sample <= bound);
    const at = bucket === -1 ? latencyBounds.length : bucket;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return { counts, count: samples.length, sum: samples.reduce((sum, sample) => sum + sample, 0) };
}

const early: ServerSignals = { ...noSignals, handshake: histogramOf(0.5), synRepeated: 2, resets: 1 };
const late: ServerSignals = {
  ...noSignals,
  handshake: histogramOf(0.5, 0.25, 20),
  firstByte: histogramOf(0.002),
  synRepeated: 5,
  resets: 1,
  retransmissionsOut: 9,
};

describe('signals', () => {
  it('of the time between two readings are the later ones without the earlier', () => {
    expect(signalsSince(late, early)).toEqual({
      ...noSignals,
      handshake: histogramOf(0.25, 20),
      firstByte: histogramOf(0.002),
      synRepeated: 3,
      retransmissionsOut: 9,
    });
  });

  it('have bounds that grow, a bucket for each and one beyond', () => {
    expect([...latencyBounds].sort((a, b) => a - b)).toEqual(latencyBounds);
    expect(emptyHistogram.counts).toHaveLength(latencyBounds.length + 1);
  });
});
