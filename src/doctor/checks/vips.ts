// SPDX-License-Identifier: Apache-2.0
/** Where VIPs lie, and who else wants them. */
import { doubtful, wrong, type Check, type Finding } from '../finding.js';
import { subnetOf, sysctl, vipsOf, type Facts, type Place, type Wanted } from '../facts.js';

const noWanted = 'no configuration and no daemon';

const placesOf = (wanted: Wanted): readonly (Place & { readonly service: string })[] =>
  wanted.services.flatMap(({ name, listen }) => listen.map((place) => ({ ...place, service: name })));

const ownDevice = (facts: Facts, address: string): string | undefined =>
  facts.addresses.find((one) => one.address === address && one.device !== facts.wanted?.device)?.device;

export const vipPlace: Check<Facts> = {
  name: 'vip-place',
  title: 'every VIP is an address that packets can be sent to',
  look: (facts) => {
    const { wanted, addresses } = facts;
    if (wanted === null) return noWanted;
    const findings: Finding[] = [];
    for (const { address, port, protocol, service } of placesOf(wanted)) {
      const device = ownDevice(facts, address);
      if (device !== undefined && port === 0)
        findings.push(
          wrong({
            what: `${service}: ${address} is this host's own address (${device}), and the service takes every ${protocol} port of it`,
            why: 'the host would lose its own connections, ssh among them; the daemon refuses that',
            mend: `ip address del ${address}/${addresses.find((one) => one.address === address)?.length ?? 32} dev ${device}`,
          }),
        );
    }
    for (const vip of vipsOf(wanted)) {
      const reserved = addresses.find(
        (one) => one.device !== 'lo' && one.contains(vip) && one.isReserved(vip),
      );
      if (reserved !== undefined)
        findings.push(
          wrong({
            what: `VIP ${vip} is the network or broadcast address of ${reserved.address}/${reserved.length} on ${reserved.device}`,
            why: 'no host sends a connection there',
            mend: null,
          }),
        );
    }
    return findings;
  },
};

export const vipRival: Check<Facts> = {
  name: 'vip-conflict',
  title: 'no other machine has a VIP',
  look: ({ wanted, rivals }) => {
    if (wanted === null) return noWanted;
    if (rivals === null) return 'arping is missing or refused (apt-get install iputils-arping)';
    return rivals.map(({ address, device, link }) =>
      wrong({
        what: `${link} on ${device} answers for VIP ${address} as well`,
        why: 'neighbours send to whoever answered last: a part of the clients, changing, is not served',
        mend: `ip address del ${address}/32 dev …`,
        mendAt: `the machine with link address ${link}`,
      }),
    );
  },
};

export const vipLocal: Check<Facts> = {
  name: 'vip-local',
  title: "services on the host's own addresses do not meet its own programs",
  look: (facts) => {
    const { wanted, sockets } = facts;
    if (wanted === null) return noWanted;
    const range = (sysctl(facts, 'net/ipv4/ip_local_port_range') ?? '').split(/\s+/).map(Number);
    const reserved = reservedPorts(sysctl(facts, 'net/ipv4/ip_local_reserved_ports') ?? '');
    const findings: Finding[] = [];
    for (const { address, port, protocol, service } of placesOf(wanted)) {
      const device = ownDevice(facts, address);
      if (device === undefined || port === 0) continue;
      const at = `${address}:${port}`;
      const own = sockets.filter(
        (socket) =>
          socket.protocol === protocol &&
          socket.port === port &&
          [address, '0.0.0.0', '::'].includes(socket.address),
      );
      if (own.some(({ state }) => state === 'listen'))
        findings.push(
          doubtful({
            what: `${service}: a program of this host listens on ${at}, which is the service's place`,
            why: 'it hears nothing there from the network while vsnat runs, and what was connected to it before is cut off',
            mend: `ss -H${protocol === 'tcp' ? 't' : 'u'}lnp sport = :${port}   # then stop that program, or let it listen elsewhere`,
          }),
        );
      const waiting = own.filter(({ state }) => state === 'time-wait').length;
      if (waiting > 0)
        findings.push(
          doubtful({
            what: `${service}: ${waiting} sockets of this host on ${at} are in TIME_WAIT`,
            why: 'a program of this host served this place until just now; its last packets go to the director instead',
            mend: 'sleep 60; vsnat doctor',
          }),
        );
      const [low = 0, high = 0] = range;
      if (port >= low && port <= high && !reserved(port))
        findings.push(
          doubtful({
            what: `${service}: port ${port} of this host's own address ${address} is one that the kernel gives to outgoing connections (${low}-${high})`,
            why: 'once in a while a connection of this host gets that port, and its answers go to the director instead',
            mend: `sysctl -w net.ipv4.ip_local_reserved_ports=${[sysctl(facts, 'net/ipv4/ip_local_reserved_ports') ?? '', String(port)].filter((it) => it !== '').join(',')}`,
          }),
        );
    }
    return findings;
  },
};

function reservedPorts(list: string): (port: number) => boolean {
  const ranges = list
    .split(',')
    .filter((one) => one !== '')
    .map((one) => one.split('-').map(Number));
  return (port) => ranges.some(([low = 0, high = low]) => port >= low && port <= high);
}

export const sameSubnet: Check<Facts> = {
  name: 'same-subnet',
  title: 'no client is in the subnet of a real server',
  look: (facts) => {
    const { wanted, daemon } = facts;
    if (wanted === null) return noWanted;
    const findings: Finding[] = [];
    const seen = new Set<string>();
    for (const { name, servers, listen } of wanted.services)
      for (const server of servers) {
        const subnet = subnetOf(facts, server.address);
        if (subnet === undefined) continue;
        const client = daemon?.clients.find((one) => subnet.contains(one));
        const vip = listen.find((place) => subnet.contains(place.address));
        const key = `${subnet.device} ${client === undefined ? 'vip' : 'client'}`;
        if ((client === undefined && vip === undefined) || seen.has(key)) continue;
        seen.add(key);
        const cidr = `${subnet.address}/${subnet.length}`;
        const mend = `ip route replace ${client ?? '<client>'}${client?.includes(':') === true ? '/128' : '/32'} via ${subnet.address}`;
        const finding = {
          why: 'the server answers that client directly, past the director: the client gets an answer from an address it did not ask, and resets it',
          mend,
          mendAt: `server ${server.id}`,
        };
        findings.push(
          client === undefined
            ? doubtful({
                what: `${name}: VIP ${vip?.address ?? ''} and server ${server.id} are both in ${cidr} (${subnet.device}); clients there cannot use it`,
                ...finding,
              })
            : wrong({
                what: `${name}: client ${client} and server ${server.id} are both in ${cidr} (${subnet.device})`,
                ...finding,
              }),
        );
      }
    return findings;
  },
};
