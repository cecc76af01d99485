// SPDX-License-Identifier: Apache-2.0
/**
 * Services while a list of operations is obeyed: found by place and by name, their servers by identity, and both in the
 * order they are listed. A list may be long and the services many, so no operation may look at all of them; what it costs
 * is what it names. What nobody touched is the very object it was.
 */
import {
  formatEndpoint,
  formatListen,
  parseServer,
  serverId,
  type RealServer,
  type VirtualService,
} from '../model/index.js';
import { asPlace, placesOf } from './service-key.js';

export type ServiceSettings = Omit<VirtualService, 'servers'>;

export class DraftServices {
  readonly #byName = new Map<string, DraftService>();
  readonly #byPlace = new Map<string, DraftService>();

  constructor(services: readonly VirtualService[]) {
    for (const service of services) this.#enter(new DraftService(service));
  }

  get list(): readonly VirtualService[] {
    return Array.from(this.#byName.values(), (draft) => draft.service);
  }

  /** As findService() of the list. */
  find(text: string): DraftService | undefined {
    return this.#byPlace.get(asPlace(text)) ?? this.#byName.get(text);
  }

  hasName(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Both its name and its places must be new. `before` is what was in its place before all operations. */
  add(service: VirtualService, before: VirtualService | undefined): void {
    this.#enter(new DraftService(service, before));
  }

  delete(draft: DraftService): void {
    this.#byName.delete(draft.settings.name);
    for (const place of placesOf(draft.settings)) this.#byPlace.delete(place);
  }

  /** It goes on at its other places. */
  deletePlace(draft: DraftService, text: string): void {
    const place = asPlace(text);
    draft.set({ listen: draft.settings.listen.filter((one) => formatListen(one) !== place) });
    this.#byPlace.delete(place);
  }

  clear(): void {
    this.#byName.clear();
    this.#byPlace.clear();
  }

  setAll(change: (settings: ServiceSettings) => Partial<ServiceSettings>): void {
    for (const draft of this.#byName.values()) draft.set(change(draft.settings));
  }

  #enter(draft: DraftService): void {
    this.#byName.set(draft.settings.name, draft);
    for (const place of placesOf(draft.settings)) this.#byPlace.set(place, draft);
  }
}

export class DraftService {
  readonly #before: VirtualService | undefined;
  #service: VirtualService;
  /** By identity; undefined until one of them is asked for. */
  #serversBefore: ReadonlyMap<string, RealServer> | undefined;
  /** In their order; undefined while they are those of #service. */
  #servers: Map<string, RealServer> | undefined;

  constructor(service: VirtualService, before: VirtualService | undefined = service) {
    this.#service = service;
    this.#before = before;
  }

  get settings(): ServiceSettings {
    return this.#service;
  }

  get service(): VirtualService {
    return this.#servers === undefined
      ? this.#service
      : { ...this.#service, servers: [...this.#servers.values()] };
  }

  /** Anything but its name. */
  set(settings: Partial<Omit<ServiceSettings, 'name'>>): void {
    this.#service = { ...this.#service, ...settings };
  }

  server(text: string): RealServer | undefined {
    return this.#now().get(identityOf(text));
  }

  /** As it was before all operations. */
  serverBefore(text: string): RealServer | undefined {
    this.#serversBefore ??= byIdentity(this.#before?.servers ?? []);
    return this.#serversBefore.get(identityOf(text));
  }

  /** In the place of the one with its identity, or as the last. */
  setServer(server: RealServer): void {
    this.#now().set(serverId(server), server);
  }

  deleteServer(text: string): void {
    this.#now().delete(identityOf(text));
  }

  #now(): Map<string, RealServer> {
    return (this.#servers ??= byIdentity(this.#service.servers));
  }
}

const byIdentity = (servers: readonly RealServer[]): Map<string, RealServer> =>
  new Map(servers.map((server) => [serverId(server), server]));

/** However it is spelt. */
function identityOf(text: string): string {
  const endpoint = parseServer(text);
  return endpoint.ok ? formatEndpoint(endpoint.value) : text;
}
