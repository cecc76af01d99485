// SPDX-License-Identifier: Apache-2.0
/**
 * Gathers what the checks judge. Everything is read: nothing on the host is changed. Two things are asked of others: a
 * connection to each real server, closed as soon as it stands, and who answers for the VIPs on the links.
 */
import { setTimeout as pause } from 'node:timers/promises';

import { VsnatError } from '../errors.js';
import { holdersOfTun } from '../host/holders.js';
import { findMissing } from '../host/survey.js';
import { planHost, type HostDevice, type HostModel, type System } from '../host/index.js';
import { ipJson, readHostState } from '../host/state.js';
import type { DaemonFacts, Facts, LegacyFilter, LinkFacts, Route, TunFacts, Wanted } from './facts.js';
import { hostPrefix, type HostPrefix } from './prefix.js';
import { probeServers, type Connect } from './probe.js';
import { findRivals } from './rivals.js';
import { parseRuleset } from './ruleset.js';
import { readSockets } from './sockets.js';
import { readSysctls } from './sysctls.js';
import { walkLegs } from './walk.js';

export interface Asked {
  readonly wanted: Wanted | null;
  readonly daemon: DaemonFacts | null;
  readonly daemonTrouble: Facts['daemonTrouble'];
  /** The running configuration as the host planner takes it; null without a daemon. */
  readonly hostModel: HostModel | null;
}

export async function survey(asked: Asked, system: System, connect: Connect): Promise<Facts> {
  const { wanted, daemon } = asked;
  const [links, addresses, defaultRoutes, status, limits] = await Promise.all([
    steadily(() => readLinks(system)),
    steadily(() => readAddresses(system)),
    readDefaultRoutes(system),
    system.read('/proc/self/status'),
    system.read('/proc/self/limits'),
  ]);
  const sysctls = await readSysctls(
    links.map(({ name }) => name),
    system,
  );
  const netstat = (await system.read('/proc/net/netstat')) ?? '';
  const seccomp = /^Seccomp:\s*(\d)/m.exec(status ?? '')?.[1];
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status ?? '')?.[1];
  const openFiles = /^Max open files\s+(\d+)/m.exec(limits ?? '')?.[1];
  return {
    wanted,
    daemon,
    daemonTrouble: asked.daemonTrouble,
    kernel: (await system.read('/proc/sys/kernel/osrelease'))?.trim() ?? '',
    capabilities: capabilities === undefined ? null : BigInt(`0x${capabilities}`),
    seccomp: seccomp === undefined ? null : seccomp !== '0',
    openFiles: openFiles === undefined ? null : Number(openFiles),
    container: await containerHint(system),
    hasTunDriver: (await system.list('/dev/net')).includes('tun'),
    tun: wanted === null ? null : await readTun(wanted.device, system),
    links,
    addresses,
    defaultRoutes,
    sysctls,
    legs: await walkLegs({ wanted, daemon, addresses, defaultRoutes }, system),
    ruleset: await readRuleset(system),
    legacyFilters: await readLegacyFilters(system),
    sockets: await readSockets(system),
    reversePathDrops: counterOf(netstat, 'IPReversePathFilter'),
    missingSteps: await readMissingSteps(asked, system),
    servers: wanted === null ? [] : await probeServers(wanted, addresses, connect),
    rivals: wanted === null ? [] : await findRivals(wanted, addresses, system),
  };
}

/**
 * What changes while the kernel lists it comes back in part, or as an error (netlink(7), NLM_F_DUMP_INTR), and a doctor is called when
 * things change. A second look a moment later has it whole.
 */
async function steadily<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch {
    await pause(againMs);
    return look();
  }
}

const againMs = 200;

async function readLinks(system: System): Promise<readonly LinkFacts[]> {
  const rows = await ipJson(system, 'link', 'show');
  return Promise.all(
    rows.map(async (row) => {
      const name = String(row['ifname']);
      const flags = Array.isArray(row['flags']) ? (row['flags'] as readonly string[]) : [];
      return {
        name,
        mtu: Number(row['mtu']),
        isUp: flags.includes('UP'),
        hasCarrier: flags.includes('LOWER_UP'),
        lro: name === 'lo' ? null : await readLro(name, system),
      };
    }),
  );
}

