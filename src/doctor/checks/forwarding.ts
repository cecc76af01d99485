// SPDX-License-Identifier: Apache-2.0
/** Whether the kernel forwards: the switches, reverse path filtering, and a packet's four passes through its tables. */
import { doubtful, wrong, type Check, type Finding } from '../finding.js';
import { involved, serversOf, subnetOf, sysctl, versionsOf, type Facts, type Leg } from '../facts.js';

const set = (key: string, value: string): string => `sysctl -w ${key.replaceAll('/', '.')}=${value}`;
/** Names of devices may hold dots, which sysctl(8) would take for slashes. */
const ofDevice = (version: 4 | 6, device: string, key: string, value: string): string =>
  `sysctl -w net/ipv${version}/conf/${device}/${key}=${value}`;

export const ipForward: Check<Facts> = {
  name: 'ip-forward',
  title: 'the kernel forwards packets',
  look: (facts) => {
    const versions = facts.wanted === null ? ([4] as const) : versionsOf(facts.wanted);
    return versions.flatMap((version) => {
      const key = version === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
      const value = sysctl(facts, key);
      if (value === '1' || (value === undefined && version === 4)) return [];
      return [
        wrong({
          what:
            value === undefined
              ? 'this kernel has no IPv6, and there are IPv6 services'
              : `IPv${version} forwarding is off: ${key.replaceAll('/', '.')} must be 1, got ${value}`,
          why: 'requests die between the link and the TUN device; the daemon refuses to start',
          mend: value === undefined ? null : set(key, '1'),
        }),
      ];
    });
  },
};

export const linkForwarding: Check<Facts> = {
  name: 'link-forwarding',
  title: 'every device forwards what arrives on it',
  look: (facts) => {
    if (sysctl(facts, 'net/ipv4/ip_forward') !== '1') return 'forwarding is off as a whole';
    const versions = facts.wanted === null ? ([4] as const) : versionsOf(facts.wanted);
    return [...involved(facts), ...facts.links.filter(({ name }) => name === facts.wanted?.device)]
      .filter(({ isUp }) => isUp)
      .flatMap(({ name }) =>
        versions
          .filter((version) => sysctl(facts, `net/ipv${version}/conf/${name}/forwarding`) === '0')
          .map((version) =>
            wrong({
              what: `IPv${version} forwarding is off on ${name}`,
              why: `what arrives on ${name} goes to no virtual service and from no real server to its client`,
              mend: ofDevice(version, name, 'forwarding', '1'),
            }),
          ),
      );
  },
};

/** The kernel takes the larger of `all` and the device's own. */
const effective = (facts: Facts, device: string): number =>
  Math.max(
    Number(sysctl(facts, 'net/ipv4/conf/all/rp_filter') ?? 0),
    Number(sysctl(facts, `net/ipv4/conf/${device}/rp_filter`) ?? 0),
  );

export const rpFilter: Check<Facts> = {
  name: 'rp-filter',
  title: 'reverse path filtering lets clients through',
  look: (facts) => {
    const { wanted, links, legs } = facts;
    const loosen = (device: string): string => ofDevice(4, device, 'rp_filter', '2');
    const findings: Finding[] = [];
    const tun = links.find(({ name }) => name === wanted?.device);
    if (tun !== undefined && effective(facts, tun.name) === 1)
      findings.push(
        wrong({
          what: `rp_filter is strict on ${tun.name}: max(all, ${tun.name}) must be 2 or 0, got 1`,
          why: 'clients appear behind the TUN device, which strict filtering calls spoofed: every packet the daemon writes is dropped',
          mend: loosen(tun.name),
        }),
      );
    const strict = involved(facts).filter(({ name, isUp }) => isUp && effective(facts, name) === 1);
    const refused = new Set(
      legs
        .filter(({ error, arrivesOn }) => isReversePath(error) && arrivesOn !== tun?.name)
        .map(({ arrivesOn }) => arrivesOn),
    );
    const isAsymmetric = facts.defaultRoutes.filter(({ version }) => version === 4).length > 1;
    for (const { name } of strict) {
      const packet = legs.find(({ error, arrivesOn }) => isReversePath(error) && arrivesOn === name)?.packet;
      if (refused.has(name))
        findings.push(
          wrong({
            what: `rp_filter is strict on ${name}, and the kernel refuses ${packet ?? 'a packet'} there`,
            why: 'the route back to that source leads out of another device, so the kernel calls it spoofed and drops it without a word',
            mend: loosen(name),
          }),
        );
      else if (isAsymmetric || facts.reversePathDrops > 0)
        findings.push(
          doubtful({
            what: isAsymmetric
              ? `rp_filter is strict on ${name}, and there are several default routes`
              : `rp_filter is strict on ${name}, and has dropped ${facts.reversePathDrops} packets of this host so far`,
            why: 'clients whose packets come in elsewhere than the route back to them leads are dropped without a word',
            mend: loosen(name),
          }),
        );
    }
    return findings;
  },
};

/** EXDEV, and EINVAL since Linux 6.14. */
const isReversePath = (error: string | null): boolean =>
  error !== null && /Invalid cross-device link|Invalid argument/.test(error);

