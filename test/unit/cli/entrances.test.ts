// SPDX-License-Identifier: Apache-2.0
/**
 * Whichever way a change comes in, it is made whole or not at all. Checks, the sixth way, are in
 * test/unit/director/caretaker.test.ts.
 */
import { rmSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { getJson, postJson } from '../../../src/admin/client.js';
import { startDaemon, type Daemon } from '../../../src/cli/daemon.js';
import { vsnat } from './capture.js';
import { fakeMachine, webConfig, type FakeMachine } from './parts.js';

let machine: FakeMachine;
let daemon: Daemon;
beforeEach(async () => {
  machine = fakeMachine();
  daemon = await startDaemon({ configFile: 'vsnat.yaml', version: '0.1.0' }, machine.parts);
});
afterEach(async () => {
  await daemon.stop();
  rmSync(machine.directory, { recursive: true, force: true });
});

const running = async (): Promise<unknown> => [
  (await getJson(machine.socket, '/v1/config')).body,
  machine.dataplane.published.length,
];
const rule = (weight: number): string =>
  `-A -t 10.9.0.2:80 -s rr\n-a -t 10.9.0.2:80 -r 10.2.1.2:8080 -m -w ${weight}\n`;
const operations = (weight: number): object => ({
  operations: [
    { op: 'add-service', service: 'tcp://10.9.0.2:80', scheduler: 'rr', flags: [] },
    { op: 'set-weight', service: 'web', server: '10.2.1.2:8080', weight },
  ],
});

/** `weight`: one that is fine, or one that is a mistake, behind something that is none. */
const entrances: Readonly<Record<string, (weight: number) => Promise<unknown>>> = {
  'the file and SIGHUP': (weight) => {
    machine.text = webConfig(weight).replace('services: [', 'log: { level: warn }\nservices: [');
    return daemon.reload();
  },
  'a reload over the API': (weight) => {
    machine.text = webConfig(weight);
    return postJson(machine.socket, '/v1/reload');
  },
  'a change over the API': (weight) => postJson(machine.socket, '/v1/change', 5_000, operations(weight)),
  'a command': (weight) =>
    vsnat(['weight', 'web', '10.2.1.2:8080', String(weight), '--socket', machine.socket]),
  'rules of ipvsadm': (weight) => vsnat(['restore'], { VSNAT_SOCKET: machine.socket }, rule(weight)),
};

describe.each(Object.entries(entrances))('%s', (_, change) => {
  it('changes nothing when something of it is a mistake', async () => {
    const before = await running();
    await change(70_000);
    expect(await running()).toEqual(before);
  });

  it('changes nothing when the dataplane refuses, and everything when it does not', async () => {
    const before = await running();
    machine.dataplane.failNext = new Error('no memory');
    await change(5);
    expect(machine.dataplane.failNext).toBeUndefined();
    expect(await running()).toEqual(before);
    await change(5);
    expect(await running()).not.toEqual(before);
  });
});
