// SPDX-License-Identifier: Apache-2.0
/** From the settings under `ipvs` to the rules of a snapshot. */
import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../../src/config/index.js';
import type { PolicySpec, SnapshotSpec } from '../../../src/dataplane/dataplane.js';
import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { Director } from '../../../src/director/director.js';

const service = (scheduler: string): string =>
  `services: [{ name: a, listen: tcp://10.9.0.1:80, scheduler: ${scheduler}, servers: [10.2.1.2:80] }]`;

async function snapshotsOf(...texts: readonly string[]): Promise<readonly SnapshotSpec[]> {
  const dataplane = new FakeDataplane();
  const [first = '', ...others] = texts;
  const director = await Director.start({ dataplane }, parseConfig(first).model);
  for (const text of others) await director.apply(text);
  return dataplane.published;
}

const kernelDefaults: PolicySpec = {
  reuseClosed: true,
  expireNodest: false,
  servicesTakeConnections: false,
  sloppyTcp: false,
  sloppySctp: false,
  scheduleIcmp: false,
  natIcmpSend: false,
};

describe('the policy of a snapshot', () => {
  const cases: readonly (readonly [string, Partial<PolicySpec> & { removed?: string }])[] = [
    ['{}', {}],
    ['{ conn_reuse_mode: 0 }', { reuseClosed: false }],
    ['{ conn_reuse_mode: 2 }', {}],
    ['{ conn_reuse_mode: 3 }', {}],
    ['{ sloppy_tcp: 1 }', { sloppyTcp: true }],
    ['{ sloppy_sctp: 1 }', { sloppySctp: true }],
    ['{ schedule_icmp: 1 }', { scheduleIcmp: true }],
    ['{ nat_icmp_send: 1 }', { natIcmpSend: true }],
    ['{ removed_servers: silent }', { removed: 'silent' }],
    ['{ expire_nodest_conn: 0 }', { servicesTakeConnections: true, removed: 'silent' }],
    ['{ expire_nodest_conn: 1 }', { servicesTakeConnections: true, expireNodest: true }],
    ['{ drop_packet: 3, secure_tcp: 1, amemthresh: 7 }', {}],
  ];
  it.each(cases)('of ipvs: %s', async (ipvs, { removed = 'reset', ...policy }) => {
    const [snapshot] = await snapshotsOf(`${service('wlc')}\nipvs: ${ipvs}`);
    expect(snapshot).toMatchObject({ removedServer: removed, policy: { ...kernelDefaults, ...policy } });
  });

  it('has expire_quiescent_template beside it', async () => {
    const snapshots = await snapshotsOf(
      service('wlc'),
      `${service('wlc')}\nipvs: { expire_quiescent_template: 1 }`,
    );
    expect(snapshots.map(({ expireQuiescentTemplate }) => expireQuiescentTemplate)).toEqual([false, true]);
  });

  it('changes with a reload that changes nothing else', async () => {
    const snapshots = await snapshotsOf(service('wlc'), `${service('wlc')}\nipvs: { sloppy_tcp: 1 }`);
    expect(snapshots.map(({ policy }) => policy?.sloppyTcp)).toEqual([false, true]);
  });

  it('carries how long lblc and lblcr remember, each its own', async () => {
    const ipvs = 'ipvs: { lblc_expiration: 60, lblcr_expiration: 3600 }';
    const seconds = async (scheduler: string): Promise<unknown[]> =>
      (await snapshotsOf(service(scheduler), `${service(scheduler)}\n${ipvs}`)).map(
        ({ services }) => services[0]?.plan.kind === 'local' && services[0].plan.forgetSeconds,
      );
    expect(await seconds('lblc')).toEqual([86_400, 60]);
    expect(await seconds('lblcr')).toEqual([86_400, 3600]);
  });
});
