// SPDX-License-Identifier: Apache-2.0
/**
 * The doctor on a real host: each trouble is made for real, must be found, and the command that is printed must mend
 * it. What the daemon itself puts back every few seconds is made again when it was quicker.
 */
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Examined, Finding } from '../../src/doctor/index.js';
import { vip } from './support/lab.js';
import type { Namespace } from './support/namespace.js';
import { projectRoot } from './support/project-root.js';
import { suite, useLab } from './support/suite.js';

/**
 * A diagnosis starts twenty processes, and what the daemon mends every five seconds must be seen in between: on a machine with
 * other work that takes several tries.
 */
const patienceMs = 100_000;
vi.setConfig({ testTimeout: patienceMs + 80_000 });

interface Diagnosis {
  readonly ok: boolean;
  readonly checks: readonly Examined[];
}

type Where = 'director' | 'rs1' | 'rs2';

interface Trouble {
  readonly name: string;
  /** Commands of a shell in the namespace of `at`. */
  readonly made: string;
  readonly at?: Where;
  readonly check: string;
  readonly level: Finding['level'];
  readonly says: RegExp;
  /** Run when the mend has been tried; for what the trouble leaves beside it. */
  readonly afterwards?: string;
}

const troubles: readonly Trouble[] = [
  {
    name: 'IPv4 forwarding is off',
    made: 'sysctl -qw net.ipv4.ip_forward=0',
    check: 'ip-forward',
    level: 'wrong',
    says: /net\.ipv4\.ip_forward must be 1, got 0/,
  },
  {
    name: 'IPv6 forwarding is off',
    made: 'sysctl -qw net.ipv6.conf.all.forwarding=0',
    check: 'ip-forward',
    level: 'wrong',
    says: /IPv6 forwarding is off/,
  },
  {
    name: 'one link does not forward',
    made: 'sysctl -qw net.ipv4.conf.srv1.forwarding=0',
    check: 'link-forwarding',
    level: 'wrong',
    says: /forwarding is off on srv1/,
  },
  {
    name: 'strict filtering on a link that is not the way back to the client',
    // The client's packets come in on cli; the route back to this one leads elsewhere.
    made: 'sysctl -qw net.ipv4.conf.cli.rp_filter=1; ip route add default via 10.2.2.2; ip route add 10.1.1.2/32 via 10.2.1.2',
    check: 'rp-filter',
    level: 'wrong',
    says: /rp_filter is strict on srv1|rp_filter is strict on cli/,
    afterwards: 'ip route del 10.1.1.2/32; ip route del default; sysctl -qw net.ipv4.conf.cli.rp_filter=0',
  },
  {
    name: 'strict filtering on the TUN device',
    made: 'sysctl -qw net.ipv4.conf.vsnat0.rp_filter=1',
    check: 'rp-filter',
    level: 'wrong',
    says: /rp_filter is strict on vsnat0/,
  },
  {
    name: 'accept_local is off on the TUN device',
    made: 'sysctl -qw net.ipv4.conf.vsnat0.accept_local=0',
    check: 'accept-local',
    level: 'doubtful',
    says: /accept_local is off on vsnat0/,
  },
  {
    name: 'the ruleset was flushed',
    made: 'nft flush ruleset',
    check: 'host-state',
    level: 'wrong',
    says: /missing: nft table vsnat_vsnat0/,
  },
  {
    name: 'the TUN device is down',
    made: 'ip link set dev vsnat0 down',
    check: 'device',
    level: 'wrong',
    says: /vsnat0 is down/,
  },
  {
    name: 'a firewall with policy drop',
    made: "nft 'table inet fw { chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; }; }'",
    check: 'firewall',
    level: 'wrong',
    says: /chain forward of nftables table inet fw drops cli -> vsnat0, tcp to 10\.9\.0\.1 port 501/,
    afterwards: 'nft delete table inet fw',
  },
  {
    name: 'a firewall whose rule cannot be judged',
    made: "nft 'table ip fw { chain forward { type filter hook forward priority filter; limit rate 1/second drop; }; }'",
    check: 'firewall',
    level: 'doubtful',
    says: /chain forward of nftables table ip fw may drop/,
    afterwards: 'nft delete table ip fw',
  },
  {
    name: 'masquerading towards the servers',
    made: 'nft \'table ip fw { chain post { type nat hook postrouting priority srcnat; oifname "srv*" masquerade; }; }\'',
    check: 'source-nat',
    level: 'doubtful',
    says: /chain post of nftables table ip fw gives packets to 10\.2\.\d\.2 another source address/,
    afterwards: 'nft delete table ip fw',
  },
  {
    name: 'a rule that drops what connection tracking calls invalid',
    made: "nft 'table inet fw { chain forward { type filter hook forward priority filter; ct state invalid drop; }; }'",
    check: 'conntrack',
    level: 'doubtful',
    says: /drops packets in state invalid/,
    afterwards: 'nft delete table inet fw; sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=0',
  },
  {
    name: 'a real server that is down',
    at: 'rs1',
    made: 'ip link set dev up0 down',
    check: 'servers',
    level: 'wrong',
    says: /server 10\.2\.1\.2:\d+ (does not answer|cannot be reached)/,
  },
  {
    name: 'a real server without a way back',
    at: 'rs2',
    made: 'ip route del default',
    check: 'way-back',
    level: 'wrong',
    says: /server 10\.2\.2\.2:\d+ answers this host's address in its subnet, but not 10\./,
  },
  {
    name: 'a route that leads the VIP elsewhere',
    made: 'ip rule add to 10.9.0.1 lookup 900 pref 50; ip route add default via 10.2.1.2 table 900',
    check: 'routes',
    level: 'wrong',
    says: /10\.1\.1\.\d+ -> 10\.9\.0\.1, arriving on cli, must go into the TUN device, and leaves by srv1/,
    afterwards: 'ip rule del pref 50; ip route flush table 900',
  },
  {
    name: 'a TUN device that is narrower than the links',
    made: 'ip link set dev vsnat0 mtu 1400',
    check: 'mtu',
    level: 'doubtful',
    says: /vsnat0 takes packets of 1400 bytes, cli of 1500/,
  },
];

