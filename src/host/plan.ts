// SPDX-License-Identifier: Apache-2.0
/**
 * From a model and the state of the host to the steps that bring packets into the TUN device. Pure: nothing here
 * touches the machine. docs/host.md tells the same story for people who check by hand.
 *
 * Requests come in because the VIP is routed to the TUN device. A VIP in the subnet of an interface also needs a
 * proxy neighbour there, or nobody on that link would send the packets to us. A VIP that is one of the host's own
 * addresses is found in table `local` before any route, so its protocol and port are picked out by policy rules
 * ahead of `local`; the rest of that address stays with the host.
 *
 * Replies come in because they carry a mark (nft.ts) that a rule sends to a table with one route: the TUN device.
 * The obvious alternative, one rule per real server, costs a linear search per packet of the whole host; it remains
 * as the fallback where nftables is missing.
 *
 * What the director writes into the TUN device comes out with that device as its incoming interface and is routed
 * as if vsnat were not there; whatever diverts therefore leaves out that interface, or packets would circle.
 *
 * Order matters: steps that attract traffic come last, and so are undone first.
 */
import { prefixContains, type IpAddress } from '../model/index.js';
import { addElement, deleteElement, deleteTable, nftTable, type NftSet } from './nft.js';
import { nftTableOf, protocolArgument } from './ownership.js';
import { gather, type Context, type HostDevice, type HostModel } from './plan-context.js';
import { planRules } from './plan-rules.js';
import type { AddressState, HostState } from './state.js';
import { versionOf, type IpVersion, type Step } from './step.js';

const bits = (version: IpVersion): number => (version === 4 ? 32 : 128);

/**
 * Frames that may wait for one queue's thread. The kernel's 500 is 0.5 ms at a million packets per second, less than
 * a thread may be kept from its CPU on a busy host; 5000 rides out 5 ms, and a reader that drains until EAGAIN leaves
 * no standing queue that would add delay.
 */
const txQueueLength = 5000;

/**
 * fib_validate_source() (fib_frontend.c) drops every packet from a device without an IPv4 address unless rp_filter is
 * 0 on it and on `all`, and `all` is not ours to set. Scope host keeps the address from ever being a source address.
 */
const unnumberedAddress = '127.118.0.1/32';

export function planHost(model: HostModel, device: HostDevice, state: HostState): readonly Step[] {
  const context = gather(model, device, state);
  const diversion = context.versions.flatMap((version) => planRules(context, version));
  return [
    ...planDevice(model, context),
    ...(context.versions.length > 0 && state.nftTables !== null ? planNft(context) : []),
    ...diversion,
    ...planRoutes(context),
    ...planProxies(context),
  ];
}

function planDevice(model: HostModel, { device, state, versions }: Context): readonly Step[] {
  const { name } = device;
  const sysctl = (key: string, value: string, why: string): Step => ({
    id: `sysctl ${key}=${value}`,
    why,
    do: { tool: 'sysctl', key, value },
    undo: null,
  });
  const link = (line: string, why: string, undo: string | null): Step => ({
    id: line,
    why,
    do: { tool: 'ip', version: 4, line },
    undo: undo === null ? null : { tool: 'ip', version: 4, line: undo },
  });
  const v4 = `net/ipv4/conf/${name}`;
  const v6 = `net/ipv6/conf/${name}`;
  const steps = [
    link(
      `link set dev ${name} mtu ${model.tun.mtu} txqueuelen ${txQueueLength}` +
        (state.hasIpv6 ? ' addrgenmode none' : ''),
      'the device must not be the bottleneck, and needs no IPv6 address of its own',
      null,
    ),
    link(
      `address replace ${unnumberedAddress} dev ${name} scope host`,
      'loose reverse path filtering refuses everything on a device that has no address',
      `address del ${unnumberedAddress} dev ${name}`,
    ),
    sysctl(
      `${v4}/rp_filter`,
      '2',
      'clients appear behind the TUN device; strict filtering would drop them, and `all` may be strict',
    ),
    sysctl(`${v4}/accept_local`, '1', "packets from the host's own addresses return through the TUN device"),
    sysctl(`${v4}/forwarding`, '1', 'what the director writes is forwarded'),
  ];
  if (versions.includes(6)) {
    steps.push(
      sysctl(`${v6}/disable_ipv6`, '0', 'IPv6 services need IPv6 on the TUN device'),
      sysctl(`${v6}/accept_ra`, '0', 'the TUN device learns nothing from router advertisements'),
      sysctl(`${v6}/forwarding`, '1', 'what the director writes is forwarded'),
    );
  }
  return [...steps, link(`link set dev ${name} up`, 'packets flow', `link set dev ${name} down`)];
}

