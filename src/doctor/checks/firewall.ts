// SPDX-License-Identifier: Apache-2.0
/** What firewalls and connection tracking on this host do to packets of services. */
import { doubtful, wrong, type Check, type Finding } from '../finding.js';
import { serversOf, subnetOf, sysctl, versionsOf, type Facts } from '../facts.js';
import { basesAt, dropsInvalid, fateIn, type BaseChain, type FirstPacket, type Ruleset } from '../ruleset.js';

/** The first packets of connections: into the TUN device, out of it, and those that come back. */
function packetsOf(facts: Facts): readonly FirstPacket[] {
  const { wanted } = facts;
  if (wanted === null) return [];
  const { device } = wanted;
  const packets: FirstPacket[] = [];
  for (const { listen, servers } of wanted.services) {
    for (const { protocol, address, port } of listen) {
      const version = address.includes(':') ? 6 : 4;
      const server = servers.find((one) => one.address.includes(':') === (version === 6));
      const client = version === 4 ? '198.51.100.7' : '2001:db8::7';
      const clientSide = clientDevice(facts, version) ?? 'any';
      const common = { version, protocol } as const;
      const at = port === 0 ? null : port;
      packets.push({
        ...common,
        incoming: clientSide,
        outgoing: device,
        source: client,
        destination: address,
        port: at,
      });
      if (server === undefined) continue;
      const serverSide = subnetOf(facts, server.address)?.device ?? clientSide;
      packets.push({
        ...common,
        incoming: device,
        outgoing: serverSide,
        source: client,
        destination: server.address,
        port: server.port === 0 ? at : server.port,
      });
    }
  }
  return packets;
}

function clientDevice(facts: Facts, version: 4 | 6): string | undefined {
  const servers = facts.wanted === null ? [] : serversOf(facts.wanted);
  const leg = facts.legs.find(
    ({ kind, packet }) => kind === 'request-in' && packet.includes(':') === (version === 6),
  );
  return (
    leg?.arrivesOn ??
    facts.defaultRoutes.find((route) => route.version === version)?.device ??
    facts.addresses.find(
      (one) =>
        one.device !== 'lo' &&
        one.device !== facts.wanted?.device &&
        !servers.some(({ address }) => one.contains(address)),
    )?.device
  );
}

const noRules: Ruleset = { bases: [], rules: new Map() };

/** One rule for each direction, ahead of all others of that chain. */
const letThrough = ({ family, table, name }: BaseChain, device: string): string =>
  ['oifname', 'iifname']
    .map((key) => `nft insert rule ${family} ${table} ${name} ${key} "\\"${device}\\"" accept`)
    .join('; ');

export const forwardPolicy: Check<Facts> = {
  name: 'firewall',
  title: 'no firewall of this host drops forwarded packets of services',
  look: (facts) => {
    const { ruleset, wanted, legacyFilters } = facts;
    if (wanted === null) return 'no configuration and no daemon';
    const { device } = wanted;
    const found = new Map<string, Finding>();
    const hooked = ruleset ?? noRules;
    for (const packet of packetsOf(facts))
      for (const base of basesAt(hooked, 'forward', packet.version)) {
        const place = `chain ${base.name} of nftables table ${base.family} ${base.table}`;
        const fate = fateIn(hooked, base, packet);
        if (fate === 'accept' || found.get(place)?.level === 'wrong') continue;
        const path = `${packet.incoming} -> ${packet.outgoing}, ${packet.protocol} to ${packet.destination}${packet.port === null ? '' : ` port ${packet.port}`}`;
        found.set(
          place,
          (fate === 'drop' ? wrong : doubtful)({
            what: `${place} ${fate === 'drop' ? 'drops' : 'may drop'} ${path}`,
            why: 'packets of services pass the forward hook twice, into the TUN device and out of it; here they end',
            mend: letThrough(base, device),
          }),
        );
      }
    const legacy = legacyFilters.flatMap(({ program, version, text }) =>
      versionsOf(wanted).includes(version) && legacyDrops(text, device)
        ? [
            wrong({
              what: `the FORWARD chain of ${program} has policy DROP and no rule for ${device}`,
              why: 'packets of services pass it twice, into the TUN device and out of it; here they end',
              mend: `${program} -I FORWARD -o ${device} -j ACCEPT; ${program} -I FORWARD -i ${device} -j ACCEPT`,
            }),
          ]
        : [],
    );
    if (ruleset === null && legacy.length === 0)
      return 'nftables cannot be listed (no nft, or no permission)';
    return [...found.values(), ...legacy];
  },
};

