// SPDX-License-Identifier: Apache-2.0
/** Every sysctl under net/ipv4/vs is a key of `ipvs`, at the kernel's default unless the file says otherwise. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ConfigError, parseConfig } from '../../../src/config/index.js';
import { configSchema } from '../../../src/config/schema.js';
import { sysctlLimits, unusedSysctls } from '../../../src/config/sysctls.js';
import { kernelSysctls, sysctlNames, type IpvsSettings } from '../../../src/model/index.js';

const ipvs = (lines: string): IpvsSettings => parseConfig(`services: []\nipvs: { ${lines} }`).model.ipvs;

/** What `sysctl net.ipv4.vs` lists on Linux 6.12 after modprobe ip_vs, ip_vs_lblc and ip_vs_lblcr. */
const listedByTheKernel: Readonly<Record<string, number | string>> = {
  am_droprate: 10,
  amemthresh: 1024,
  backup_only: 0,
  cache_bypass: 0,
  conn_reuse_mode: 1,
  conntrack: 0,
  debug_level: 0,
  drop_entry: 0,
  drop_packet: 0,
  est_cpulist: 'of the machine',
  est_nice: 0,
  expire_nodest_conn: 0,
  expire_quiescent_template: 0,
  ignore_tunneled: 0,
  lblc_expiration: 86_400,
  lblcr_expiration: 86_400,
  nat_icmp_send: 0,
  pmtu_disc: 1,
  run_estimation: 1,
  schedule_icmp: 0,
  secure_tcp: 0,
  sloppy_sctp: 0,
  sloppy_tcp: 0,
  snat_reroute: 1,
  sync_persist_mode: 0,
  sync_ports: 1,
  sync_qlen_max: 'of the machine',
  sync_refresh_period: 0,
  sync_retries: 0,
  sync_sock_size: 0,
  sync_threshold: '3 50',
  sync_version: 1,
};

describe('the sysctls of IPVS', () => {
  it('are all there, and nothing beside them but two of vsnat', () => {
    const keys = Object.keys(configSchema.properties.ipvs.properties).filter(
      (key) => key !== 'removed_servers' && key !== 'one_packet_replies',
    );
    expect(keys.sort()).toEqual(Object.keys(listedByTheKernel).sort());
    expect([...sysctlNames, ...unusedSysctls, 'expire_nodest_conn'].sort()).toEqual(keys.sort());
  });

  it("have the kernel's defaults, but for the one that has an `auto` of ours", () => {
    const properties: Readonly<Record<string, { readonly default?: unknown }>> =
      configSchema.properties.ipvs.properties;
    for (const [name, value] of Object.entries(listedByTheKernel)) {
      const want = name === 'expire_nodest_conn' || value === 'of the machine' ? 'auto' : value;
      expect([name, properties[name]?.default]).toEqual([name, want]);
    }
  });

  it("may all be written at the kernel's default, and change nothing then", () => {
    const written = Object.entries(listedByTheKernel)
      .filter(([name]) => name !== 'expire_nodest_conn')
      .map(([name, value]) => `${name}: ${value === 'of the machine' ? 'auto' : value}`);
    expect(ipvs(written.join(', '))).toEqual(ipvs(''));
    expect(ipvs('').sysctls).toEqual(kernelSysctls);
  });

  it('reach the model when they have a meaning, within their limits, and are refused beyond', () => {
    fc.assert(
      fc.property(fc.constantFrom(...sysctlNames), fc.integer({ min: -3, max: 2 ** 32 }), (name, value) => {
        const { low, high } = sysctlLimits[name];
        const read = (): unknown => ipvs(`${name}: ${value}`).sysctls[name];
        if (value >= low && value <= high) expect(read()).toBe(value);
        else expect(read).toThrow(ConfigError);
      }),
    );
    for (const name of sysctlNames) {
      const { low, high } = sysctlLimits[name];
      expect(ipvs(`${name}: ${low}`).sysctls[name]).toBe(low);
      expect(ipvs(`${name}: ${high}`).sysctls[name]).toBe(high);
      expect(() => ipvs(`${name}: ${high + 1}`)).toThrow(`ipvs.${name}: must be ${low}`);
    }
  });

  it('say why when they have none', () => {
    for (const name of unusedSysctls) {
      expect(() => ipvs(`${name}: 7`)).toThrow(new RegExp(`ipvs\\.${name}: must be .+, got 7; .{20}`));
    }
  });
});

describe('expire_nodest_conn', () => {
  const cases: readonly (readonly [
    string,
    IpvsSettings['removedServers'],
    IpvsSettings['expireNodestConn'],
  ])[] = [
    ['', 'reset', 'auto'],
    ['removed_servers: silent', 'silent', 'auto'],
    ['expire_nodest_conn: auto, removed_servers: silent', 'silent', 'auto'],
    ['expire_nodest_conn: 0', 'silent', 0],
    ['expire_nodest_conn: 1', 'reset', 1],
    ['expire_nodest_conn: 0, removed_servers: silent', 'silent', 0],
    ['expire_nodest_conn: 1, removed_servers: reset', 'reset', 1],
  ];
  it.each(cases)('with { %s } removed servers are %s', (lines, removedServers, expireNodestConn) => {
    expect(ipvs(lines)).toMatchObject({ removedServers, expireNodestConn });
  });
});
