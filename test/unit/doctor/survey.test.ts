// SPDX-License-Identifier: Apache-2.0
/** What the doctor is told on a host that changes while it is looked at. */
import { describe, expect, test } from 'vitest';

import { diagnose, survey, type DaemonFacts } from '../../../src/doctor/index.js';
import { VsnatError } from '../../../src/errors.js';
import type { CommandResult, System } from '../../../src/host/index.js';
import type { HostModel } from '../../../src/host/index.js';

const failed: CommandResult = { status: 1, stdout: '', stderr: 'Dump terminated' };
const cut: CommandResult = { status: 0, stdout: '[{"ifname":"lo"', stderr: '' };

/** Answers every listing with nothing but links; `first` is what `words` answer at first, `times` times. */
function host(words: string, first: CommandResult, times: number): System {
  let left = times;
  return {
    run: (argv) => {
      const text = argv.join(' ');
      if (text === words && left-- > 0) return Promise.resolve(first);
      const links = '[{"ifname":"lo","mtu":65536,"flags":["UP","LOWER_UP"]}]';
      return Promise.resolve({ status: 0, stdout: text.includes('link show') ? links : '', stderr: '' });
    },
    follow: () => () => undefined,
    notices: () => null,
    read: () => Promise.resolve(null),
    write: () => Promise.resolve(),
    list: () => Promise.resolve([]),
    link: () => Promise.resolve(null),
  };
}

const daemon = {
  status: { director: { device: { name: 'vsnat0', index: 7 } } },
  services: [],
  clients: [],
} as unknown as DaemonFacts;
const hostModel = { services: [], tun: { name: 'vsnat0' } } as unknown as HostModel;
const look = (system: System) =>
  survey({ wanted: null, daemon, daemonTrouble: null, hostModel }, system, () => Promise.resolve('open'));

describe('a survey', () => {
  test.each([
    ['an error', failed],
    ['half an answer', cut],
  ])('takes a second look where a list of links was %s', async (_, first) => {
    const { links } = await look(host('ip -json link show', first, 1));
    expect(links.map(({ name }) => name)).toEqual(['lo']);
  });

  test('gives up on a host that never answers, with a sentence', async () => {
    await expect(look(host('ip -json link show', failed, 2))).rejects.toThrow(VsnatError);
  });

  test('that cannot see the routes and rules says so, and tells of all else', async () => {
    const facts = await look(host('ip -4 -json -batch -', failed, 2));
    expect(facts.links).toHaveLength(1);
    const own = diagnose(facts).find(({ check }) => check === 'host-state');
    expect(own).toMatchObject({
      findings: [],
      skipped: expect.stringMatching(/cannot look at routes/) as string,
    });
  });
});
