// SPDX-License-Identifier: Apache-2.0
/**
 * Looks at what clients meet, a few times a second, and tells the checks whom to ask sooner. Only servers with a check that
 * listens (`passive`) are looked at, and of them only those that had packets reach JavaScript. The more there are, the rarer
 * each is looked at; and never more than a few thousand in one go, because nothing else happens meanwhile.
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
/** In one go. */
export const mostPerLook = 8192;

interface Watched {
  readonly service: string;
  readonly server: string;
  readonly slot: number;
}

/** What one look is at. */
interface Part {
  readonly watched: readonly Watched[];
  readonly bySlot: ReadonlyMap<number, Watched>;
  readonly watch: SignsWatch;
}

interface WatchedService {
  readonly service: VirtualService;
  readonly placed: PlacedService;
  readonly servers: readonly Watched[];
  readonly slots: ReadonlyMap<string, number>;
}

export interface PassiveMeans {
  readonly dataplane: Pick<Dataplane, 'signs'>;
  readonly monitor: HealthMonitor;
  readonly events: Events;
  readonly clock: Clock;
}

export class PassiveWatch {
  readonly #means: PassiveMeans;
  readonly #suspicion = new Suspicion();
  #services: ReadonlyMap<string, WatchedService> = new Map();
  #parts: readonly Part[] = [];
  #next = 0;
  /** Milliseconds from one look at a server to the next. */
  #period = shortestLookMs;
  #cancel: (() => void) | undefined;

  constructor(means: PassiveMeans) {
    this.#means = means;
  }

  /** These services are looked at from now on, where their checks listen. */
  follow(services: Iterable<readonly [VirtualService, PlacedService]>): void {
    const before = this.#services;
    const followed = new Map<string, WatchedService>();
    for (const [service, placed] of services) {
      if (!service.health.some(({ passive }) => passive)) continue;
      const known = before.get(service.name);
      const isSame = known?.service === service && known.placed.servers === placed.servers;
      followed.set(service.name, isSame ? known : watchedService(service, placed, known));
    }
    const all = [...followed.values()];
    const isSame =
      all.length === before.size &&
      all.every(({ service, servers }) => before.get(service.name)?.servers === servers);
    this.#services = followed;
    if (isSame) return;
    const watched = all.flatMap(({ servers }) => servers);
    this.#parts = Array.from({ length: Math.ceil(watched.length / mostPerLook) }, (_, index) =>
      partOf(watched.slice(index * mostPerLook, (index + 1) * mostPerLook)),
    );
    this.#period = Math.max(shortestLookMs, watched.length * lookMsPerServer);
    this.#suspicion.keepOnly(new Set(watched.map(({ slot }) => slot)));
    if (this.#parts.length > 0) this.#cancel ??= this.#later();
  }

  /** What clients meet at a server that is down says nothing new, and it comes back with a clean sheet. */
  hear(states: readonly CheckedState[]): void {
    for (const { service, server, verdict } of states) {
      if (verdict !== 'down') continue;
      const slot = this.#services.get(service)?.slots.get(server);
      if (slot !== undefined) this.#suspicion.forget(slot);
    }
  }

  close(): void {
    this.#cancel?.();
    this.#parts = [];
  }

  #later(): () => void {
    return this.#means.clock.after(this.#period / this.#parts.length, () => {
      this.#cancel = undefined;
      const part = this.#parts[this.#next % this.#parts.length];
      if (part === undefined) return;
      this.#next = (this.#next + 1) % this.#parts.length;
      this.#look(part);
      this.#cancel = this.#later();
    });
  }

  #look({ watched, bySlot, watch }: Part): void {
    const { dataplane, clock } = this.#means;
    const rows = dataplane.signs(watch);
    const suspected = this.#suspicion.look(
      clock.now(),
      (take) =>
        decodeSigns(rows, (place, signs) => {
          const slot = watched[place]?.slot;
          if (slot !== undefined) take(slot, signs);
        }),
      (slot) => bySlot.has(slot),
    );
    for (const [slot, why] of suspected) {
      const server = bySlot.get(slot);
      if (server !== undefined) this.#suspect(server, why);
    }
  }

  #suspect({ service, server }: Watched, why: string): void {
    const { monitor, events } = this.#means;
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

const partOf = (watched: readonly Watched[]): Part => ({
  watched,
  bySlot: new Map(watched.map((server) => [server.slot, server])),
  watch: watchSigns(watched.map(({ slot }) => slot)),
});

/** `before`: the same service, whose servers are taken over where they are the same, and so the looks at them. */
function watchedService(
  service: VirtualService,
  placed: PlacedService,
  before: WatchedService | undefined,
): WatchedService {
  const checked = new Set(service.servers.filter((server) => server.checked).map(serverId));
  const servers = placed.servers
    .filter(({ server }) => checked.has(server))
    .map(({ server, slot }) => ({ service: service.name, server, slot }));
  if (before !== undefined && areSame(servers, before.servers)) return { ...before, service, placed };
  const slots = new Map(servers.map(({ server, slot }) => [server, slot]));
  return { service, placed, servers, slots };
}

const areSame = (a: readonly Watched[], b: readonly Watched[]): boolean =>
  a.length === b.length &&
  a.every(({ server, slot }, index) => server === b[index]?.server && slot === b[index].slot);
