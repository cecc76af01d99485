// SPDX-License-Identifier: Apache-2.0
/**
 * Which side of the translation a packet is on, and whose it is. Pure; knows addresses, not packets.
 *
 * Client side is CIP and VIP: a request before its translation, a reply after it. Server side is CIP and RIP. The client's
 * endpoint is the same on both, so the pair seen on one side names its partner on the other, and the daemon need not be asked for
 * its connections: a walk of a table of millions every second is what a capture must not cost. A server that serves two services
 * is told apart by the VIP that this client endpoint talks to. So a packet can only be judged a moment after it passed, when its
 * translation has passed as well.
 */
import { formatEndpoint, type Endpoint, type IpAddress, type Protocol } from '../../model/index.js';
import type { PacketEnds } from './packet-ends.js';

export interface CapturedService {
  readonly service: string;
  /** Port 0: every port. */
  readonly listen: readonly {
    readonly protocol: Protocol;
    readonly address: IpAddress;
    readonly port: number;
  }[];
  readonly servers: readonly Endpoint[];
  /** Its connections bring others with them, on ports of their own: FTP. */
  readonly hasHelper: boolean;
}

export interface Filters {
  readonly service?: string;
  readonly protocol?: string;
  /** These three: an address, or address:port. */
  readonly client?: string;
  readonly vip?: string;
  readonly server?: string;
}

export interface Placed {
  readonly side: 'client' | 'server';
  /** null: it went to a VIP, on a port of no service. */
  readonly service: string | null;
  readonly client: Endpoint;
  readonly vip: Endpoint;
  /** null: it was not translated, or not yet. */
  readonly server: Endpoint | null;
}

interface Partner {
  readonly vip: Endpoint;
  readonly service: CapturedService | null;
  server: Endpoint | null;
}

/** Client endpoints remembered; those not seen for longest are forgotten. */
const mostClients = 65_536;
const mostEarly = 1_024;

export class Attribution {
  readonly #filters: Filters;
  #listening = new Map<string, CapturedService>();
  #vips = new Map<string, CapturedService | null>();
  /** By client endpoint, the VIP spoken to last at the end. */
  readonly #partners = new Map<string, Partner[]>();
  /** Servers seen with a client endpoint that no VIP was seen with: a capture may begin with a reply. */
  readonly #early = new Map<string, Endpoint>();
  #servers: ReadonlySet<string> = new Set();

  constructor(services: readonly CapturedService[], filters: Filters) {
    this.#filters = filters;
    this.renew(services);
  }

  /** After a change of the configuration. */
  renew(services: readonly CapturedService[]): void {
    this.#listening = new Map();
    this.#vips = new Map();
    for (const service of services) {
      for (const { protocol, address, port } of service.listen) {
        this.#listening.set(`${protocol} ${address} ${port}`, service);
        if (service.hasHelper) this.#vips.set(address, service);
        else if (!this.#vips.has(address)) this.#vips.set(address, null);
      }
    }
    this.#servers = new Set(services.flatMap(({ servers }) => servers.map(({ address }) => address)));
  }

  /** To be called with every packet, in order, before place() of any that came shortly before. */
  notice(ends: PacketEnds): void {
    for (const [client, other] of orientations(ends)) {
      const service = this.#serviceAt(ends.protocol, other);
      if (service !== undefined) {
        this.#remember(ends.protocol, client, other, service);
        return;
      }
    }
    for (const [client, other] of orientations(ends)) {
      const partner = this.#partnerOf(ends.protocol, client, other);
      if (partner !== undefined) {
        partner.server = other;
        return;
      }
      if (this.#servers.has(other.address)) this.#early.set(keyOf(ends.protocol, client), other);
    }
    if (this.#early.size > mostEarly) this.#early.delete(this.#early.keys().next().value ?? '');
  }

  /** null: of no service, or not one of those wanted. */
  place(ends: PacketEnds): Placed | null {
    const placed = this.#placeAny(ends);
    return placed !== null && this.#isWanted(ends, placed) ? placed : null;
  }

  #placeAny({ protocol, ...ends }: PacketEnds): Placed | null {
    for (const [client, vip] of orientations(ends)) {
      const service = this.#serviceAt(protocol, vip);
      if (service === undefined) continue;
      const known = this.#partners.get(keyOf(protocol, client))?.find((one) => isSame(one.vip, vip));
      return {
        side: 'client',
        service: service?.service ?? null,
        client,
        vip,
        server: known?.server ?? null,
      };
    }
    for (const [client, server] of orientations(ends)) {
      const partner = this.#partnerOf(protocol, client, server);
      if (partner !== undefined)
        return {
          side: 'server',
          service: partner.service?.service ?? null,
          client,
          vip: partner.vip,
          server,
        };
    }
    return null;
  }

  /** undefined: it is no VIP. null: a VIP, and no service there. */
  #serviceAt(
    protocol: PacketEnds['protocol'],
    { address, port }: Endpoint,
  ): CapturedService | null | undefined {
    return (
      this.#listening.get(`${protocol} ${address} ${port}`) ??
      this.#listening.get(`${protocol} ${address} 0`) ??
      this.#vips.get(address)
    );
  }

  #partnerOf(protocol: PacketEnds['protocol'], client: Endpoint, server: Endpoint): Partner | undefined {
    if (!this.#servers.has(server.address)) return undefined;
    return this.#partners
      .get(keyOf(protocol, client))
      ?.findLast(({ service }) => isServedBy(service, server));
  }

  #remember(
    protocol: PacketEnds['protocol'],
    client: Endpoint,
    vip: Endpoint,
    service: CapturedService | null,
  ): void {
    const key = keyOf(protocol, client);
    const partners = this.#partners.get(key) ?? [];
    const known = partners.find((one) => isSame(one.vip, vip));
    const early = this.#early.get(key);
    this.#early.delete(key);
    const server = known?.server ?? (early !== undefined && isServedBy(service, early) ? early : null);
    const partner: Partner = { vip, service, server };
    this.#partners.delete(key);
    this.#partners.set(key, [...partners.filter((one) => one !== known).slice(-7), partner]);
    if (this.#partners.size > mostClients) this.#partners.delete(this.#partners.keys().next().value ?? '');
  }

  #isWanted({ protocol }: PacketEnds, placed: Placed): boolean {
    const { service, client, vip, server, ...rest } = this.#filters;
    return (
      (service === undefined || placed.service === service) &&
      (rest.protocol === undefined || rest.protocol === protocol) &&
      (client === undefined || isAt(placed.client, client)) &&
      (vip === undefined || isAt(placed.vip, vip)) &&
      (server === undefined || (placed.server !== null && isAt(placed.server, server)))
    );
  }
}

const isServedBy = (service: CapturedService | null, server: Endpoint): boolean =>
  service?.servers.some(
    ({ address, port }) =>
      address === server.address && (port === server.port || port === 0 || service.hasHelper),
  ) === true;

/** Either end may be the client. */
const orientations = ({ source, destination }: Pick<PacketEnds, 'source' | 'destination'>) =>
  [
    [source, destination],
    [destination, source],
  ] as const;

const keyOf = (protocol: string, { address, port }: Endpoint): string => `${protocol} ${address} ${port}`;

const isSame = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && a.address === b.address;

const isAt = (endpoint: Endpoint, wanted: string): boolean =>
  wanted === endpoint.address || wanted === formatEndpoint(endpoint);
