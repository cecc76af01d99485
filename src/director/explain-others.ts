// SPDX-License-Identifier: Apache-2.0
/** Explanations of packets that begin nothing: what no router forwards, a real server's replies, and what no service listens for. */
import type { FlowRow } from '../dataplane/dataplane.js';
import { VsnatError } from '../errors.js';
import { familyOf, formatEndpoint, scopeOf, type IpAddress } from '../model/index.js';
import {
  nameOf,
  type Ends,
  type ExplainedService,
  type Explanation,
  type Situation,
  type Tuple,
} from './explain.js';

/** What the dataplane looks at first: addresses that are not one host's, and a packet that says it comes from where it goes. */
export function unforwardable({ client, to }: Tuple, ends: Ends): Explanation | undefined {
  if (familyOf(client.address) !== familyOf(to.address))
    throw new VsnatError(
      'VSNAT_USAGE',
      `explain: the two addresses must be of one family, got ${client.address} and ${to.address}`,
    );
  const martian = [client.address, to.address].find(isMartian);
  if (martian !== undefined)
    return ends({
      reason: 'martian',
      steps: [`${martian} is no address that a packet may come from or go to here`],
    });
  if (client.address !== to.address) return undefined;
  return ends({ reason: 'land', steps: ['it says that it comes from the address it goes to'] });
}

/** RFC 1812 section 5.3.7. Link-local addresses are forwarded in IPv4, as the kernel does. */
function isMartian(address: IpAddress): boolean {
  const scope = scopeOf(address);
  return scope !== 'unicast' && !(scope === 'link-local' && familyOf(address) === 'ipv4');
}

/** Whether the packet is one of the server's to the client of this connection. */
export const isRepliedTo = ({ protocol, client: from, to }: Tuple, row: FlowRow): boolean =>
  row.protocol === protocol &&
  row.realPort === from.port &&
  row.realAddress === from.address &&
  row.clientPort === to.port &&
  row.clientAddress === to.address;

/** A real server's packet to a client that has a connection with it. */
export function replied(flow: FlowRow, { services }: Situation, ends: Ends): Explanation {
  const { spec, name } = services.find((one) => one.spec.slot === flow.serviceSlot) ?? {};
  const server = spec?.servers.find(({ slot }) => slot === flow.serverSlot);
  const vip = formatEndpoint({ address: flow.virtualAddress as IpAddress, port: flow.virtualPort });
  const ofServer = server === undefined ? '' : `service="${name}",server="${nameOf(server)}"`;
  return ends({
    verdict: 'forwarded',
    service: name ?? null,
    server: formatEndpoint({ address: flow.realAddress as IpAddress, port: flow.realPort }),
    basis: 'reply',
    steps: [
      `it is a real server's reply in a connection that is known (${flow.state}): its source becomes ${vip}`,
    ],
    counts: [
      ...(ofServer === '' ? [] : [`vsnat_server_packets_total{${ofServer},direction="out"}`]),
      'vsnat_queue_forwarded_total',
    ],
  });
}

export const isVip = (address: string, services: readonly ExplainedService[]): boolean =>
  services.some(({ spec }) => spec.listen.some((one) => one.address === address));

/** A packet that no service listens for. */
export function nobodys(
  { protocol, client, to }: Tuple,
  services: readonly ExplainedService[],
  ends: Ends,
): Explanation {
  const answer = { tcp: 'a RST', udp: 'ICMP port unreachable', sctp: 'ICMP protocol unreachable' }[protocol];
  const sender = services.find(({ spec }) =>
    spec.servers.some(({ address, port }) => address === client.address && port === client.port),
  );
  const ofServer =
    sender === undefined
      ? ''
      : `, although it comes from a real server of ${sender.name}: no connection of this client with it is known`;
  return isVip(to.address, services)
    ? ends({
        reason: 'no_service',
        steps: [
          `${to.address} is a VIP, but no service listens on ${protocol} port ${to.port}: the client gets ${answer}`,
        ],
      })
    : ends({
        verdict: 'passed',
        steps: [
          `${to.address} is no VIP: the packet is none of ours, and given back to the kernel as it is${ofServer}`,
        ],
        counts: ['vsnat_queue_passed_total'],
      });
}
