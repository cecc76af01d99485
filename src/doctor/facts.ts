// SPDX-License-Identifier: Apache-2.0
/**
 * All the doctor knows, gathered once (survey.ts) so that every check is a pure function of it. What could not be read
 * is null or missing, never guessed.
 */
import type { DirectorStatus, ServiceAnswer, StatusAnswer } from '../admin/api.js';
import type { HostPrefix } from './prefix.js';
import type { Ruleset } from './ruleset.js';

/** What is to be balanced: from a configuration file, or as the daemon has it. */
export interface Wanted {
  readonly source: string;
  readonly device: string;
  /** As configured; null when only the daemon was asked. */
  readonly deviceMtu: number | null;
  readonly services: readonly WantedService[];
}

export interface WantedService {
  readonly name: string;
  readonly listen: readonly Place[];
  readonly servers: readonly WantedServer[];
}

export interface Place {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

export interface WantedServer {
  readonly id: string;
  readonly address: string;
  /** 0: the port the client asked for. */
  readonly port: number;
  /** The configuration vouches for its way back. */
  readonly routed: boolean;
}

export interface DaemonFacts {
  readonly status: StatusAnswer & { readonly director: DirectorStatus };
  readonly services: readonly ServiceAnswer[];
  /** Of some live connections. */
  readonly clients: readonly string[];
}

/** How a connection attempt ended. `no-source`: the address to come from could not be used. */
export type Probed = 'open' | 'refused' | 'silent' | 'no-route' | 'no-source' | 'failed';

export interface ProbedServer {
  readonly server: string;
  /** From the address the kernel chooses. */
  readonly direct: Probed;
  /** From an address of this host outside the server's subnet: its answer must take the way back that clients' take. */
  readonly fromElsewhere: { readonly source: string; readonly result: Probed } | null;
}

export interface LinkFacts {
  readonly name: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly hasCarrier: boolean;
  /** null: ethtool is missing, or the device does not say. */
  readonly lro: boolean | null;
}

export interface TunFacts {
  readonly exists: boolean;
  readonly isTun: boolean;
  readonly holders: readonly { readonly pid: number; readonly command: string }[];
}

/** One lookup in the kernel's routing tables, as a packet of ours would make it. */
export interface Leg {
  readonly kind: 'request-in' | 'request-out' | 'reply-in' | 'reply-out';
  /** "10.1.1.2 -> 10.9.0.1" */
  readonly packet: string;
  readonly arrivesOn: string;
  /** The command that shows it. */
  readonly command: string;
  /** Where it goes; null when the kernel refuses it. */
  readonly leavesBy: string | null;
  /** The kernel would keep it. */
  readonly isLocal: boolean;
  readonly error: string | null;
}

export interface Route {
  readonly version: 4 | 6;
  readonly device: string;
  readonly gateway: string | null;
}

/** A table of the old iptables, as iptables-legacy-save prints it. */
export interface LegacyFilter {
  readonly program: string;
  readonly version: 4 | 6;
  readonly text: string;
}

export interface Socket {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  readonly state: 'listen' | 'time-wait' | 'other';
}

export interface Facts {
  readonly wanted: Wanted | null;
  readonly daemon: DaemonFacts | null;
  /** Why no daemon was found; null when there is one. */
  readonly daemonTrouble: {
    readonly socket: string;
    readonly message: string;
    readonly exists: boolean;
  } | null;
  readonly kernel: string;
  readonly capabilities: bigint | null;
  /** Whether a seccomp filter is on this process; null where /proc does not say. */
  readonly seccomp: boolean | null;
  readonly openFiles: number | null;
  /** What makes us think that this is a container. */
  readonly container: string | null;
  readonly hasTunDriver: boolean;
  readonly tun: TunFacts | null;
  readonly links: readonly LinkFacts[];
  readonly addresses: readonly HostPrefix[];
  readonly defaultRoutes: readonly Route[];
  /** Below /proc/sys, by path with slashes. */
  readonly sysctls: ReadonlyMap<string, string>;
  readonly legs: readonly Leg[];
  /** null: no nft, or no permission. */
  readonly ruleset: Ruleset | null;
  readonly legacyFilters: readonly LegacyFilter[];
  readonly sockets: readonly Socket[];
  /** IPReversePathFilter of /proc/net/netstat. */
  readonly reversePathDrops: number;
  /** Steps of the host plan that the kernel no longer shows, or why nobody could tell. */
  readonly missingSteps: readonly string[] | string;
  readonly servers: readonly ProbedServer[];
  /** VIPs that somebody else on a link answers for, with the link address that was heard; null: could not ask. */
  readonly rivals:
    readonly { readonly address: string; readonly device: string; readonly link: string }[] | null;
}

export const sysctl = (facts: Facts, key: string): string | undefined => facts.sysctls.get(key);

export const addressesOn = (facts: Facts, device: string): readonly HostPrefix[] =>
  facts.addresses.filter((one) => one.device === device);

/** The device whose subnet holds the address, never the TUN. */
export function subnetOf(facts: Facts, address: string): HostPrefix | undefined {
  return facts.addresses
    .filter((one) => one.device !== facts.wanted?.device && one.device !== 'lo' && one.contains(address))
    .sort((a, b) => b.length - a.length)[0];
}

export const vipsOf = (wanted: Wanted): readonly string[] => [
  ...new Set(wanted.services.flatMap(({ listen }) => listen.map(({ address }) => address))),
];

export const serversOf = (wanted: Wanted): readonly WantedServer[] => [
  ...new Map(
    wanted.services.flatMap(({ servers }) => servers.map((server) => [server.id, server] as const)),
  ).values(),
];

export const versionsOf = (wanted: Wanted): readonly (4 | 6)[] =>
  ([4, 6] as const).filter((version) =>
    vipsOf(wanted).some((address) => (address.includes(':') ? 6 : 4) === version),
  );

/** Devices that packets of this configuration may use: all but the loopback and the TUN. */
export const involved = (facts: Facts): readonly LinkFacts[] =>
  facts.links.filter(({ name }) => name !== 'lo' && name !== facts.wanted?.device);
