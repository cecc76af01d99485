// SPDX-License-Identifier: Apache-2.0
/**
 * A packet's four passes through the kernel's routing tables, asked of the kernel itself: `ip route get` with an
 * incoming device does the very lookup a packet would, reverse path filter and forwarding switches included.
 *
 *   request-in   client -> VIP          arrives on a link       must leave by the TUN
 *   request-out  client -> real server  arrives from the TUN    must leave by a link
 *   reply-in     real server -> client  arrives on that link    must leave by the TUN (its mark is given)
 *   reply-out    VIP -> client          arrives from the TUN    must leave by a link
 */
import { routingIdOf } from '../host/ownership.js';
import type { System } from '../host/index.js';
import type { DaemonFacts, Leg, Place, Route, Wanted, WantedServer, WantedService } from './facts.js';
import type { HostPrefix } from './prefix.js';

/** Each costs four processes of some milliseconds. */
const mostPairs = 24;

interface Known {
  readonly wanted: Wanted | null;
  readonly daemon: DaemonFacts | null;
  readonly addresses: readonly HostPrefix[];
  readonly defaultRoutes: readonly Route[];
}

interface Client {
  readonly address: string;
  readonly device: string;
}

export async function walkLegs(known: Known, system: System): Promise<readonly Leg[]> {
  const { wanted, daemon } = known;
  if (wanted === null || daemon === null) return [];
  const { name, index } = daemon.status.director.device;
  const mark = `0x${routingIdOf(index).toString(16)}`;
  const legs: Leg[] = [];
  for (const { place, server } of pairsOf(wanted.services).slice(0, mostPairs)) {
    const isV6 = place.address.includes(':');
    for (const client of await clientsFor(isV6, known, system)) {
      const look = (
        kind: Leg['kind'],
        from: string,
        to: string,
        arrivesOn: string,
        more: readonly string[] = [],
      ): Promise<Leg> => lookUp({ kind, from, to, arrivesOn, more, isV6 }, system);
      // The fields a rule for a VIP of the host's own looks at.
      const port = place.port === 0 ? [] : ['ipproto', place.protocol, 'dport', String(place.port)];
      legs.push(await look('request-in', client.address, place.address, client.device, port));
      const out = await look('request-out', client.address, server.address, name);
      legs.push(out);
      if (out.leavesBy !== null && !out.isLocal)
        legs.push(await look('reply-in', server.address, client.address, out.leavesBy, ['mark', mark]));
      legs.push(await look('reply-out', place.address, client.address, name));
    }
  }
  return [...new Map(legs.map((leg) => [leg.command, leg])).values()];
}

/** Every VIP with one server, and every server with one VIP. */
function pairsOf(services: readonly WantedService[]): readonly { place: Place; server: WantedServer }[] {
  return services.flatMap(({ listen, servers }) => {
    const [firstPlace] = listen;
    const [firstServer] = servers;
    if (firstPlace === undefined || firstServer === undefined) return [];
    return [
      ...servers.map((server) => ({ place: firstPlace, server })),
      ...listen.slice(1).map((place) => ({ place, server: firstServer })),
    ];
  });
}

/** Clients that have connections; else one beyond each default route and one on each link without a server. */
async function clientsFor(
  isV6: boolean,
  { wanted, daemon, addresses, defaultRoutes }: Known,
  system: System,
): Promise<readonly Client[]> {
  const clients = new Map<string, Client>();
  for (const address of daemon?.clients ?? []) {
    if (address.includes(':') !== isV6) continue;
    const { stdout } = await system.run(['ip', '-json', 'route', 'get', address]);
    const device = deviceIn(stdout).device;
    // What is beyond the device is this host's own: health checks through a VIP come from there.
    if (device !== null && device !== wanted?.device && !clients.has(device))
      clients.set(device, { address, device });
  }
  if (clients.size > 0) return [...clients.values()];
  // TEST-NET-2 (RFC 5737) and the documentation prefix (RFC 3849) stand for the rest of the world.
  for (const { version, device } of defaultRoutes)
    if ((version === 6) === isV6)
      clients.set(device, { address: isV6 ? '2001:db8::7' : '198.51.100.7', device });
  const own = addresses.filter(
    ({ device, address }) => device !== 'lo' && device !== wanted?.device && address.includes(':') === isV6,
  );
  const holdsServers = (one: HostPrefix): boolean =>
    (wanted?.services ?? []).some(({ servers }) => servers.some(({ address }) => one.contains(address)));
  for (const prefix of own) {
    const address = holdsServers(prefix) ? null : prefix.neighbour();
    if (address !== null && !clients.has(prefix.device))
      clients.set(prefix.device, { address, device: prefix.device });
  }
  return [...clients.values()].slice(0, 4);
}

interface Question {
  readonly kind: Leg['kind'];
  readonly from: string;
  readonly to: string;
  readonly arrivesOn: string;
  readonly more: readonly string[];
  readonly isV6: boolean;
}

async function lookUp({ kind, from, to, arrivesOn, more, isV6 }: Question, system: System): Promise<Leg> {
  const words = ['route', 'get', to, 'from', from, 'iif', arrivesOn, ...more];
  const { status, stdout, stderr } = await system.run(['ip', isV6 ? '-6' : '-4', '-json', ...words]);
  const { device, isLocal } = status === 0 ? deviceIn(stdout) : { device: null, isLocal: false };
  return {
    kind,
    packet: `${from} -> ${to}`,
    arrivesOn,
    command: `ip ${isV6 ? '-6 ' : ''}${words.join(' ')}`,
    leavesBy: device,
    isLocal,
    error:
      status === 0 && device !== null
        ? null
        : stderr.trim().replace(/^RTNETLINK answers: /, '') || 'no route',
  };
}

function deviceIn(stdout: string): { device: string | null; isLocal: boolean } {
  try {
    const [row] = JSON.parse(stdout) as readonly Readonly<Record<string, unknown>>[];
    const type = row?.['type'];
    if (type !== undefined && type !== 'unicast' && type !== 'local') return { device: null, isLocal: false };
    return { device: typeof row?.['dev'] === 'string' ? row['dev'] : null, isLocal: type === 'local' };
  } catch {
    return { device: null, isLocal: false };
  }
}