suite('vsnat doctor beside a daemon', () => {
  const lab = useLab({ servers: 2 });
  const at = (where: Where): Namespace => {
    const { director, servers } = lab().topology;
    const found = where === 'director' ? director : servers[where === 'rs1' ? 0 : 1];
    if (found === undefined) throw new RangeError(`no ${where}`);
    return found.namespace;
  };
  const shell = async (where: Where, commands: string): Promise<void> => {
    const socket = lab().daemon.installation.socket;
    const vsnat = `vsnat() { ${process.execPath} ${path.join(projectRoot, 'bin/vsnat')} --socket ${socket} "$@"; }`;
    await at(where).must(['sh', '-c', `${vsnat}\n${commands}`]);
  };
  const diagnose = async (): Promise<Diagnosis & { readonly code: number | null }> => {
    const { code, answer } = await lab().daemon.installation.json('doctor');
    return { ...(answer as Diagnosis), code };
  };
  const found = ({ checks }: Diagnosis, { check, level, says }: Trouble): Finding | undefined =>
    checks
      .find((one) => one.check === check)
      ?.findings.find((finding) => finding.level === level && says.test(finding.what));

  test('a lab that works is well: nothing is wrong or doubtful, and the exit code is 0', async () => {
    const { checks, code, ok } = await diagnose();
    expect(checks.flatMap(({ findings }) => findings)).toEqual([]);
    expect({ ok, code }).toEqual({ ok: true, code: 0 });
    const { stdout } = await lab().daemon.installation.vsnat('doctor');
    expect(stdout).toMatch(/^\d+ checks for the daemon, 0 wrong, 0 doubtful/);
  });

  test.for(troubles)('$name: found, and mended by what it says', async (trouble) => {
    let finding: Finding | undefined;
    const giveUpAt = performance.now() + patienceMs;
    for (let isLast = false; finding === undefined && !isLast;) {
      isLast = performance.now() > giveUpAt;
      await shell(trouble.at ?? 'director', trouble.made);
      const diagnosis = await diagnose();
      finding = found(diagnosis, trouble);
      if (finding !== undefined) expect(diagnosis.code).toBe(diagnosis.ok ? 0 : 1);
      if (finding !== undefined && trouble.level === 'wrong') expect(diagnosis.code).toBe(1);
      if (finding === undefined && trouble.afterwards !== undefined)
        await shell(trouble.at ?? 'director', trouble.afterwards);
      if (finding === undefined && isLast) expect(diagnosis.checks).toContain(trouble.check);
    }
    expect(finding?.why).not.toBe('');
    try {
      const mend = mendOf(trouble, finding);
      await shell(mend.at, mend.commands);
      expect(found(await diagnose(), trouble)).toBeUndefined();
    } finally {
      if (trouble.afterwards !== undefined) await shell(trouble.at ?? 'director', trouble.afterwards);
    }
  });

  test('after all of it the lab still works, and all is well again', async () => {
    const http = await lab().load('http', { to: `${vip.v4}:${vip.http}`, mode: 'connect', requests: 20 });
    expect(http).toMatchObject({ answered: 20, failed: 0 });
    expect((await diagnose()).checks.flatMap(({ findings }) => findings)).toEqual([]);
  });
});

