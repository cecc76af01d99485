// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { readAgentLine } from '../../../src/health/agent.js';

describe("an agent's line", () => {
  const read = (line: string) => readAgentLine(Buffer.from(line));
  it.each([
    ['up', { weightPercent: 100, drain: false }],
    ['ready\r', { weightPercent: 100, drain: false }],
    ['75%', { weightPercent: 75, drain: false }],
    ['up 75%', { weightPercent: 75, drain: false }],
    ['UP,ready,\t0%', { weightPercent: 0, drain: false }],
    ['drain', { weightPercent: 100, drain: true }],
    ['maint 50%', { weightPercent: 50, drain: true }],
    ['150% maxconn:30', { weightPercent: 150, drain: false }],
    ['up weather:fine', { weightPercent: 100, drain: false }],
  ])('%s is good', (line, expected) => expect(read(line)).toMatchObject({ result: 'good', ...expected }));

  it.each([
    ['down', 'declared', 'the agent says down'],
    ['75% down # disk full', 'declared', 'the agent says down: disk full'],
    ['stopped', 'declared', 'the agent says stopped'],
    ['failed#a#b', 'declared', 'the agent says failed: a#b'],
    ['', 'protocol', 'the agent says nothing known: ""'],
    ['hello', 'protocol', 'the agent says nothing known: "hello"'],
    ['-5%', 'protocol', 'the agent says nothing known: "-5%"'],
    ['999999%', 'protocol', 'the agent says nothing known: "999999%"'],
  ])('%s is bad', (line, reason, message) => expect(read(line)).toEqual({ result: 'bad', reason, message }));

  it('of any bytes is an answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(['good', 'bad']).toContain(readAgentLine(Buffer.from(bytes)).result);
      }),
    );
  });
});
