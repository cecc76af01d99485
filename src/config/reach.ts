// SPDX-License-Identifier: Apache-2.0
/**
 * Does this host share a subnet with every real server? VS/NAT works only if the servers' replies come back through
 * the director, which a server in one of its subnets can be told and a server somewhere behind a router cannot be
 * assumed to be. Left alone, this mistake shows as connections that hang: the SYN-ACK reaches the client from an
 * address it never called. So it is a mistake unless `routed: true` vouches for it.
 *
 * On a reload only servers that are new can make that mistake. One that is configured already was in a subnet once: its
 * interface is down, and refusing the file would forbid draining it just then.
 */
import { scopeOf } from '../model/address.js';
import { parsePrefix, prefixContains } from '../model/prefix.js';
import { serverId, type RealServer } from '../model/service.js';
import type { ServerDraft } from './draft/server.js';
import type { ServiceDraft } from './draft/service.js';
import type { Field } from './field.js';
import { show, type Complaint } from './problem.js';

/** A complaint that is a mistake, or only worth knowing where it is about something that runs already. */
export interface Remark {
  readonly at: Field;
  readonly complaint: Complaint;
}

/** An on-link subnet of an interface: what is in it is reached without a router. */
export interface HostPrefix {
  /** "10.2.1.0/24" */
  readonly prefix: string;
  readonly interface: string;
}

/** What the host can tell of its networks. */
export interface HostNetwork {
  readonly prefixes: readonly HostPrefix[];
  /** Left out when unknown; it only changes the wording. */
  readonly defaultRoute?: boolean;
  /** The host's own addresses. Left out when unknown. */
  readonly addresses?: readonly string[];
}

/** What there is to say of servers in no subnet of the host. */
export function* reachComplaints(
  services: readonly ServiceDraft[],
  host: HostNetwork,
): Generator<Remark & { readonly server: ServerDraft }> {
  const isNear = nearnessTo(host);
  const today =
    host.defaultRoute === true ? 'it would go out by the default route' : 'no interface leads there';
  for (const { servers, sorryServers } of services) {
    for (const server of [...servers, ...sorryServers]) {
      // An address that can be no server's is told by the checks between keys.
      const isUnicast = scopeOf(server.value.address) === 'unicast';
      if (server.value.routed || !isUnicast || isNear(server.value)) continue;
      yield {
        server,
        at: server.at,
        complaint: {
          must: 'be in a subnet of this host',
          got: show(server.id),
          hint:
            `${today}, and VS/NAT needs the server's replies to come back through this director; ` +
            'add the interface, or set routed: true if a router brings them back here',
        },
      };
    }
  }
}

/** The servers in no subnet of this host, vouched for or not, each once. */
export function unreachable(servers: readonly RealServer[], host: HostNetwork): readonly string[] {
  const isNear = nearnessTo(host);
  return [...new Set(servers.filter((server) => !isNear(server)).map(serverId))];
}

function nearnessTo({ prefixes }: HostNetwork): (server: RealServer) => boolean {
  const subnets = prefixes.flatMap(({ prefix }) => {
    const parsed = parsePrefix(prefix);
    return parsed.ok ? [parsed.value] : [];
  });
  return ({ address }) => subnets.some((subnet) => prefixContains(subnet, address));
}
