// SPDX-License-Identifier: Apache-2.0
/**
 * Why packets would fare otherwise if they did not cross the kernel's forwarding: on their way in (straight from an
 * interface into the TUN device) and on their way out (as frames). Each as part of a sentence, as in "egress route:
 * there are IPsec policies". docs/ways.md tells it to people.
 */
import { readBystanders, type Bystanders, type BusyChain } from './bystanders.js';
import { readInterfaces, type Interface } from './interfaces.js';
import type { System } from './system.js';

export interface WaysLook {
  /** Why frames would fare otherwise; empty when there is no difference. */
  readonly egress: readonly string[];
  readonly ingress: {
    /** Why none should be taken, wherever they come in. */
    readonly hindrances: readonly string[];
    /** Where packets may be taken, and those interfaces that speak against it themselves. */
    readonly interfaces: readonly Pick<Interface, 'name' | 'index'>[];
    readonly apart: readonly string[];
  };
}

/** `device` is the director's own. */
export async function lookAtWays(system: System, device: string): Promise<WaysLook> {
  const [bystanders, interfaces] = await Promise.all([
    readBystanders(system, device),
    readInterfaces(system, device),
  ]);
  return {
    egress: egressHindrances(bystanders),
    ingress: {
      hindrances: ingressHindrances(bystanders),
      interfaces: interfaces.filter(({ objection }) => objection === null),
      apart: interfaces.flatMap(({ name, objection }) =>
        objection === null ? [] : [`${name} ${objection}`],
      ),
    },
  };
}

/** What stands behind the kernel's second routing: FORWARD, POSTROUTING, policies of the way out. */
export const egressHindrances = (host: Bystanders): readonly string[] => [
  ...chainsAt(host.chains, ['forward', 'postrouting']),
  ...legacy(host.legacyTables.filter((name) => name !== 'raw')),
  ...host.routingRules,
  ...policies(host.policies.out + host.policies.forward),
];

/** What stands before and behind the first. */
export const ingressHindrances = (host: Bystanders): readonly string[] => [
  ...chainsAt(host.chains, ['ingress', 'prerouting', 'forward', 'postrouting']),
  ...legacy(host.legacyTables),
  ...host.routingRules,
  ...policies(host.policies.in + host.policies.forward),
];

function chainsAt(chains: readonly BusyChain[] | null, hooks: readonly string[]): readonly string[] {
  if (chains === null) return ['nft is missing, so nobody can tell which firewall rules there are'];
  return chains
    .filter(({ hook }) => hooks.includes(hook))
    .map(({ family, table, name, hook }) => `chain ${name} of table ${family} ${table} has rules at ${hook}`);
}

const legacy = (tables: readonly string[]): readonly string[] =>
  tables.length === 0 ? [] : [`iptables-legacy has tables (${tables.join(', ')})`];

const policies = (count: number): readonly string[] =>
  count > 0 ? ['there are IPsec policies (ip xfrm policy)'] : [];
