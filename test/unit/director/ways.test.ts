// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { describeEgress, describeIngress, WayChooser, type LookAtWays } from '../../../src/director/ways.js';
import type { WaysLook } from '../../../src/host/index.js';
import type { WaySetting } from '../../../src/model/index.js';

const eth0 = { name: 'eth0', index: 2 };
const eth1 = { name: 'eth1', index: 3 };

const host = (ingress: Partial<WaysLook['ingress']> = {}, egress: readonly string[] = []): WaysLook => ({
  egress,
  ingress: { hindrances: [], interfaces: [eth0, eth1], apart: [], ...ingress },
});
const plain: LookAtWays = () => Promise.resolve(host());
const rules: LookAtWays = () =>
  Promise.resolve(host({ hindrances: ['there are IPsec policies'] }, ['there are IPsec policies']));
const blind: LookAtWays = () => Promise.reject(new Error('no ip'));

const both = (setting: WaySetting) => ({ egress: setting, ingress: setting });

describe('how packets come and leave', () => {
  test.each([
    ['auto', plain, true, 'direct', 'direct from eth0, eth1'],
    ['auto', rules, false, 'route: there are IPsec policies', 'route: there are IPsec policies'],
    ['route', plain, false, 'route: the configuration says so', 'route: the configuration says so'],
    ['direct', plain, true, 'direct', 'direct from eth0, eth1'],
    [
      'direct',
      rules,
      true,
      'direct: there are IPsec policies',
      'direct from eth0, eth1: there are IPsec policies',
    ],
    [
      'auto',
      blind,
      false,
      'route: the host cannot be looked at (no ip)',
      'route: the host cannot be looked at (no ip)',
    ],
  ] as const)('%s with %s', async (setting, look, isDirect, egress, ingress) => {
    const dataplane = new FakeDataplane();
    const chooser = new WayChooser(dataplane, both(setting), look);
    await chooser.choose();
    expect(dataplane.isDirect).toBe(isDirect);
    expect(dataplane.taken).toEqual(isDirect ? [2, 3] : []);
    expect(describeEgress(chooser.egress)).toBe(egress);
    expect(describeIngress(chooser.ingress)).toBe(ingress);
  });

  test('each follows its own setting', async () => {
    const dataplane = new FakeDataplane();
    await new WayChooser(dataplane, { egress: 'direct', ingress: 'route' }, plain).choose();
    expect([dataplane.isDirect, dataplane.taken]).toEqual([true, []]);
  });

  test('a host that is to route everything is not looked at', async () => {
    let looks = 0;
    const look: LookAtWays = () => {
      looks++;
      return plain();
    };
    await new WayChooser(new FakeDataplane(), both('route'), look).choose();
    expect(looks).toBe(0);
  });

  test('follows the host, and tells of every change after the first choice once', async () => {
    const dataplane = new FakeDataplane();
    const told: string[] = [];
    let found = host();
    const chooser = new WayChooser(
      dataplane,
      both('auto'),
      () => Promise.resolve(found),
      (text) => told.push(text),
    );
    const rule = host({ hindrances: ['a rule'] }, ['a rule']);
    for (const next of [host(), host(), rule, rule, host()]) {
      found = next;
      await chooser.choose();
    }
    expect(told).toEqual([
      'egress is route: a rule',
      'ingress is route: a rule',
      'egress is direct',
      'ingress is direct from eth0, eth1',
    ]);
    expect(dataplane.isDirect).toBe(true);
    expect(dataplane.taken).toEqual([2, 3]);
  });

  test('follows interfaces that come and go, and names those that are left alone', async () => {
    const dataplane = new FakeDataplane();
    let found = host({ interfaces: [eth0] });
    const chooser = new WayChooser(dataplane, both('auto'), () => Promise.resolve(found));
    await chooser.choose();
    expect(dataplane.taken).toEqual([2]);
    found = host({ interfaces: [eth1], apart: ['eth0 does not forward (forwarding=0)'] });
    await chooser.choose();
    expect(dataplane.taken).toEqual([3]);
    expect(describeIngress(chooser.ingress)).toBe('direct from eth1: eth0 does not forward (forwarding=0)');
  });

  test('an interface that refused is asked again with the next look', async () => {
    const dataplane = new FakeDataplane();
    const asked: string[] = [];
    const device = {
      facts: dataplane.facts,
      direct: (): void => undefined,
      takeDirectly: (interfaces: readonly number[]): number => (asked.push(interfaces.join()) === 1 ? 1 : 0),
    };
    const chooser = new WayChooser(device, both('auto'), plain);
    for (let look = 0; look < 3; look++) await chooser.choose();
    expect(asked).toEqual(['2,3', '2,3']);
  });

  test('is route where the kernel refuses, and no start at all when direct was demanded', async () => {
    const facts = {
      ...new FakeDataplane().facts,
      directEgress: false,
      directRefusal: 'socket(AF_PACKET): EPERM',
      directIngress: false,
      ingressRefusal: 'BPF_PROG_LOAD: EPERM',
    };
    const dataplane = { facts, direct: (): void => undefined, takeDirectly: (): number => 0 };
    const chooser = new WayChooser(dataplane, both('auto'), plain);
    await chooser.choose();
    expect(describeEgress(chooser.egress)).toBe('route: socket(AF_PACKET): EPERM');
    expect(describeIngress(chooser.ingress)).toBe('route: BPF_PROG_LOAD: EPERM');
    expect(() => new WayChooser(dataplane, { egress: 'direct', ingress: 'auto' }, plain)).toThrow(
      /CAP_NET_RAW/,
    );
    expect(() => new WayChooser(dataplane, { egress: 'auto', ingress: 'direct' }, plain)).toThrow(/CAP_BPF/);
  });

  test('changes nothing once it is closed', async () => {
    const dataplane = new FakeDataplane();
    const chooser = new WayChooser(dataplane, both('auto'), plain);
    chooser.close();
    await chooser.choose();
    expect([dataplane.isDirect, dataplane.taken]).toEqual([false, []]);
  });
});
