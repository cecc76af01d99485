// SPDX-License-Identifier: Apache-2.0
/** A virtual service: each of its texts read into what it means, with the field it came from. */
import { familyOf, type Family } from '../../model/address.js';
import type { Listen } from '../../model/endpoint.js';
import type { DrainPolicy, Quorum, SlowStart } from '../../model/health.js';
import {
  longestPrefix,
  parseNetmask,
  persistenceEngines,
  type ClientNetwork,
  type Persistence,
} from '../../model/persistence.js';
import {
  helperNames,
  type HelperName,
  type SchedulerFlag,
  type VirtualService,
} from '../../model/service.js';
import { kernelTimeouts, type Timeouts } from '../../model/timeouts.js';
import { schedulerFlags } from '../../scheduler/index.js';
import type { Field } from '../field.js';
import type { Files } from '../files.js';
import { locate, several, type Located } from '../located.js';
import { placesOf, type MarkDraft } from '../marks.js';
import { draftHealth, type CheckDraft } from './health.js';
import type { FindScheduler } from '../schedulers.js';
import { readSeconds } from './read.js';
import { readScheduler } from './scheduler.js';
import { draftServers, draftSorryServers, type ServerDraft } from './server.js';
import { readDrain, readQuorum, readSlowStart } from './standing.js';

export interface ServiceDraft {
  readonly at: Field;
  readonly name: Located<string> | undefined;
  readonly listen: readonly Located<Listen>[];
  readonly scheduler: VirtualService['scheduler'] | undefined;
  readonly flags: readonly Located<SchedulerFlag>[];
  readonly servers: readonly ServerDraft[];
  readonly timeouts: Timeouts;
  readonly persistence: Persistence | null;
  readonly mark: Located<number> | undefined;
  readonly onePacket: Located<true> | undefined;
  readonly helper: Located<HelperName> | undefined;
  readonly health: readonly CheckDraft[];
  readonly slowStart: SlowStart | null;
  readonly drain: DrainPolicy;
  readonly quorum: Located<Quorum> | undefined;
  readonly sorryServers: readonly ServerDraft[];
}

/** What of the file around it a service may lean on. */
export interface Surroundings {
  readonly marks: readonly MarkDraft[];
  /** For services without checks of their own. */
  readonly health: readonly CheckDraft[];
  readonly files: Files;
  readonly find: FindScheduler;
}

export function draftService(at: Field, { marks, health, files, find }: Surroundings): ServiceDraft {
  const name = at.get('name');
  const routed = at.get('routed').isTrue();
  const mark = locate(at.get('mark'), at.get('mark').integer(1, 0xffffffff));
  const servers = draftServers(at.get('servers'), routed);
  const own = at.get('health');
  const onePacket = at.get('one_packet');
  const places = placesOf({ at, mark, servers }, marks);
  const [first] = places;
  return {
    at,
    name: locate(name, name.text()),
    listen: places,
    scheduler: readScheduler(at, find, {
      service: name.text() ?? '',
      protocols: [...new Set(places.map(({ value }) => value.protocol))],
      servers: servers.map(({ value }) => value),
    }),
    flags: at
      .get('flags')
      .items()
      .flatMap((flag) => several(flag, flag.word(...schedulerFlags))),
    servers,
    timeouts: readTimeouts(at.get('timeouts')),
    persistence: readPersistence(at.get('persistence'), first && familyOf(first.value.address)),
    mark,
    onePacket: onePacket.isTrue() ? { value: true, at: onePacket } : undefined,
    health: own.value === undefined ? health : draftHealth(own, files),
    slowStart: readSlowStart(at.get('slow_start')),
    drain: readDrain(at.get('drain')),
    quorum: locate(at.get('quorum'), readQuorum(at.get('quorum')) ?? undefined),
    sorryServers: draftSorryServers(at.get('sorry_server'), routed),
    helper: locate(at.get('helper'), at.get('helper').word(...helperNames)),
  };
}

/** Without a readable VIP the family is not known, and any netmask goes. */
function readPersistence(at: Field, family: Family = 'ipv6'): Persistence | null {
  if (at.value === undefined) return null;
  const netmask = at.get('netmask');
  const text = netmask.textOrNumber();
  let network: ClientNetwork = { prefixLength: longestPrefix(family) };
  if (text !== undefined && text !== 'full') {
    const parsed = parseNetmask(text, family);
    if (parsed.ok) network = parsed.value;
    else netmask.refuse(parsed);
  }
  const engine = at.get('engine').word(...persistenceEngines);
  return {
    timeoutSeconds: readSeconds(at.get('timeout')),
    ...network,
    ...(engine !== undefined && { engine }),
  };
}

function readTimeouts(at: Field): Timeouts {
  if (!at.isWritten) return kernelTimeouts;
  const names = Object.keys(kernelTimeouts) as readonly (keyof Timeouts)[];
  const read = names.map((name): [string, number] => [name, readSeconds(at.get(snakeCase(name)))]);
  return Object.fromEntries(read) as unknown as Timeouts;
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Only of a draft without problems. */
export function serviceOf(service: ServiceDraft): VirtualService {
  return {
    name: service.name?.value ?? '',
    listen: service.listen.map(({ value }) => value),
    scheduler: service.scheduler ?? 'wlc',
    flags: service.flags.map(({ value }) => value),
    servers: service.servers.map(({ value }) => value),
    timeouts: service.timeouts,
    persistence: service.persistence,
    mark: service.mark?.value ?? null,
    onePacket: service.onePacket !== undefined,
    helper: service.helper?.value ?? 'none',
    health: service.health.flatMap(({ check }) => (check === undefined ? [] : [check])),
    slowStart: service.slowStart,
    drain: service.drain,
    quorum: service.quorum?.value ?? null,
    sorryServers: service.sorryServers.map(({ value }) => value),
  };
}
