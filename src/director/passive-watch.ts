// SPDX-License-Identifier: Apache-2.0
/**
 * Looks at what clients meet, a few times a second, and tells the checks whom to ask sooner. Only servers with a check that
 * listens (`passive`) are looked at, and of them only those that had packets reach JavaScript; the more there are, the
 * rarer the looks. A look at 100,000 servers that all have news takes some 40 ms.
 */
import type { Dataplane } from '../dataplane/dataplane.js';
import { decodeSigns, watchSigns, type SignsWatch } from '../dataplane/signs.js';
import type { Clock } from '../health/clock.js';
import type { CheckedState, HealthMonitor } from '../health/state.js';
import { serverId, type VirtualService } from '../model/index.js';
import type { Events } from './events.js';
import type { PlacedService } from './report.js';
import { Suspicion } from './suspicion.js';

/** No handshake takes that long on one site. */
const shortestLookMs = 250;
/** A server more delays the next look by so much: a hundred thousand are looked at once a second. */
const lookMsPerServer = 0.01;

interface Watched {
  readonly service: string;
  readonly server: string;
  readonly slot: number;
}

interface WatchedService {
  readonly service: VirtualService;
  readonly placed: PlacedService;
  readonly servers: readonly Watched[];
}

export interface PassiveParts {
  readonly dataplane: Pick<Dataplane, 'signs'>;
  readonly monitor: HealthMonitor;
  readonly events: Events;
  readonly clock: Clock;
}

export class PassiveWatch {
  readonly #parts: PassiveParts;
  readonly #suspicion = new Suspicion();
  #services: ReadonlyMap<string, WatchedService> = new Map();
  #watched: readonly Watched[] = [];
  #watch: SignsWatch = watchSigns([]);
  #cancel: (() => void) | undefined;

  constructor(parts: PassiveParts) {
    this.#parts = parts;
  }

  /** These services are looked at from now on, where their checks listen. */
  follow(services: Iterable<readonly [VirtualService, PlacedService]>): void {
    const before = this.#services;
    const followed = new Map<string, WatchedService>();
    for (const [service, placed] of services) {
      if (!service.health.some(({ passive }) => passive)) continue;
      const known = before.get(service.name);
      const isSame = known?.service === service && known.placed.servers === placed.servers;
      followed.set(service.name, isSame ? known : watchedService(service, placed));
    }
    const all = [...followed.values()];
    const isSame = all.length === before.size && all.every((one) => before.get(one.service.name) === one);
    this.#services = followed;
    if (isSame) return;
    this.#watched = all.flatMap(({ servers }) => servers);
    const slots = this.#watched.map(({ slot }) => slot);
    this.#watch = watchSigns(slots);
    this.#suspicion.keepOnly(new Set(slots));
    if (this.#watched.length > 0) this.#cancel ??= this.#later();
  }

  /** What clients meet at a server that is down says nothing new, and it comes back with a clean sheet. */
  hear(states: readonly CheckedState[]): void {
    for (const { service, server, verdict } of states) {
      if (verdict !== 'down') continue;
      const slot = this.#services.get(service)?.servers.find((one) => one.server === server)?.slot;
      if (slot !== undefined) this.#suspicion.forget(slot);
    }
  }

  close(): void {
    this.#cancel?.();
    this.#watched = [];
  }

  #later(): () => void {
    const wait = Math.max(shortestLookMs, this.#watched.length * lookMsPerServer);
    return this.#parts.clock.after(wait, () => {
      this.#cancel = undefined;
      if (this.#watched.length === 0) return;
      this.#look();
      this.#cancel = this.#later();
    });
  }

  #look(): void {
    const { dataplane, clock } = this.#parts;
    const rows = dataplane.signs(this.#watch);
    const bySlot = new Map<number, Watched>();
    const suspected = this.#suspicion.look(clock.now(), (take) => {
      decodeSigns(rows, (place, signs) => {
        const watched = this.#watched[place];
        if (watched === undefined) return;
        bySlot.set(watched.slot, watched);
        take(watched.slot, signs);
      });
    });
    for (const [slot, why] of suspected) {
      const watched = bySlot.get(slot) ?? this.#watched.find((one) => one.slot === slot);
      if (watched !== undefined) this.#suspect(watched, why);
    }
  }

  #suspect({ service, server }: Watched, why: string): void {
    const { monitor, events } = this.#parts;
    const before = monitor.state(service, server);
    if (before === undefined || before.suspect || before.verdict === 'down') return;
    monitor.suspect(service, server, why);
    if (monitor.state(service, server)?.suspect !== true) return;
    events.record({
      kind: 'health',
      service,
      server,
      text: `server ${server} of ${service} is suspect and checked sooner: ${why}`,
      detail: { what: 'suspect', why },
    });
  }
}

function watchedService(service: VirtualService, placed: PlacedService): WatchedService {
  const checked = new Set(service.servers.filter((server) => server.checked).map(serverId));
  const servers = placed.servers
    .filter(({ server }) => checked.has(server))
    .map(({ server, slot }) => ({ service: service.name, server, slot }));
  return { service, placed, servers };
}
