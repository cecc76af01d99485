// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import {
  noLatency,
  noLoad,
  type LeastPlan,
  type Protocol,
  type ServerLoad,
} from '../../../src/model/index.js';
import { peakEwma, type PeakEwmaOptions } from '../../../src/scheduler/peak-ewma.js';
import { planProblem } from '../../../src/scheduler/index.js';
import { letters } from './support.js';

/** Plans every second of its own clock; answers with the factors, as percent of the greatest. */
class Minutes {
  readonly #memory = new Map<string, unknown>();
  #nowMs = 50_000;
  readonly servers = letters({ A: 1, B: 1, C: 1 });
  constructor(readonly options: PeakEwmaOptions = {}) {}

  plan(loads: readonly ServerLoad[], protocols: readonly Protocol[] = ['tcp']): LeastPlan {
    this.#nowMs += 1000;
    const context = {
      service: 'web',
      protocols,
      options: this.options,
      nowMs: this.#nowMs,
      memory: this.#memory,
    };
    const plan = peakEwma.plan(this.servers, loads, context);
    expect(planProblem(plan, this.servers.length)).toBeUndefined();
    return plan as LeastPlan;
  }
  percents(...loads: readonly ServerLoad[]): number[] {
    const { factors = [] } = this.plan(loads);
    return factors.map((factor) => Math.round((factor / 65_535) * 100));
  }
}

const answered = (meanMs: number, count = 10): ServerLoad => ({
  ...noLoad,
  newConnections: count,
  handshake: { ...noLatency, count, meanMs },
});
const idle = noLoad;

describe('peak-ewma', () => {
  it('begins without a preference', () => {
    expect(new Minutes().percents(idle, idle, idle)).toEqual([100, 100, 100]);
  });

  it('makes a connection to a server as dear as its handshakes were slow', () => {
    expect(new Minutes().percents(answered(100), answered(50), answered(5))).toEqual([100, 50, 5]);
  });

  it('follows a peak at once, and forgets it with its time constant', () => {
    const minutes = new Minutes({ decay_ms: 1000 });
    minutes.percents(answered(10), answered(10), answered(10));
    expect(minutes.percents(answered(100), answered(10), answered(10))).toEqual([100, 10, 10]);
    // 100 / e + 10 * (1 - 1 / e) = 43.1
    expect(minutes.percents(answered(10), answered(10), answered(10))).toEqual([100, 23, 23]);
  });

  it('lets a server that nobody is sent to come back little by little, and holds one that has not answered yet', () => {
    const minutes = new Minutes({ decay_ms: 1000, floor_ms: 10 });
    minutes.percents(answered(100), answered(100), answered(10));
    const waiting = { ...idle, newConnections: 1 };
    expect(minutes.percents(idle, waiting, answered(10))).toEqual([37, 100, 10]);
    expect(minutes.percents(idle, waiting, answered(10))).toEqual([14, 100, 10]);
  });

  it('counts a refused or unanswered handshake as a second', () => {
    const failing = { ...answered(10, 1), handshakesFailed: 1 };
    expect(new Minutes().percents(failing, answered(505), answered(505))).toEqual([100, 100, 100]);
    expect(new Minutes({ penalty_ms: 10 }).percents(failing, answered(10), answered(20))).toEqual([
      50, 50, 100,
    ]);
  });

  it('treats an unknown server like the median of the others, and hair-thin differences as none', () => {
    expect(new Minutes().percents(answered(100), idle, answered(50))).toEqual([100, 100, 50]);
    expect(new Minutes().percents(answered(0.1), answered(0.9), answered(0.02))).toEqual([100, 100, 100]);
  });

  it('looks at first bytes where it is told to', () => {
    const slowProgram = { ...answered(1), firstByte: { ...noLatency, count: 5, meanMs: 80 } };
    const quick = { ...answered(1), firstByte: { ...noLatency, count: 5, meanMs: 8 } };
    expect(new Minutes({ signal: 'first-byte' }).percents(slowProgram, quick, quick)).toEqual([100, 10, 10]);
  });

  it('compares two different servers by live connections, and for UDP by inactive ones', () => {
    const plan = new Minutes().plan([idle, idle, idle]);
    expect(plan).toMatchObject({
      among: 'two-distinct',
      activeCost: 1,
      inactiveCost: 0,
      constant: 1,
      order: [2, 1, 0],
    });
    expect(new Minutes().plan([idle, idle, idle], ['udp'])).toMatchObject({ activeCost: 1, inactiveCost: 1 });
  });
});
