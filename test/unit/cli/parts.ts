// SPDX-License-Identifier: Apache-2.0
/** A daemon's parts without a machine: a fake dataplane, a host that writes down what it is told, a log kept in memory. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DaemonParts } from '../../../src/cli/daemon.js';
import { createLogger } from '../../../src/cli/log.js';
import { parseConfig } from '../../../src/config/index.js';
import { FakeDataplane } from '../../../src/dataplane/fake.js';
import type { Model } from '../../../src/model/index.js';

export interface FakeMachine {
  readonly parts: DaemonParts<FakeDataplane>;
  readonly directory: string;
  readonly socket: string;
  /** Everything the daemon did, in order. */
  readonly events: string[];
  readonly log: string[];
  readonly dataplane: FakeDataplane;
  /** The text of the configuration file; change it and reload. */
  text: string;
}

export const webConfig = (weight: number): string =>
  `services: [{ name: web, listen: "tcp://10.9.0.1:80", servers: [{ address: 10.2.1.2:8080, weight: ${weight} }] }]`;

export function fakeMachine(fail: Readonly<Record<string, Error>> = {}): FakeMachine {
  const directory = mkdtempSync(join(tmpdir(), 'vsnat-daemon-'));
  const events: string[] = [];
  const log: string[] = [];
  const dataplane = new FakeDataplane();
  const did = (event: string): void => {
    events.push(event);
    const failure = fail[event];
    if (failure !== undefined) throw failure;
  };
  const step = (event: string): Promise<void> => Promise.resolve().then(() => did(event));
  const close = dataplane.close.bind(dataplane);
  dataplane.close = () => {
    close();
    did('close dataplane');
  };
  const machine: FakeMachine = {
    directory,
    socket: join(directory, 'vsnat.sock'),
    events,
    log,
    dataplane,
    text: webConfig(1),
    parts: {
      load: (note) => {
        did('load');
        note('the subnets of this host are unknown');
        const { model } = parseConfig(machine.text);
        const { admin, metrics } = model;
        const quiet: Model = {
          ...model,
          admin: { ...admin, socket: machine.socket },
          metrics: { ...metrics, listen: null },
        };
        return Promise.resolve(quiet);
      },
      preflight: () => step('preflight'),
      openDataplane: () => {
        did('open dataplane');
        return dataplane;
      },
      startDataplane: () => did('start threads'),
      prepareHost: async () => {
        await step('prepare host');
        return { update: () => step('update host'), trouble: () => null, close: () => step('close host') };
      },
      unreachable: () => Promise.resolve([]),
      ways: () =>
        Promise.resolve({
          egress: [],
          ingress: { hindrances: [], interfaces: [{ name: 'eth0', index: 2 }], apart: [] },
        }),
      memory: { availablePages: () => Promise.resolve(null), everySecond: () => () => undefined },
      createLogger: (settings) => createLogger(settings, { write: (line) => log.push(line) }),
      notifier: () => ({
        ready: () => events.push('tell ready'),
        reloading: () => events.push('tell reloading'),
        stopping: () => events.push('tell stopping'),
      }),
      addonAbi: 1,
      now: () => 1_763_000_000_000,
    },
  };
  return machine;
}
