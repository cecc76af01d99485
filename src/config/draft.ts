// SPDX-License-Identifier: Apache-2.0
/**
 * Document to drafts: every text read into what it means, each with its field, so that the checks between services
 * can run over whatever was readable. When nothing was wrong at all, a draft is complete and becomes the model.
 */
import { familyOf, type Family } from '../model/address.js';
import { parseEndpoint, parseServer, type Endpoint, type Listen } from '../model/endpoint.js';
import type { Model } from '../model/model.js';
import { mistake, type Parsed } from '../model/parsed.js';
import { longestPrefix, parseNetmask, type ClientNetwork, type Persistence } from '../model/persistence.js';
import {
  helperNames,
  patientDrain,
  type HelperName,
  type RealServer,
  type SchedulerFlag,
  type SchedulerName,
  type VirtualService,
} from '../model/service.js';
import { kernelTimeouts, type Timeouts } from '../model/timeouts.js';
import { parseWeight } from '../model/weight.js';
import { schedulerFlags, schedulerNames } from '../scheduler/index.js';
import { Field } from './field.js';
import { ipvsSettings } from './ipvs.js';
import { locate, several, type Located } from './located.js';
import { draftMarks, markRuleOf, placesOf, type MarkDraft } from './marks.js';
import { parseDuration, parseSize } from './units.js';

export interface ServerDraft extends Located<RealServer> {
  /** Where the address itself stands; the same as `at` in the short form. */
  readonly address: Field;
}

export interface ServiceDraft {
  readonly at: Field;
  readonly name: Located<string> | undefined;
  readonly listen: readonly Located<Listen>[];
  readonly scheduler: SchedulerName | undefined;
  readonly flags: readonly Located<SchedulerFlag>[];
  readonly servers: readonly ServerDraft[];
  readonly timeouts: Timeouts;
  readonly persistence: Persistence | null;
  readonly mark: Located<number> | undefined;
  readonly onePacket: Located<true> | undefined;
  readonly helper: Located<HelperName> | undefined;
}

export interface Draft {
  readonly root: Field;
  readonly services: readonly ServiceDraft[];
  readonly marks: readonly MarkDraft[];
  readonly flowCapacity: number;
  readonly metricsListen: Located<Endpoint> | undefined;
}

export function draft(root: Field): Draft {
  const marks = draftMarks(root.get('marks'));
  return {
    root,
    services: root
      .get('services')
      .items()
      .map((service) => draftService(service, marks)),
    marks,
    flowCapacity: readCapacity(root.get('flows').get('capacity')),
    metricsListen: readMetricsListen(root.get('metrics').get('listen')),
  };
}

/** Only of a draft without problems. The fallbacks below repeat no default: nothing here is ever missing then. */
export function modelOf({ root, services, marks, flowCapacity, metricsListen }: Draft): Model {
  const tun = root.get('tun');
  const log = root.get('log');
  return {
    services: services.map(serviceOf),
    marks: marks.map(markRuleOf),
    tun: {
      name: tun.get('name').text() ?? '',
      queues: tun.get('queues').integer(1, 256) ?? 'auto',
      offload: tun.get('offload').word('auto', 'off') ?? 'auto',
      mtu: tun.get('mtu').integer(1280, 65535) ?? 0,
      steering: tun.get('steering').word('auto', 'off', 'random') ?? 'auto',
      persist: false,
    },
    flows: { capacity: flowCapacity },
    admin: { socket: root.get('admin').get('socket').text() ?? '' },
    metrics: { listen: metricsListen?.value ?? null },
    log: {
      level: log.get('level').word('trace', 'debug', 'info', 'warn', 'error', 'fatal') ?? 'info',
      format: log.get('format').word('text', 'json') ?? 'text',
    },
    ipvs: ipvsSettings(root.get('ipvs')),
  };
}

function serviceOf(service: ServiceDraft): VirtualService {
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
    health: [],
    slowStart: null,
    drain: patientDrain,
    quorum: null,
    sorryServers: [],
  };
}

