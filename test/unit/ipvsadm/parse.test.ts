// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { understand, type Outcome } from './describe.js';

interface Recorded extends Outcome {
  readonly args: readonly string[];
}

const file = join(import.meta.dirname, '../../fixtures/ipvsadm/command-lines.json');
const recorded = JSON.parse(readFileSync(file, 'utf8')) as readonly Recorded[];

describe('a command line', () => {
  it('has been recorded often enough to mean something', () => {
    expect(recorded.length).toBeGreaterThan(900);
    expect(recorded.filter(({ code }) => code === 0).length).toBeGreaterThan(200);
  });

  it.each(recorded)('$args is understood as ipvsadm 1.31 does', async ({ args, ...outcome }) => {
    expect(await understand(args)).toEqual(outcome);
  });

  it('has met every complaint that ipvsadm has about words', () => {
    const met = new Set(recorded.map(({ err }) => err.trimEnd()));
    const complaints = [
      /^Try `ipvsadm -h'/,
      /: unknown option$/,
      /: missing argument$/,
      /: option does not take an argument$/,
      /^invalid option `/,
      /^unexpected argument /,
      /^multiple '.*' options specified$/,
      /^You need to supply the '.*' option for the '.*' command$/,
      /^Illegal '.*' option with the '.*' command$/,
      /^The option '.*' conflicts with the '.*' option in the '.*' command$/,
      /^options conflicts in the list command$/,
      /^illegal virtual server address\[:port\] specified$/,
      /^illegal real server address\[:port\] specified$/,
      /^illegal virtual server persistent mask specified$/,
      /^illegal ipv6 netmask specified$/,
      /^illegal weight specified$/,
      /^illegal u_threshold specified$/,
      /^illegal l_threshold specified$/,
      /^invalid timeout value `.*' specified$/,
      /^invalid fwmark value `.*' specified$/,
      /^incompatible scheduler flag `.*'$/,
      /^invalid scheduler flag `.*'$/,
      /^-6 used before -f$/,
      /^--set option requires 3 timeout values$/,
      /^Zero port specified for non-persistent service$/,
      /^One-Packet Scheduling is only for UDP virtual services$/,
      /^Different address family is allowed only for tunneling servers$/,
      /^Tunnel options conflict with forward method$/,
      /^illegal tunnel type specified$/,
      /^illegal tunnel port specified$/,
      /^You need to supply the '.*' option for the '.*' tunnel type$/,
      /^Illegal '.*' option with the '.*' tunnel type$/,
      /^The option '.*' conflicts with the '.*' option in the '.*' tunnel type$/,
      /^illegal start-daemon parameter specified$/,
      /^illegal start_daemon specified$/,
      /^illegal syncid specified$/,
      /^illegal sync-maxlen specified$/,
      /^illegal mcast-port specified$/,
      /^illegal mcast-ttl specified$/,
      /^invalid IPv4 mcast-group `.*'$/,
      /^invalid IPv6 mcast-group `.*'$/,
    ];
    for (const complaint of complaints)
      expect(
        [...met].some((text) => complaint.test(text)),
        String(complaint),
      ).toBe(true);
  });
});