/** What is printed, where it says. Two mends can only point at what a person must judge. */
function mendOf(trouble: Trouble, finding: Finding | undefined): { at: Where; commands: string } {
  const commands = finding?.mend ?? 'false';
  if (trouble.check === 'routes')
    return {
      at: 'director',
      commands: `${commands}; ip rule del pref 50; ip rule add to 10.9.0.9 lookup 900 pref 50`,
    };
  if (trouble.check === 'servers')
    return {
      at: 'rs1',
      commands:
        'ip link set dev up0 up; ip addr replace fd00:2:1::2/64 dev up0 nodad; ip route replace default via 10.2.1.1; ip -6 route replace default via fd00:2:1::1',
    };
  return { at: trouble.at ?? 'director', commands };
}

suite(
  'vsnat doctor without a daemon',
  () => {
    const lab = useLab({ servers: 2, director: 'none', vips: { v4: '10.1.1.100', v6: 'fd00:9::1' } });

    test('checks a file against the host, and hears another machine that has the VIP', async () => {
      const { Installation } = await import('./support/daemon.js');
      const installation = await Installation.create(lab().topology.director.namespace);
      try {
        await installation.write(lab().config);
        const run = async (): Promise<Diagnosis & { readonly code: number | null }> => {
          const { code, answer } = await installation.json('doctor', '-c', installation.configFile);
          return { ...(answer as Diagnosis), code };
        };
        const well = await run();
        expect(well.checks.flatMap(({ findings }) => findings)).toEqual([]);
        expect(well.code).toBe(0);

        await lab().client.must(['ip', 'address', 'add', '10.1.1.100/32', 'dev', 'up0']);
        const ill = await run();
        const [finding] = ill.checks.find(({ check }) => check === 'vip-conflict')?.findings ?? [];
        expect(finding?.what).toMatch(/^[0-9a-f:]{17} on cli answers for VIP 10\.1\.1\.100 as well$/);
        expect(ill.code).toBe(1);
        await lab().client.must(['ip', 'address', 'del', '10.1.1.100/32', 'dev', 'up0']);
        expect((await run()).code).toBe(0);

        await installation.namespace.must(['ip', 'tuntap', 'add', 'dev', 'vsnat0', 'mode', 'tun']);
        const taken = await run();
        const [device] = taken.checks.find(({ check }) => check === 'device')?.findings ?? [];
        expect(device?.what).toContain('made beforehand');
        await installation.namespace.must(['sh', '-c', device?.mend ?? 'false']);
        expect((await run()).code).toBe(0);

        await installation.writeText('services: 1\n');
        expect(await installation.vsnat('doctor', '-c', installation.configFile)).toMatchObject({ code: 3 });
      } finally {
        await installation.remove();
      }
    });
  },
  ['arping'],
);