function draftService(at: Field, marks: readonly MarkDraft[]): ServiceDraft {
  const name = at.get('name');
  const routed = at.get('routed').isTrue();
  const mark = locate(at.get('mark'), at.get('mark').integer(1, 0xffffffff));
  const servers = at
    .get('servers')
    .items()
    .flatMap((server) => draftServer(server, routed));
  const onePacket = at.get('one_packet');
  const places = placesOf({ at, mark, servers }, marks);
  const [first] = places;
  return {
    at,
    name: locate(name, name.text()),
    listen: places,
    scheduler: at.get('scheduler').word(...schedulerNames),
    flags: at
      .get('flags')
      .items()
      .flatMap((flag) => several(flag, flag.word(...schedulerFlags))),
    servers,
    timeouts: readTimeouts(at.get('timeouts')),
    persistence: readPersistence(at.get('persistence'), first && familyOf(first.value.address)),
    mark,
    onePacket: onePacket.isTrue() ? { value: true, at: onePacket } : undefined,
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
  return { timeoutSeconds: readSeconds(at.get('timeout')), ...network };
}

function draftServer(at: Field, serviceIsRouted: boolean): readonly ServerDraft[] {
  const address = at.text() === undefined ? at.get('address') : at;
  const endpoint = address.parse(parseServer);
  if (endpoint === undefined) return [];
  // The short form has no keys to read a weight from, and so the weight every server has.
  const weight = parseWeight(at.text() === undefined ? at.get('weight').value : 1);
  if (!weight.ok) return [];
  const value = {
    ...endpoint,
    weight: weight.value,
    upperThreshold: at.get('max_connections').integer(0, 0xffffffff) ?? 0,
    lowerThreshold: at.get('resume_connections').integer(0, 0xffffffff) ?? 0,
    routed: serviceIsRouted || at.get('routed').isTrue(),
    backup: false,
    disabled: false,
    checked: true,
  };
  return [{ at, address, value }];
}

function readTimeouts(at: Field): Timeouts {
  const names = Object.keys(kernelTimeouts) as readonly (keyof Timeouts)[];
  const read = names.map((name): [string, number] => [name, readSeconds(at.get(snakeCase(name)))]);
  return Object.fromEntries(read) as unknown as Timeouts;
}

const longestTimeout = 30 * 24 * 3600;

/** 0 after a complaint; such a draft never becomes a model. */
function readSeconds(at: Field): number {
  const text = at.textOrNumber();
  if (text === undefined) return 0;
  const duration = parseDuration(text);
  const seconds = duration.ok ? duration.value / 1000 : NaN;
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= longestTimeout) return seconds;
  at.refuse(
    duration.ok
      ? { must: 'be 1s..30d in whole seconds' }
      : {
          must: 'be a duration of 1s..30d in whole seconds',
          hint: 'write 300s, 5m, 2h or a number of seconds',
        },
  );
  return 0;
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function readCapacity(at: Field): number {
  const text = at.textOrNumber();
  if (text === undefined) return 0;
  const size = parseSize(text);
  if (size.ok && size.value >= 1024 && size.value <= 67_108_864) return size.value;
  at.refuse({ must: 'be 1024..67108864', hint: 'write a number, 256k or 1M' });
  return 0;
}

function readMetricsListen(at: Field): Located<Endpoint> | undefined {
  if (at.text() === 'off') return undefined;
  return locate(at, at.parse(parseMetricsListen));
}

function parseMetricsListen(text: string): Parsed<Endpoint> {
  const endpoint = parseEndpoint(text);
  if (endpoint.ok) return endpoint;
  const everywhere = /^(?:\*)?:(\d+)$/.exec(text);
  const hint = everywhere === null ? endpoint.hint : `write 0.0.0.0:${everywhere[1] ?? ''} for every address`;
  return mistake('be off or address:port like 127.0.0.1:9191', hint);
}