async function readLro(device: string, system: System): Promise<boolean | null> {
  const { status, stdout } = await system.run(['ethtool', '-k', device]);
  const [, value] = (status === 0 && /^large-receive-offload: (on|off)/m.exec(stdout)) || [];
  return value === undefined ? null : value === 'on';
}

async function readAddresses(system: System): Promise<readonly HostPrefix[]> {
  const rows = await ipJson(system, 'address', 'show');
  return rows.flatMap((row) =>
    (Array.isArray(row['addr_info'])
      ? (row['addr_info'] as readonly Readonly<Record<string, unknown>>[])
      : []
    )
      .filter((info) => info['scope'] !== 'link')
      .flatMap((info) => {
        const prefix = hostPrefix(String(row['ifname']), String(info['local']), Number(info['prefixlen']));
        return prefix === null ? [] : [prefix];
      }),
  );
}

async function readDefaultRoutes(system: System): Promise<readonly Route[]> {
  const routes: Route[] = [];
  for (const version of [4, 6] as const) {
    const rows = await ipJson(system, `-${version}`, 'route', 'show', 'default').catch(() => []);
    for (const row of rows) {
      const hops = Array.isArray(row['nexthops']) ? (row['nexthops'] as readonly (typeof row)[]) : [row];
      for (const { dev, gateway } of hops)
        if (typeof dev === 'string')
          routes.push({ version, device: dev, gateway: typeof gateway === 'string' ? gateway : null });
    }
  }
  return routes;
}

async function readTun(device: string, system: System): Promise<TunFacts> {
  const files = await system.list(`/sys/class/net/${device}`);
  return {
    exists: files.length > 0,
    isTun: files.includes('tun_flags'),
    holders: files.includes('tun_flags') ? await holdersOfTun(device, system) : [],
  };
}

async function readRuleset(system: System): Promise<Facts['ruleset']> {
  const { status, stdout } = await system.run(['nft', '-j', 'list', 'ruleset']);
  try {
    return status === 0 ? parseRuleset(stdout) : null;
  } catch {
    return null; // an nft without JSON
  }
}

/** Asking iptables-legacy loads its modules, so it is asked only where its tables are in use. */
async function readLegacyFilters(system: System): Promise<readonly LegacyFilter[]> {
  const filters: LegacyFilter[] = [];
  for (const [version, names, program] of [
    [4, '/proc/net/ip_tables_names', 'iptables-legacy'],
    [6, '/proc/net/ip6_tables_names', 'ip6tables-legacy'],
  ] as const) {
    if (!/^filter$/m.test((await system.read(names)) ?? '')) continue;
    const { status, stdout } = await system.run([`${program}-save`, '-t', 'filter']);
    if (status === 0) filters.push({ program, version, text: stdout });
  }
  return filters;
}

/** /proc/net/netstat: a line of names above a line of numbers, for each group. */
function counterOf(netstat: string, name: string): number {
  const lines = netstat.split('\n');
  const at = lines.findIndex((line) => line.split(' ').includes(name));
  const column = lines[at]?.split(' ').indexOf(name) ?? -1;
  return Number(lines[at + 1]?.split(' ')[column] ?? 0);
}

async function containerHint(system: System): Promise<string | null> {
  if ((await system.read('/run/.containerenv')) !== null) return '/run/.containerenv is there (podman)';
  if ((await system.read('/.dockerenv')) !== null) return '/.dockerenv is there (docker)';
  const manager = (await system.read('/run/systemd/container'))?.trim();
  return manager === undefined || manager === '' ? null : `/run/systemd/container says ${manager}`;
}

async function readMissingSteps(
  { daemon, hostModel }: Asked,
  system: System,
): Promise<Facts['missingSteps']> {
  if (daemon === null) return 'no daemon';
  if (hostModel === null) return 'what the daemon runs is not what its file says, or the file cannot be read';
  const device: HostDevice = daemon.status.director.device;
  try {
    return await steadily(async () => {
      const steps = planHost(hostModel, device, await readHostState(system));
      return (await findMissing(steps, device, system)).map(({ id }) => id);
    });
  } catch (error) {
    if (error instanceof VsnatError) return error.message; // all else is worth saying even so
    throw error;
  }
}
