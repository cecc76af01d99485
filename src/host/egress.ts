// SPDX-License-Identifier: Apache-2.0
/**
 * Why packets that leave as frames would fare otherwise than those the kernel routes. Direct egress goes past this host's
 * FORWARD and POSTROUTING: whoever has rules there wants them obeyed. Reading changes nothing.
 */
import { nftTableOf, protocolNumber } from './ownership.js';
import { readRules, versionsOf } from './state.js';
import type { System } from './system.js';

/** One sentence part each, as in "egress: route, because …"; empty when there is no difference. */
export async function egressHindrances(system: System, device: string): Promise<readonly string[]> {
  const found = await Promise.all([
    nftHindrances(system, device),
    legacyHindrances(system),
    ruleHindrances(system),
    policyHindrances(system),
  ]);
  return found.flat();
}

/** Chains there that do something. One that is empty and accepts is what iptables-nft leaves behind. */
async function nftHindrances(system: System, device: string): Promise<readonly string[]> {
  const listed = await system.run(['nft', '--terse', 'list', 'chains']);
  if (listed.status === 127) return ['nft is missing, so nobody can tell which firewall rules there are'];
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
  return chains
    .filter((_, index) => busy[index])
    .map(({ family, table, name, hook }) => `chain ${name} of table ${family} ${table} has rules at ${hook}`);
}

interface BaseChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string;
  readonly policy: string;
}

function baseChains(text: string): readonly BaseChain[] {
  const chains: BaseChain[] = [];
  let [family, table, name] = ['', '', ''];
  for (const line of text.split('\n')) {
    const inTable = /^table (\S+) (\S+) \{/.exec(line);
    const inChain = /^\s+chain (\S+) \{/.exec(line);
    const base = /\btype \S+ hook (forward|postrouting) .*?(?:policy (\w+);)?$/.exec(line.trim());
    if (inTable !== null) [, family = '', table = ''] = inTable;
    if (inChain !== null) [, name = ''] = inChain;
    const isIp = ['ip', 'ip6', 'inet'].includes(family);
    if (base !== null && isIp)
      chains.push({ family, table, name, hook: base[1] ?? '', policy: base[2] ?? 'accept' });
  }
  return chains;
}

/** Lines of a listed chain that are neither its frame nor its hook. */
const rulesIn = (text: string): number =>
  text.split('\n').filter((line) => !/^\s*(?:table .*\{|chain .*\{|type .* hook .*|\}|)$/.test(line)).length;

/** xtables' own tables, of which `raw` has neither hook. Whether they hold rules only iptables-legacy can tell. */
async function legacyHindrances(system: System): Promise<readonly string[]> {
  const names = await Promise.all(
    ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'].map((file) => system.read(file)),
  );
  const tables = names
    .flatMap((text) => text?.split('\n') ?? [])
    .filter((name) => name !== '' && name !== 'raw');
  return tables.length === 0 ? [] : [`iptables-legacy has tables (${[...new Set(tables)].join(', ')})`];
}

/** Rules beside the kernel's three and vsnat's own may send packets elsewhere by where they come from. */
async function ruleHindrances(system: System): Promise<readonly string[]> {
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

/** IPsec: what a policy wants encrypted must not leave in the clear. */
async function policyHindrances(system: System): Promise<readonly string[]> {
  const { status, stdout } = await system.run(['ip', 'xfrm', 'policy', 'count']);
  const [, out = '0', forward = '0'] = /OUT\s+(\d+)\s+FWD\s+(\d+)/.exec(stdout) ?? [];
  return status === 0 && Number(out) + Number(forward) > 0
    ? ['there are IPsec policies (ip xfrm policy)']
    : [];
}
