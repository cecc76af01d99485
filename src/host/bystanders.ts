// SPDX-License-Identifier: Apache-2.0
/**
 * What this host does with packets beside vsnat: firewall rules, other people's routing rules, IPsec. Packets that go past
 * the kernel's forwarding (ways.ts) go past these too. Reading changes nothing.
 */
import { legacyTableFiles } from './notices.js';
import { nftTableOf, protocolNumber } from './ownership.js';
import { readRules, versionsOf } from './state.js';
import type { System } from './system.js';

/** A base chain that does something. One that is empty and accepts is what iptables-nft leaves behind. */
export interface BusyChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string;
}

export interface Bystanders {
  /** Of nftables, iptables-nft included; null when the program nft is missing, so that nobody can tell. */
  readonly chains: readonly BusyChain[] | null;
  /** xtables' own tables. Whether they hold rules only iptables-legacy can tell. */
  readonly legacyTables: readonly string[];
  /** Part of a sentence for each rule beside the kernel's three and vsnat's own. */
  readonly routingRules: readonly string[];
  /** IPsec policies by direction. */
  readonly policies: { readonly in: number; readonly out: number; readonly forward: number };
}

export async function readBystanders(system: System, device: string): Promise<Bystanders> {
  const [chains, legacyTables, routingRules, policies] = await Promise.all([
    readChains(system, device),
    readLegacyTables(system),
    readRoutingRules(system),
    readPolicies(system),
  ]);
  return { chains, legacyTables, routingRules, policies };
}

async function readChains(system: System, device: string): Promise<readonly BusyChain[] | null> {
  const listed = await system.run(['nft', '--terse', 'list', 'chains']);
  if (listed.status === 127) return null;
  if (listed.status !== 0) return []; // a kernel without nf_tables
  const chains = baseChains(listed.stdout).filter(({ table }) => table !== nftTableOf(device));
  const busy = await Promise.all(
    chains.map(async (chain) => {
      if (chain.policy === 'drop') return true;
      const { stdout } = await system.run([
        'nft',
        '--terse',
        'list',
        'chain',
        chain.family,
        chain.table,
        chain.name,
      ]);
      return rulesIn(stdout) > 0;
    }),
  );
  return chains.filter((_, index) => busy[index]);
}

interface BaseChain extends BusyChain {
  readonly policy: string;
}

/** Hooks that forwarded packets come by, of the families that see them. */
const hooks = ['ingress', 'prerouting', 'forward', 'postrouting'];
const hooksOf: Readonly<Record<string, readonly string[]>> = {
  ip: hooks,
  ip6: hooks,
  inet: hooks,
  netdev: ['ingress'],
};

function baseChains(text: string): readonly BaseChain[] {
  const chains: BaseChain[] = [];
  let [family, table, name] = ['', '', ''];
  for (const line of text.split('\n')) {
    const inTable = /^table (\S+) (\S+) \{/.exec(line);
    const inChain = /^\s+chain (\S+) \{/.exec(line);
    const base = /\btype \S+ hook (\w+) .*?(?:policy (\w+);)?$/.exec(line.trim());
    if (inTable !== null) [, family = '', table = ''] = inTable;
    if (inChain !== null) [, name = ''] = inChain;
    const [, hook = '', policy = 'accept'] = base ?? [];
    if (hooksOf[family]?.includes(hook) === true) chains.push({ family, table, name, hook, policy });
  }
  return chains;
}

/** Lines of a listed chain that are neither its frame nor its hook. */
const rulesIn = (text: string): number =>
  text.split('\n').filter((line) => !/^\s*(?:table .*\{|chain .*\{|type .* hook .*|\}|)$/.test(line)).length;

async function readLegacyTables(system: System): Promise<readonly string[]> {
  const names = await Promise.all(legacyTableFiles.map((file) => system.read(file)));
  return [...new Set(names.flatMap((text) => text?.split('\n') ?? []))].filter((name) => name !== '');
}

async function readRoutingRules(system: System): Promise<readonly string[]> {
  const rules = await readRules(system, await versionsOf(system));
  return rules
    .filter(({ protocol, table, matchesAll }) => {
      const isUsual = matchesAll && table !== null && ['local', 'main', 'default'].includes(table);
      return !isUsual && protocol !== String(protocolNumber);
    })
    .map(
      ({ version, preference }) => `there is a routing rule (ip -${version} rule, preference ${preference})`,
    );
}

async function readPolicies(system: System): Promise<Bystanders['policies']> {
  const { status, stdout } = await system.run(['ip', 'xfrm', 'policy', 'count']);
  const [, into = '0', out = '0', forward = '0'] =
    (status === 0 ? /IN\s+(\d+)\s+OUT\s+(\d+)\s+FWD\s+(\d+)/.exec(stdout) : null) ?? [];
  return { in: Number(into), out: Number(out), forward: Number(forward) };
}
