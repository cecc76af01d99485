// SPDX-License-Identifier: Apache-2.0
/**
 * The LVS picture in network namespaces:
 *
 *   client ── [routers] ── director ── [routers] ── rs1
 *                                   └─ [routers] ── rs2 ...
 *
 * A path is the list of its links' MTUs, from the client to the director or from the director to a real server; one
 * link means no router, `[1500, 1400, 1500]` means two routers with the bottleneck between them. Every link is a
 * veth pair with its own subnets; the end nearer to the director is .1, the farther one .2:
 *
 *   client side, link k = 1.. counted from the client     10.1.k.0/24           fd00:1:k::/64
 *   server i, link k = 0.. counted from the director      10.2.(i + 10k).0/24   fd00:2:(i + 10k)::/64
 *
 * VIPs are 10.9.0.x and fd00:9::x, routed to the director.
 */
import { createNamespaces, freshPrefix, Namespace, removeNamespaces } from './namespace.js';

export interface TopologyOptions {
  readonly servers?: number;
  readonly clientPath?: readonly number[];
  readonly serverPath?: readonly number[];
  /** Segmentation and checksum offload of every veth; off makes every frame a real one. */
  readonly offload?: 'on' | 'off';
}

export interface Host {
  readonly namespace: Namespace;
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface RealServer extends Host {
  readonly name: string;
}

interface Port {
  readonly host: string;
  readonly device: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

interface Link {
  readonly near: Port; // at the director's end
  readonly far: Port;
  readonly mtu: number;
}

/** Links of one side, ordered outwards from the director. `ids` name the hosts from the director to the end. */
function chain(
  mtus: readonly number[],
  ids: readonly string[],
  device: string,
  subnet: (link: number) => string[],
): Link[] {
  return mtus.map((mtu, k) => {
    const [v4 = '', v6 = ''] = subnet(k);
    const port = (end: 'near' | 'far'): Port => ({
      host: ids[end === 'near' ? k : k + 1] ?? '',
      device: end === 'far' ? 'up0' : k === 0 ? device : 'down0',
      ipv4: `${v4}.${end === 'near' ? 1 : 2}`,
      ipv6: `${v6}::${end === 'near' ? 1 : 2}`,
    });
    return { near: port('near'), far: port('far'), mtu };
  });
}

const inner = (side: string, links: number): string[] =>
  Array.from({ length: links - 1 }, (_, k) => `${side}-router${k + 1}`);

export class Topology {
  static async create(options: TopologyOptions = {}): Promise<Topology> {
    const topology = new Topology(options);
    try {
      await topology.#build(options.offload ?? 'on');
      return topology;
    } catch (error) {
      await topology.remove();
      throw error;
    }
  }

  readonly client: Host;
  readonly director: Host;
  readonly servers: readonly RealServer[];
  /** Device of the director towards the client, and the MTU it has there. */
  readonly clientDevice = 'cli';
  readonly #prefix = freshPrefix();
  readonly #sides: readonly (readonly Link[])[];

  private constructor({ servers = 3, clientPath = [1500], serverPath = [1500] }: TopologyOptions) {
    const outwards = clientPath.toReversed();
    const clientLinks = chain(
      outwards,
      ['director', ...inner('c', outwards.length), 'client'],
      this.clientDevice,
      (k) => {
        const fromClient = outwards.length - k;
        return [`10.1.${fromClient}`, `fd00:1:${fromClient}`];
      },
    );
    const serverLinks = Array.from({ length: servers }, (_, s) => {
      const i = s + 1;
      const ids = ['director', ...inner(`s${i}`, serverPath.length), `rs${i}`];
      return chain(serverPath, ids, `srv${i}`, (k) => [`10.2.${i + 10 * k}`, `fd00:2:${i + 10 * k}`]);
    });
    this.#sides = [clientLinks, ...serverLinks];
    const host = (port: Port | undefined): Host => {
      if (port === undefined) throw new RangeError('a path needs at least one link');
      return { namespace: this.#namespace(port.host), ipv4: port.ipv4, ipv6: port.ipv6 };
    };
    this.client = host(clientLinks.at(-1)?.far);
    this.director = host(clientLinks[0]?.near);
    this.servers = serverLinks.map((links, s) => ({ ...host(links.at(-1)?.far), name: `rs${s + 1}` }));
  }

  async remove(): Promise<void> {
    await removeNamespaces(this.#hosts().map((host) => this.#prefix + host));
  }

  #namespace(host: string): Namespace {
    return new Namespace(this.#prefix + host);
  }

  #hosts(): string[] {
    return [...new Set(this.#sides.flat().flatMap(({ near, far }) => [near.host, far.host]))];
  }

  async #build(offload: 'on' | 'off'): Promise<void> {
    const hosts = this.#hosts();
    await createNamespaces(hosts.map((host) => this.#prefix + host));
    // Forwarding before addresses: turning it on later would flush IPv6 autoconfiguration in between.
    await Promise.all(hosts.map((host) => this.#namespace(host).sysctl(this.#settings(host))));
    for (const { near, far, mtu } of this.#sides.flat()) {
      const end = (port: Port): string => `name ${port.device} mtu ${mtu} netns ${this.#prefix}${port.host}`;
      await this.#namespace('director').ip([`link add ${end(near)} type veth peer ${end(far)}`]);
    }
    await Promise.all(hosts.map((host) => this.#namespace(host).ip(this.#addressing(host))));
    if (offload === 'off') await Promise.all(hosts.map((host) => this.#withoutOffload(host)));
  }

  #settings(host: string): Record<string, number | string> {
    const forwarding = host === 'director' || host.includes('router') ? 1 : 0;
    return {
      'net.ipv4.ip_forward': forwarding,
      'net.ipv6.conf.all.forwarding': forwarding,
      'net.ipv6.conf.default.accept_dad': 0,
      // The load tool opens tens of thousands of connections; they must not run into the ports of the last test.
      'net.ipv4.ip_local_port_range': '10000 65000',
    };
  }

  #ports(host: string): Port[] {
    return this.#sides.flat().flatMap(({ near, far }) => [near, far].filter((port) => port.host === host));
  }

  #addressing(host: string): string[] {
    const lines = ['link set lo up'];
    for (const { device, ipv4, ipv6 } of this.#ports(host)) {
      lines.push(
        `link set ${device} up`,
        `addr add ${ipv4}/24 dev ${device}`,
        `addr add ${ipv6}/64 dev ${device} nodad`,
      );
    }
    for (const links of this.#sides) lines.push(...routesAlong(links, host));
    return lines;
  }

  async #withoutOffload(host: string): Promise<void> {
    for (const { device } of this.#ports(host)) {
      const features = ['tx', 'rx', 'tso', 'gso', 'gro', 'sg'].flatMap((name) => [name, 'off']);
      await this.#namespace(host).must(['ethtool', '-K', device, ...features]);
    }
  }
}

/** Inwards everything goes towards the director; outwards each link beyond the next one is routed to its router. */
function routesAlong(links: readonly Link[], host: string): string[] {
  const lines: string[] = [];
  links.forEach(({ near, far }, k) => {
    if (far.host === host)
      lines.push(`route add default via ${near.ipv4}`, `route add default via ${near.ipv6}`);
    if (near.host !== host) return;
    for (const beyond of links.slice(k + 1)) {
      lines.push(
        `route add ${beyond.near.ipv4.replace(/\d+$/, '0')}/24 via ${far.ipv4}`,
        `route add ${beyond.near.ipv6.replace(/\d+$/, '')}/64 via ${far.ipv6}`,
      );
    }
  });
  return lines;
}
