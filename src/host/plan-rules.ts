// SPDX-License-Identifier: Apache-2.0
/** The diversion table and the policy rules that lead to it, per IP version. plan.ts says why they are what they are. */
import { localBehind, localNoLongerFirst, locateLocal } from './local-rule.js';
import {
  checkRulePreference,
  checkTableOf,
  movedLocalPreference,
  protocolArgument,
  rulePreference,
} from './ownership.js';
import type { Context } from './plan-context.js';
import { versionOf, type Action, type IpVersion, type Step } from './step.js';

/** Everything with a rule: the diversion table, and `local` moved aside where a VIP is one of the host's own. */
export function planRules(context: Context, version: IpVersion): readonly Step[] {
  const { device, state, mark, listen, ownVips } = context;
  const ip = (line: string): Action => ({ tool: 'ip', version, line });
  const rule = (selector: string, why: string): Step => ({
    id: `rule${version} ${selector}`,
    why,
    do: ip(`rule add ${selector} ${protocolArgument}`),
    undo: ip(`rule del ${selector} ${protocolArgument}`),
  });
  const own = listen.filter((spec) => ownVips.has(spec.address) && versionOf(spec.address) === version);
  const isAhead = own.length > 0;
  const local = locateLocal(state, version);
  const toTun = (selector: string, why: string, pref = rulePreference): Step =>
    rule(`pref ${pref} ${selector} lookup ${mark}`, why);
  // Ahead of `local` goes only what is addressed to a VIP. A server's reply to this host itself (a health check, somebody's
  // curl) must find its socket at once: the kernel looks sockets up before routes, and forwards no packet that has one.
  const ahead = (selector: string, why: string): Step => toTun(selector, why, isAhead ? 0 : rulePreference);

  const steps: Step[] = [
    {
      id: `table${version} ${mark}`,
      why: 'what is looked up in this table goes into the TUN device',
      do: ip(`route add default dev ${device.name} table ${mark} ${protocolArgument}`),
      undo: ip(`route del default dev ${device.name} table ${mark} ${protocolArgument}`),
    },
  ];
  if (isAhead) {
    if (local.isMovable) steps.push(localBehind(version, local.isMoved));
    steps.push(
      rule(
        `pref 0 iif ${device.name} goto ${local.isMovable ? movedLocalPreference : local.preference}`,
        'what the director writes is routed as if vsnat were not there',
      ),
    );
  }
  if (state.nftTables === null) {
    // Before our other rules, which have no `iifname !=` of their own to keep packets from circling.
    steps.push(
      rule(
        `pref ${rulePreference - 1} iif ${device.name} lookup main`,
        'what the director writes must not circle',
      ),
    );
  }
  if (state.nftTables === null) {
    for (const step of planReplyRules(context, version, toTun, ahead)) steps.push(step);
  } else {
    const marked = `fwmark 0x${mark.toString(16)}`;
    steps.push(toTun(marked, 'marked packets go into the TUN device'));
    for (const address of new Set(own.map((spec) => spec.address)))
      steps.push(
        ahead(`to ${address} ${marked} ipproto ${icmpOf(version)}`, `so do marked ICMP errors to ${address}`),
      );
  }
  for (const { address, protocol, port } of own)
    steps.push(
      ahead(
        `to ${address} ipproto ${protocol} dport ${port}`,
        `${address} is this host's own address; only ${protocol} port ${port} is diverted`,
      ),
    );
  if (isAhead && local.isMovable) steps.push(localNoLongerFirst(version, local.isMoved));
  return [...steps, ...planCheckSources(context, version)];
}

/**
 * What the director gives back of a check's connection is for a socket of this host, whose address only this table knows:
 * in table `local` it would be found by the server's answer too, before the director has seen that.
 */
function planCheckSources({ device, checkSources }: Context, version: IpVersion): readonly Step[] {
  const table = checkTableOf(device.index);
  const ip = (line: string): Action => ({ tool: 'ip', version, line: `${line} ${protocolArgument}` });
  return checkSources
    .filter((address) => versionOf(address) === version)
    .flatMap((address): readonly Step[] => {
      const selector = `pref ${checkRulePreference} to ${address} iif ${device.name} lookup ${table}`;
      const local = `local ${address} dev ${device.name} table ${table}`;
      return [
        {
          id: `local${version} ${address}`,
          why: `health checks through a VIP have sockets with the address ${address}`,
          do: ip(`route add ${local}`),
          undo: ip(`route del ${local}`),
        },
        {
          id: `rule${version} ${selector}`,
          why: 'what the director gives back of their connections is for this host',
          do: ip(`rule add ${selector}`),
          undo: ip(`rule del ${selector}`),
        },
      ];
    });
}

const icmpOf = (version: IpVersion): string => (version === 4 ? 'icmp' : 'ipv6-icmp');

/** Without nftables: one rule per reply, and ICMP from the servers. Linear, so only for small configurations. */
function planReplyRules(
  { replies, ownVips }: Context,
  version: IpVersion,
  toTun: (selector: string, why: string) => Step,
  ahead: (selector: string, why: string) => Step,
): readonly Step[] {
  const icmp = icmpOf(version);
  const mine = replies.filter((reply) => versionOf(reply.address) === version);
  return [
    ...mine.map((reply) =>
      toTun(
        `from ${reply.address} ipproto ${reply.protocol}${reply.port === 0 ? '' : ` sport ${reply.port}`}`,
        `replies of ${reply.address} port ${reply.port === 0 ? 'any' : reply.port} go through the director`,
      ),
    ),
    // Behind `local`: neighbour discovery is ICMPv6 too and must reach the host untouched.
    ...[...new Set(mine.map((reply) => reply.address))].map((address) =>
      toTun(`from ${address} ipproto ${icmp}`, `ICMP errors of ${address} go through the director`),
    ),
    // Not for IPv6, for the same reason: there, errors from the clients' side need nftables.
    ...[...ownVips]
      .filter((address) => version === 4 && versionOf(address) === 4)
      .map((address) =>
        ahead(`to ${address} ipproto ${icmp}`, `ICMP errors to ${address} may be about a connection`),
      ),
  ];
}
