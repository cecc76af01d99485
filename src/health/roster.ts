// SPDX-License-Identifier: Apache-2.0
/**
 * Who is checked, and by which probes, as the configuration says it now. A change costs what it changes: services whose
 * checks and servers are as they were are only looked at.
 */
import type { Model, VirtualService } from '../model/index.js';
import { CheckedServer } from './checked-server.js';
import { Probe } from './probe.js';
import { wantedServers, wantsTheSame, type CheckKeys, type WantedServer } from './wanted.js';

interface Member {
  readonly service: VirtualService;
  readonly servers: readonly CheckedServer[];
}

/** What another configuration has made different. */
export interface RosterChange {
  readonly begun: readonly Probe[];
  readonly ended: readonly Probe[];
  readonly left: ReadonlySet<CheckedServer>;
  /** They share a probe that has its answer already. */
  readonly judged: readonly CheckedServer[];
}

export class Roster {
  /** In the order of the configuration. */
  #members: ReadonlyMap<string, Member> = new Map();
  readonly #servers = new Map<string, CheckedServer>();
  readonly #probes = new Map<string, Probe>();
  /** Who wants to know what a probe finds. */
  readonly #listeners = new Map<Probe, Set<CheckedServer>>();

  get probes(): Iterable<Probe> {
    return this.#probes.values();
  }

  get probeCount(): number {
    return this.#probes.size;
  }

  get servers(): readonly CheckedServer[] {
    return [...this.#members.values()].flatMap(({ servers }) => servers);
  }

  find(service: string, server: string): CheckedServer | undefined {
    return this.#servers.get(serverKey(service, server));
  }

  listenersOf(probe: Probe): Iterable<CheckedServer> {
    return this.#listeners.get(probe) ?? [];
  }

  follow({ services }: Model, wall: number): RosterChange {
    const before = this.#members;
    const members = new Map<string, Member>();
    const keys: CheckKeys = new Map();
    const begun: Probe[] = [];
    const judged: CheckedServer[] = [];
    const left = new Set<CheckedServer>();
    const released = new Set<Probe>();
    for (const service of services) {
      const known = before.get(service.name);
      const isAsBefore = known !== undefined && wantsTheSame(known.service, service);
      const servers = isAsBefore
        ? known.servers
        : wantedServers(service, keys).map((wanted) =>
            this.#admit(wanted, wall, { begun, judged, released }),
          );
      members.set(service.name, { service, servers });
      if (isAsBefore || known === undefined) continue;
      const stay = new Set(servers);
      for (const server of known.servers) if (!stay.has(server)) left.add(server);
    }
    for (const [name, { servers }] of before)
      if (!members.has(name)) for (const server of servers) left.add(server);
    this.#members = members;
    for (const server of left) this.#dismiss(server, released);
    const ended = [...released].filter((probe) => this.#listeners.get(probe)?.size === 0);
    for (const probe of ended) {
      this.#probes.delete(probe.wanted.key);
      this.#listeners.delete(probe);
    }
    return { begun, ended, left, judged };
  }

  #admit(
    wanted: WantedServer,
    wall: number,
    news: {
      readonly begun: Probe[];
      readonly judged: CheckedServer[];
      readonly released: Set<Probe>;
    },
  ): CheckedServer {
    const key = serverKey(wanted.service, wanted.server);
    let server = this.#servers.get(key);
    if (server === undefined)
      this.#servers.set(key, (server = new CheckedServer(wanted.service, wanted.server, wall)));
    const own = wanted.probes.map((probe) => {
      let found = this.#probes.get(probe.key);
      if (found === undefined) {
        this.#probes.set(probe.key, (found = new Probe(probe)));
        this.#listeners.set(found, new Set());
        news.begun.push(found);
      }
      return found;
    });
    if (sameProbes(server.probes, own)) return server;
    for (const probe of own) this.#listeners.get(probe)?.add(server);
    const kept = new Set(own);
    for (const probe of server.probes) if (!kept.has(probe)) this.#release(probe, server, news.released);
    const { verdict } = server;
    server.setProbes(own, wall);
    if (verdict !== server.verdict) news.judged.push(server);
    return server;
  }

  #dismiss(server: CheckedServer, released: Set<Probe>): void {
    this.#servers.delete(serverKey(server.service, server.server));
    for (const probe of server.probes) this.#release(probe, server, released);
  }

  #release(probe: Probe, server: CheckedServer, released: Set<Probe>): void {
    this.#listeners.get(probe)?.delete(server);
    released.add(probe);
  }
}

const serverKey = (service: string, server: string): string => `${server} ${service}`;

const sameProbes = (a: readonly Probe[], b: readonly Probe[]): boolean =>
  a.length === b.length && a.every((probe, index) => probe === b[index]);