function planNft({ device, mark, replies, ownVips }: Context): readonly Step[] {
  const { name } = device;
  const table = nftTableOf(name);
  const id = `nft table ${table}`;
  const element = (set: NftSet, value: string, why: string): Step => ({
    id: `nft ${table} ${set} ${value}`,
    why,
    do: { tool: 'nft', line: addElement(name, set, value) },
    undo: { tool: 'nft', line: deleteElement(name, set, value) },
    within: id,
  });
  const addresses = [...new Set(replies.map((reply) => reply.address))];
  return [
    {
      id,
      why: 'replies and ICMP errors are marked for the TUN device',
      do: { tool: 'nft', line: nftTable(name, mark) },
      undo: { tool: 'nft', line: deleteTable(table) },
    },
    ...replies.map((reply) =>
      reply.port === 0
        ? element(
            `whole${versionOf(reply.address)}`,
            `${reply.address} . ${reply.protocol}`,
            `replies of ${reply.address} from any ${reply.protocol} port go through the director`,
          )
        : element(
            `servers${versionOf(reply.address)}`,
            `${reply.address} . ${reply.protocol} . ${reply.port}`,
            `replies of ${reply.address} port ${reply.port} go through the director`,
          ),
    ),
    // Only the first fragment of a datagram has ports, so fragments are recognised by their address alone.
    ...addresses.map((address) =>
      element(`addresses${versionOf(address)}`, address, `fragments of ${address} go through the director`),
    ),
    ...[...ownVips].map((address) =>
      element(`own${versionOf(address)}`, address, `ICMP errors to ${address} may be about a connection`),
    ),
  ];
}

/** What is led into the device by a route, and answered for where it lies in a connected subnet. */
const routedTo = ({ listen, ownVips, checkSources }: Context): readonly IpAddress[] => [
  ...new Set([
    ...listen.map((spec) => spec.address).filter((address) => !ownVips.has(address)),
    ...checkSources,
  ]),
];

function planRoutes(context: Context): readonly Step[] {
  const { device, versions, checkSources } = context;
  const sources = new Set(checkSources);
  return versions.flatMap((version) =>
    routedTo(context)
      .filter((address) => versionOf(address) === version)
      .map((address): Step => {
        const route = `${address}/${bits(version)} dev ${device.name} ${protocolArgument}`;
        return {
          id: `route ${address}`,
          why: sources.has(address)
            ? `${address}, where health checks come from, is behind the TUN device for whoever asks for the way back`
            : `requests to ${address} go into the TUN device`,
          do: { tool: 'ip', version, line: `route add ${route}` },
          undo: { tool: 'ip', version, line: `route del ${route}` },
        };
      }),
  );
}

function planProxies(context: Context): readonly Step[] {
  const { device, state, versions } = context;
  const findLinks = subnetIndex(
    state.addresses.filter((a) => a.interface !== device.name && a.interface !== 'lo'),
  );
  const foreign = new Set(
    state.proxies.filter((proxy) => !proxy.isOwned).map((proxy) => `${proxy.address} ${proxy.interface}`),
  );
  const steps: Step[] = [];
  for (const version of versions) {
    const pairs = routedTo(context)
      .filter((address) => versionOf(address) === version)
      .flatMap((address) => findLinks(address).map((name) => ({ address, name })))
      .filter(({ address, name }) => !foreign.has(`${address} ${name}`));
    if (version === 6)
      for (const name of new Set(pairs.map((pair) => pair.name)))
        steps.push(proxyNdp(name, state.proxyNdp.has(name)));
    for (const { address, name } of pairs) {
      steps.push({
        id: `proxy ${address} ${name}`,
        why: `${name} answers for ${address}, which lies in its subnet`,
        do: { tool: 'ip', version, line: `neigh add proxy ${address} dev ${name} ${protocolArgument}` },
        undo: { tool: 'ip', version, line: `neigh del proxy ${address} dev ${name}` },
      });
    }
  }
  return steps;
}

function proxyNdp(name: string, isOn: boolean): Step {
  const key = `net/ipv6/conf/${name}/proxy_ndp`;
  return {
    id: `sysctl ${key}=1`,
    why: `without it ${name} ignores its IPv6 proxy neighbours`,
    do: isOn ? null : { tool: 'sysctl', key, value: '1' },
    undo: isOn ? null : { tool: 'sysctl', key, value: '0' },
    shared: `proxy-ndp-${name}`,
  };
}

/** Which interfaces have the address on their link: those with the longest matching subnet. */
function subnetIndex(addresses: readonly AddressState[]): (address: IpAddress) => readonly string[] {
  const subnets = addresses
    .filter((a) => a.prefix.length < bits(versionOf(a.address)))
    .sort((a, b) => b.prefix.length - a.prefix.length);
  return (address) => {
    const matching = subnets.filter((subnet) => prefixContains(subnet.prefix, address));
    const longest = matching.filter((subnet) => subnet.prefix.length === matching[0]?.prefix.length);
    return [...new Set(longest.map((subnet) => subnet.interface))];
  };
}