function legacyDrops(text: string, device: string): boolean {
  const rules = text.split('\n').filter((line) => line.startsWith('-A FORWARD '));
  const lets = (way: string): boolean =>
    rules.some((rule) => rule === '-A FORWARD -j ACCEPT' || rule === `-A FORWARD ${way} ${device} -j ACCEPT`);
  return /^:FORWARD DROP/m.test(text) && !(lets('-i') && lets('-o'));
}

export const sourceNat: Check<Facts> = {
  name: 'source-nat',
  title: 'real servers see the addresses of clients',
  look: (facts) => {
    const { ruleset, wanted } = facts;
    if (wanted === null) return 'no configuration and no daemon';
    if (ruleset === null) return 'nftables cannot be listed (no nft, or no permission)';
    const found = new Map<string, Finding>();
    for (const packet of packetsOf(facts).filter(({ incoming }) => incoming === wanted.device))
      for (const base of basesAt(ruleset, 'postrouting', packet.version).filter(
        ({ type }) => type === 'nat',
      )) {
        const { family, table, name } = base;
        const key = `${family} ${table} ${name}`;
        const rule = (ruleset.rules.get(key) ?? []).find(
          (expressions) =>
            expressions.some((one) => 'masquerade' in one || 'snat' in one) &&
            applies(facts, base, expressions, packet),
        );
        if (rule === undefined) continue;
        found.set(
          key,
          doubtful({
            what: `chain ${name} of nftables table ${family} ${table} gives packets to ${packet.destination} another source address`,
            why: 'real servers then see this host instead of their clients, in logs, access lists and persistence',
            mend: `nft insert rule ${family} ${table} ${name} ${packet.version === 4 ? 'ip' : 'ip6'} daddr ${packet.destination} accept`,
          }),
        );
      }
    return [...found.values()];
  },
};

/** The rule, taken as one that ends the packet, is reached and matches for certain. */
function applies(
  { ruleset }: Facts,
  base: BaseChain,
  rule: readonly Readonly<Record<string, unknown>>[],
  packet: FirstPacket,
): boolean {
  if (ruleset === null) return false;
  const key = `${base.family} ${base.table} ${base.name}`;
  const all = ruleset.rules.get(key) ?? [];
  const until = all.slice(0, all.indexOf(rule));
  const ending = [...rule.filter((one) => !('masquerade' in one || 'snat' in one)), { drop: null }];
  const trial = { bases: [base], rules: new Map([...ruleset.rules, [key, [...until, ending]]]) };
  return fateIn(trial, { ...base, policy: 'accept' }, packet) === 'drop';
}

export const conntrack: Check<Facts> = {
  name: 'conntrack',
  title: 'connection tracking is not in the way',
  look: (facts) => {
    const count = sysctl(facts, 'net/netfilter/nf_conntrack_count');
    const max = sysctl(facts, 'net/netfilter/nf_conntrack_max');
    if (count === undefined || max === undefined) return []; // not loaded: nothing is tracked
    const findings: Finding[] = [];
    if (Number(max) > 0 && Number(count) >= 0.9 * Number(max))
      findings.push(
        wrong({
          what: `${count} of ${max} connections are tracked`,
          why: 'when the table is full, the kernel drops every new connection; one through vsnat counts twice (to the VIP, and to the real server)',
          mend: `sysctl -w net.netfilter.nf_conntrack_max=${4 * Math.max(Number(max), 65_536)}`,
        }),
      );
    const base = facts.ruleset === null ? undefined : dropsInvalid(facts.ruleset);
    if (base !== undefined && sysctl(facts, 'net/netfilter/nf_conntrack_tcp_be_liberal') !== '1')
      findings.push(
        doubtful({
          what: `chain ${base.name} of nftables table ${base.family} ${base.table} drops packets in state invalid`,
          why: 'connections that live longer than a flush of the tracking table, or whose packets come late, look invalid to it and hang',
          mend: 'sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1',
        }),
      );
    return findings;
  },
};
