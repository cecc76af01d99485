// SPDX-License-Identifier: Apache-2.0
/**
 * What a plan needs to know about the host, read in one go with `ip -json` and `nft list tables`. Reading changes
 * nothing; the planner (plan.ts) and the search for leftovers (leftovers.ts) are pure functions of it.
 */
import { VsnatError } from '../errors.js';
import { parsePrefix, type Prefix } from '../model/index.js';
import { nftTable } from './nft.js';
import { protocolNumber } from './ownership.js';
import type { IpVersion } from './step.js';
import type { System } from './system.js';

export interface AddressState {
  readonly interface: string;
  readonly address: string;
  /** The subnet the address puts on the interface's link. */
  readonly prefix: Prefix;
}

export interface LinkState {
  readonly index: number;
  readonly name: string;
  readonly isTun: boolean;
}

export interface RuleState {
  readonly version: IpVersion;
  readonly preference: number;
  readonly protocol: string;
  /** null for rules without a table, such as goto. */
  readonly table: string | null;
  readonly incoming: string | null;
  /** `from all` and no other selector. */
  readonly matchesAll: boolean;
}

export interface ProxyState {
  readonly address: string;
  readonly interface: string;
  readonly isOwned: boolean;
}

export interface RouteState {
  readonly version: IpVersion;
  readonly destination: string;
  readonly interface: string;
}

export interface HostState {
  readonly links: readonly LinkState[];
  readonly addresses: readonly AddressState[];
  readonly rules: readonly RuleState[];
  /** Routes of the main table that carry vsnat's protocol number. */
  readonly ownedRoutes: readonly RouteState[];
  readonly proxies: readonly ProxyState[];
  /** Names of the `inet` tables, or null where nftables does not work: then replies are diverted by plain rules. */
  readonly nftTables: readonly string[] | null;
  readonly hasIpv6: boolean;
  /** Interfaces that answer for proxied IPv6 neighbours already. */
  readonly proxyNdp: ReadonlySet<string>;
}

type Row = Readonly<Record<string, unknown>>;

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const number = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** Run `ip -json …`. A host without iproute2 is refused here, with the way to mend it. */
export async function ipJson(system: System, ...args: readonly string[]): Promise<readonly Row[]> {
  const { status, stdout, stderr } = await system.run(['ip', '-json', ...args]);
  if (status === 127)
    throw new VsnatError(
      'VSNAT_HOST_REFUSED',
      'host: the program ip is missing; install iproute2 (apt-get install iproute2)',
    );
  if (status !== 0)
    throw new VsnatError(
      'VSNAT_HOST_REFUSED',
      `host: ip -json ${args.join(' ')} failed, got ${JSON.stringify(stderr.trim().slice(0, 200))}; ` +
        'vsnat needs iproute2 4.20 or newer (apt-get install iproute2), not the ip of busybox',
    );
  const rows: unknown = stdout.trim() === '' ? [] : JSON.parse(stdout);
  // iproute2 prints empty objects for what a filter left out.
  return Array.isArray(rows) ? (rows as Row[]).filter((row) => Object.keys(row).length > 0) : [];
}

const selectors = ['dst', 'iif', 'oif', 'fwmark', 'ipproto', 'sport', 'dport', 'uid_start', 'tos', 'not'];

function ruleOf(version: IpVersion, row: Row): RuleState {
  return {
    version,
    preference: number(row['priority']),
    protocol: text(row['protocol']) ?? '',
    table: text(row['table']),
    incoming: text(row['iif']),
    matchesAll: row['src'] === 'all' && selectors.every((key) => row[key] === undefined),
  };
}

function* addressesOf(links: readonly Row[]): Generator<AddressState> {
  for (const link of links) {
    const list: unknown = link['addr_info'];
    if (!Array.isArray(list)) continue;
    for (const info of list as readonly Row[]) {
      const address = text(info['local']);
      const prefix = parsePrefix(`${address ?? ''}/${number(info['prefixlen'])}`);
      if (address === null || !prefix.ok) continue;
      yield { interface: text(link['ifname']) ?? '', address, prefix: prefix.value };
    }
  }
}

/** The names of nftables' inet tables, or null when this host's nftables cannot do what vsnat asks of it. */
async function readNftTables(system: System): Promise<readonly string[] | null> {
  const listed = await system.run(['nft', 'list', 'tables']);
  if (listed.status !== 0) return null;
  const tables = [...listed.stdout.matchAll(/^table inet (\S+)$/gm)].map((match) => match[1] ?? '');
  // A kernel may have nf_tables without the fib expression or route chains: ask with a dry run.
  const probe = await system.run(['nft', '--check', '-f', '-'], nftTable('check-only', 1));
  return probe.status === 0 ? tables : null;
}

/** The routing rules of these IP versions. */
export async function readRules(
  system: System,
  versions: readonly IpVersion[],
): Promise<readonly RuleState[]> {
  const rules: RuleState[] = [];
  for (const version of versions)
    for (const row of await ipJson(system, `-${version}`, 'rule', 'show')) rules.push(ruleOf(version, row));
  return rules;
}

export const versionsOf = async (system: System): Promise<readonly IpVersion[]> =>
  (await system.read('/proc/sys/net/ipv6/conf/all/forwarding')) === null ? [4] : [4, 6];

export async function readHostState(system: System): Promise<HostState> {
  const versions = await versionsOf(system);
  const hasIpv6 = versions.includes(6);
  const owned = ['route', 'show', 'table', 'main', 'proto', String(protocolNumber)];

  const [links, addresses, proxies, nftTables] = await Promise.all([
    ipJson(system, '-details', 'link', 'show'),
    ipJson(system, 'address', 'show'),
    ipJson(system, 'neigh', 'show', 'proxy'),
    readNftTables(system),
  ]);
  const rules = await readRules(system, versions);
  const ownedRoutes: RouteState[] = [];
  for (const version of versions) {
    for (const row of await ipJson(system, `-${version}`, ...owned))
      ownedRoutes.push({ version, destination: text(row['dst']) ?? '', interface: text(row['dev']) ?? '' });
  }
  const linkStates = links.map((row) => ({
    index: number(row['ifindex']),
    name: text(row['ifname']) ?? '',
    isTun: (row['linkinfo'] as Row | undefined)?.['info_kind'] === 'tun',
  }));
  const proxyNdp = new Set<string>();
  for (const { name } of hasIpv6 ? linkStates : [])
    if ((await system.read(`/proc/sys/net/ipv6/conf/${name}/proxy_ndp`))?.trim() === '1') proxyNdp.add(name);

  return {
    links: linkStates,
    addresses: [...addressesOf(addresses)],
    rules,
    ownedRoutes,
    proxies: proxies.map((row) => ({
      address: text(row['dst']) ?? '',
      interface: text(row['dev']) ?? '',
      isOwned: row['protocol'] === String(protocolNumber),
    })),
    nftTables,
    hasIpv6,
    proxyNdp,
  };
}
