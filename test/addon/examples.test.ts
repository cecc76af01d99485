// SPDX-License-Identifier: Apache-2.0
/** The programs of examples/, run as they stand. */
import { describe, expect, it } from 'vitest';

import { exchange, firstTwice, leastBytes, openDirector } from '../../examples/custom-scheduler.js';
import { syn } from './support.js';

describe('examples/custom-scheduler.ts', () => {
  it('schedules with one scheduler, then with the other, and no connection moves', async () => {
    const director = await openDirector(leastBytes);
    const serverOf = (port: number): string => {
      const packet = syn('198.51.100.7', port, '192.0.2.10', 80);
      const [output] = director.process({ packet, nowMs: 1000 }).outputs;
      return output === undefined ? '-' : output.packet.subarray(16, 20).join('.');
    };
    const ports = Array.from({ length: 8 }, (_, index) => 40_000 + index);
    expect(new Set(ports.map(serverOf))).toEqual(new Set(['10.0.0.1']));
    await exchange(director, firstTwice);
    expect(new Set(ports.map(serverOf))).toEqual(new Set(['10.0.0.1'])); // the same connections
    expect(ports.map((port) => serverOf(port + 100))).toEqual(
      [1, 1, 2, 3, 1, 1, 2, 3].map((last) => `10.0.0.${last}`),
    );
    expect(director.services()).toMatchObject([{ scheduler: 'first-twice', connections: 16 }]);
    await director.close();
  });
});