export const acceptLocal: Check<Facts> = {
  name: 'accept-local',
  title: "packets from the host's own addresses may return through the TUN device",
  look: (facts) => {
    const { wanted, daemon, addresses, links } = facts;
    if (wanted === null || daemon === null) return 'no daemon';
    if (!links.some(({ name }) => name === wanted.device)) return 'the device is gone';
    const key = `net/ipv4/conf/${wanted.device}/accept_local`;
    if (sysctl(facts, key) !== '0' || sysctl(facts, 'net/ipv4/conf/all/accept_local') === '1') return [];
    const own = new Set(
      addresses.filter(({ device }) => device !== wanted.device).map(({ address }) => address),
    );
    const ours = [...wanted.services.flatMap(({ listen }) => listen), ...serversOf(wanted)].some(
      ({ address }) => own.has(address),
    );
    const finding = {
      what: `accept_local is off on ${wanted.device}`,
      why: "answers that carry one of the host's own addresses (a VIP of its own, its ICMP errors, a real server here) are dropped as martians",
      mend: `sysctl -w ${key}=1`,
    };
    return [ours ? wrong(finding) : doubtful(finding)];
  },
};

const meaning: Readonly<Record<Leg['kind'], { readonly must: string; readonly why: string }>> = {
  'request-in': { must: 'go into the TUN device', why: 'requests do not reach the daemon' },
  'request-out': {
    must: 'leave towards the real server',
    why: 'translated requests do not reach the real server',
  },
  'reply-in': {
    must: 'go into the TUN device',
    why: 'replies go to the client untranslated, which resets the connection',
  },
  'reply-out': { must: 'leave towards the client', why: 'translated replies do not reach the client' },
};

export const routes: Check<Facts> = {
  name: 'routes',
  title: 'the routing tables lead packets in and out of the TUN device',
  look: (facts) => {
    const { legs, wanted, daemon } = facts;
    if (daemon === null || wanted === null) return 'no daemon';
    if (legs.length === 0) return 'no service has a VIP and a server to try';
    const { device } = wanted;
    return legs.flatMap((leg): Finding[] => {
      const intoTun = leg.kind === 'request-in' || leg.kind === 'reply-in';
      const good = leg.leavesBy !== null && !leg.isLocal && (leg.leavesBy === device) === intoTun;
      // Other checks say these better.
      if (good || explained(leg, facts)) return [];
      const got = leg.isLocal
        ? 'is kept by this host'
        : leg.leavesBy === null
          ? `is refused: ${leg.error ?? ''}`
          : `leaves by ${leg.leavesBy}`;
      return [
        wrong({
          what: `${leg.packet}, arriving on ${leg.arrivesOn}, must ${meaning[leg.kind].must}, and ${got} (${leg.command})`,
          why: meaning[leg.kind].why,
          mend: mendOf(leg, facts),
        }),
      ];
    });
  },
};

function explained(leg: Leg, facts: Facts): boolean {
  if (isReversePath(leg.error) && effective(facts, leg.arrivesOn) > 0) return true;
  const version = leg.packet.includes(':') ? 6 : 4;
  return (
    leg.error !== null &&
    (sysctl(facts, `net/ipv${version}/conf/${leg.arrivesOn}/forwarding`) === '0' ||
      sysctl(facts, version === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding') === '0' ||
      !(facts.links.find(({ name }) => name === leg.arrivesOn)?.isUp ?? false))
  );
}

function mendOf(leg: Leg, facts: Facts): string {
  const intoTun = leg.kind === 'request-in' || leg.kind === 'reply-in';
  if (!intoTun) {
    const [, to = ''] = leg.packet.split(' -> ');
    return `ip ${to.includes(':') ? '-6 ' : ''}route get ${to}   # then give it a route by a link`;
  }
  // What is ours comes back with a reload; what stands before it is somebody's rule or route, and is shown.
  return typeof facts.missingSteps !== 'string' && facts.missingSteps.length > 0
    ? 'vsnat reload'
    : `ip rule; ${leg.command}`;
}

export const ownSteps: Check<Facts> = {
  name: 'host-state',
  title: 'everything that vsnat set on this host is still there',
  look: ({ missingSteps }) => {
    if (typeof missingSteps === 'string') return missingSteps;
    if (missingSteps.length === 0) return [];
    const [first, ...others] = missingSteps;
    return [
      wrong({
        what: `missing: ${first ?? ''}${others.length === 0 ? '' : ` and ${others.length} more`}`,
        why: 'somebody flushed or changed what leads packets to the daemon; it looks every 5 seconds and puts back what it can',
        mend: 'vsnat reload',
      }),
    ];
  },
};

export const redirects: Check<Facts> = {
  name: 'send-redirects',
  title: 'real servers are not told of a shorter way',
  look: (facts) => {
    const { wanted, defaultRoutes } = facts;
    if (wanted === null) return 'no configuration and no daemon';
    const all = sysctl(facts, 'net/ipv4/conf/all/send_redirects') === '1';
    const gateways = new Set(
      defaultRoutes
        .filter(({ version, gateway }) => version === 4 && gateway !== null)
        .map(({ device }) => device),
    );
    const arms = new Set(
      serversOf(wanted)
        .map(({ address }) => subnetOf(facts, address)?.device)
        .filter((device) => device !== undefined && gateways.has(device)),
    );
    // Sent when either is on (Linux IN_DEV_TX_REDIRECTS).
    return [...arms].flatMap((device) =>
      device !== undefined && (all || sysctl(facts, `net/ipv4/conf/${device}/send_redirects`) === '1')
        ? [
            doubtful({
              what: `send_redirects is on for ${device}, on which both real servers and the gateway are`,
              why: 'a server that talks to a client on its own is told to use the gateway directly, and then its replies bypass the director',
              mend: `sysctl -w net.ipv4.conf.all.send_redirects=0 net/ipv4/conf/${device}/send_redirects=0`,
            }),
          ]
        : [],
    );
  },
};
