// SPDX-License-Identifier: Apache-2.0
/** Real servers: whether they are there, and whether their answers come back through this host. */
import { doubtful, wrong, type Check, type Finding } from '../finding.js';
import { serversOf, subnetOf, type Facts } from '../facts.js';

const noWanted = 'no configuration and no daemon';

export const reachable: Check<Facts> = {
  name: 'servers',
  title: 'real servers answer',
  look: ({ wanted, servers }) => {
    if (wanted === null) return noWanted;
    return servers.flatMap(({ server, direct }): Finding[] => {
      if (direct === 'open') return [];
      const saying = {
        refused: 'refuses connections',
        silent: 'does not answer',
        'no-route': 'cannot be reached',
        'no-source': 'cannot be asked from here',
        failed: 'cannot be asked',
      }[direct];
      const [address] = /^\[(.*)\]/.exec(server)?.slice(1) ?? [server.split(':')[0] ?? ''];
      return [
        wrong({
          what: `server ${server} ${saying}`,
          why: 'connections that are given to it fail; without a health check it keeps getting its share',
          mend:
            direct === 'refused'
              ? `ss -tlnp   # is the program running, and does it listen on ${server} or on every address?`
              : `ip route get ${address ?? ''}; ping -c 3 ${address ?? ''}`,
          ...(direct === 'refused' ? { mendAt: `server ${server}` } : {}),
        }),
      ];
    });
  },
};

export const wayBack: Check<Facts> = {
  name: 'way-back',
  title: "real servers' routes to clients lead back to this host",
  look: (facts) => {
    const { wanted, daemon, servers } = facts;
    if (wanted === null) return noWanted;
    const findings = new Map<string, Finding>();
    const mend = (address: string): Pick<Finding, 'mend' | 'mendAt'> => {
      const gateway = subnetOf(facts, address)?.address;
      return gateway === undefined
        ? {
            mend: 'ip route   # every router on the way must lead clients’ addresses here',
            mendAt: 'the servers’ router',
          }
        : {
            mend: `ip ${address.includes(':') ? '-6 ' : ''}route replace default via ${gateway}`,
            mendAt: `server ${address}`,
          };
    };
    for (const { server, direct, fromElsewhere } of servers) {
      if (fromElsewhere?.result !== 'silent' || direct === 'silent') continue;
      const known = serversOf(wanted).find(({ id }) => id === server);
      findings.set(
        server,
        wrong({
          what: `server ${server} answers this host's address in its subnet, but not ${fromElsewhere.source}, which is this host's as well`,
          why: 'its route to other subnets does not lead here, so clients’ connections hang after their first packet',
          ...mend(known?.address ?? ''),
        }),
      );
    }
    // What the dataplane saw: packets to a server, and none back.
    for (const service of daemon?.services ?? [])
      for (const { server, inPackets, outPackets, connections } of service.servers) {
        if (findings.has(server) || connections < 3 || outPackets > 0 || inPackets < 3) continue;
        const probed = servers.find((one) => one.server === server)?.direct;
        if (probed !== undefined && probed !== 'open') continue;
        const known = serversOf(wanted).find(({ id }) => id === server);
        findings.set(
          server,
          wrong({
            what: `server ${server} of ${service.service} got ${inPackets} packets of ${connections} connections, and none came back through here`,
            why: 'its replies go another way (or nowhere): clients cannot use them',
            ...mend(known?.address ?? ''),
          }),
        );
      }
    return [...findings.values()];
  },
};

export const distant: Check<Facts> = {
  name: 'server-subnet',
  title: 'real servers are on a subnet of this host, or vouched for',
  look: (facts) => {
    const { wanted } = facts;
    if (wanted === null) return noWanted;
    const own = new Set(facts.addresses.map(({ address }) => address));
    return serversOf(wanted)
      .filter(({ address, routed }) => !routed && !own.has(address) && subnetOf(facts, address) === undefined)
      .map(({ id, address }) =>
        doubtful({
          what: `server ${id} is in no subnet of this host`,
          why: 'its replies must pass this host on their way to the client, which only its routers can ensure',
          mend: `ip route get ${address}   # when the routers lead back here, write routed: true`,
        }),
      );
  },
};
