// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { describeEgress, EgressChooser } from '../../../src/director/egress.js';

const nothing = (): Promise<readonly string[]> => Promise.resolve([]);
const rules = (): Promise<readonly string[]> => Promise.resolve(['there are IPsec policies']);

describe('how packets leave', () => {
  test.each([
    ['auto', nothing, true, 'direct'],
    ['auto', rules, false, 'route: there are IPsec policies'],
    ['route', nothing, false, 'route: the configuration says so'],
    ['direct', nothing, true, 'direct'],
    ['direct', rules, true, 'direct: there are IPsec policies'],
    ['auto', () => Promise.reject(new Error('no ip')), false, 'route: the host cannot be looked at (no ip)'],
  ] as const)('%s with %s', async (setting, look, isDirect, text) => {
    const dataplane = new FakeDataplane();
    const chooser = new EgressChooser(dataplane, setting, look);
    await chooser.choose();
    expect(dataplane.isDirect).toBe(isDirect);
    expect(describeEgress(chooser.state)).toBe(text);
  });

  test('follows the host, and tells of every change after the first choice once', async () => {
    const dataplane = new FakeDataplane();
    const told: string[] = [];
    let found: readonly string[] = [];
    const chooser = new EgressChooser(
      dataplane,
      'auto',
      () => Promise.resolve(found),
      (state) => told.push(describeEgress(state)),
    );
    for (const next of [[], [], ['a rule'], ['a rule'], []]) {
      found = next;
      await chooser.choose();
    }
    expect(told).toEqual(['route: a rule', 'direct']);
    expect(dataplane.isDirect).toBe(true);
  });

  test('is route where the kernel refuses, and no start at all when direct was demanded', async () => {
    const facts = {
      ...new FakeDataplane().facts,
      directEgress: false,
      directRefusal: 'socket(AF_PACKET): EPERM',
    };
    const dataplane = { facts, direct: (): void => undefined };
    const chooser = new EgressChooser(dataplane, 'auto', nothing);
    await chooser.choose();
    expect(describeEgress(chooser.state)).toBe('route: socket(AF_PACKET): EPERM');
    expect(() => new EgressChooser(dataplane, 'direct', nothing)).toThrow(/CAP_NET_RAW/);
  });

  test('changes nothing once it is closed', async () => {
    const dataplane = new FakeDataplane();
    const chooser = new EgressChooser(dataplane, 'auto', nothing);
    chooser.close();
    await chooser.choose();
    expect(dataplane.isDirect).toBe(false);
  });
});
