// SPDX-License-Identifier: Apache-2.0
/** virtual_server blocks as services. What keepalived says once for each server, vsnat says once for the service. */
import { flagOf } from '../../ipvsadm/index.js';
import { schedulerFlags } from '../../scheduler/index.js';
import type { Notes, Place } from '../note.js';
import {
  listenText,
  markUnfinished,
  nameFrom,
  withPort,
  type CheckDocument,
  type ConvertedService,
  type Names,
  type ServerDocument,
  type ServiceDocument,
} from '../service.js';
import type { Group, Vip } from './addresses.js';
import { isChecker, readCheckers } from './checkers.js';
import { mistake } from './lines.js';
import { Block, type Statement } from './tree.js';
import { tellMore } from './words.js';

/** What the rest of the file says about its services. */
export interface Surroundings {
  readonly groups: ReadonlyMap<string, Group>;
  readonly ssl: Block | null;
  /** lvs_timeouts of global_defs, as `timeouts`. */
  readonly timeouts: Readonly<Record<string, string>> | undefined;
  readonly names: Names;
  readonly notes: Notes;
}

const scripts =
  'no scripts are run; follow `vsnat events --follow --json`, or alert on the metrics (docs/metrics.md)';
const mail = 'no mail is sent; alert on the metrics (docs/metrics.md)';
const natOnly =
  'NAT is all there is: the servers need their default route through this director, and no VIP on their loopback';

/** Settings without counterpart, of virtual_server and real_server alike. */
const lost: Readonly<Record<string, string>> = {
  quorum_up: scripts,
  quorum_down: scripts,
  notify_up: scripts,
  notify_down: scripts,
  smtp_alert: mail,
  ha_suspend: 'checks go on whether or not this host has the VIP',
  sorry_server_inhibit: 'sorry servers are not checked',
};

/** Read here, or the way vsnat works anyway: a first answer decides at once, starts are spread, failed servers stay with weight 0. */
const understood = new Set(
  (
    'delay_loop lb_algo lvs_sched lvs_scheduler lb_kind lvs_method sorry_server_lvs_method hashed flag-1 flag-2 flag-3 ' +
    'sh-port sh-fallback mh-port mh-fallback ops persistence_engine persistence_timeout persistence_granularity protocol ' +
    'virtualhost snmp_name alpha omega quorum hysteresis ip_family sorry_server connect_timeout retry delay_before_retry ' +
    'warmup inhibit_on_failure real_server weight uthreshold lthreshold log_all_failures'
  ).split(' '),
);

/** One service for each protocol address list, one for each mark. */
export function readService(statement: Statement, around: Surroundings): readonly ConvertedService[] {
  const { vips, marks, title } = placesOf(statement, around);
  const service = new Block(statement);
  tellMore(statement, around.notes);
  tellLost(service, around.notes);
  const common = settingsOf(statement, around);
  const protocol = (service.text('protocol') ?? 'TCP').toLowerCase();
  const name = nameFrom(service.text('snmp_name') ?? title ?? placeName(protocol, vips[0], marks[0]));
  const listen = vips.map(({ address, port }) => listenText(protocol, address, port));
  const { place } = statement;
  const [only] = listen;
  const made: ConvertedService[] = [];
  if (only !== undefined) {
    const document = {
      name: around.names.unique(name),
      listen: listen.length === 1 ? only : listen,
      ...common,
    };
    made.push({ place, document, unfinished: null });
  }
  for (const mark of marks) {
    const document = {
      name: around.names.unique(listen.length === 0 && marks.length === 1 ? name : nameFrom(`mark-${mark}`)),
      listen: [],
      mark,
      ...common,
    };
    around.notes.add(place, `fwmark ${mark}`, markUnfinished(mark));
    made.push({ place, document, unfinished: markUnfinished(mark) });
  }
  return made;
}

const placeName = (protocol: string, vip: Vip | undefined, mark: number | undefined): string =>
  vip === undefined ? `mark-${mark ?? 0}` : `${protocol}-${vip.address.replaceAll(':', '-')}-${vip.port}`;

function placesOf(
  { words: [, first, second = '0'], place }: Statement,
  { groups }: Surroundings,
): Group & { readonly title?: string } {
  if (first === undefined) throw mistake(place, 'virtual_server must name an address, a fwmark or a group');
  if (first === 'fwmark') return { vips: [], marks: [Number(second)] };
  if (first !== 'group') return { vips: [{ address: first, port: Number(second) }], marks: [] };
  const group = groups.get(second);
  if (group === undefined) throw mistake(place, `virtual_server_group ${second} must exist`);
  return { ...group, title: second };
}

function tellLost(block: Block, notes: Notes): void {
  for (const statement of block.statements) {
    const { words, place } = statement;
    const [key = '', value = ''] = words;
    const sentence = Object.hasOwn(lost, key) ? lost[key] : undefined;
    if (sentence !== undefined) notes.add(place, key, sentence);
    else if (/^(?:lb_kind|(?:sorry_server_)?lvs_method)$/.test(key) && value.toUpperCase() !== 'NAT')
      notes.add(place, `${key} ${value}`, natOnly);
    else if (!understood.has(key) && !isChecker(key)) notes.add(place, key, 'is not known here; left out');
    else tellMore(statement, notes);
  }
}

function settingsOf(
  statement: Statement,
  around: Surroundings,
): Omit<ServiceDocument, 'name' | 'listen' | 'mark'> {
  const service = new Block(statement);
  const scheduler = service.text('lvs_sched', 'lvs_scheduler', 'lb_algo') ?? 'wlc';
  const flags = flagsOf(service, scheduler, around.notes);
  const { servers, health } = readServers(service, around);
  const [, sorry, sorryPort = '0'] = service.last('sorry_server')?.words ?? [];
  const quorum = service.number('quorum') ?? 1;
  const hysteresis = service.number('hysteresis') ?? 0;
  if (sorry === undefined && quorum > 1) {
    const place = service.last('quorum')?.place ?? statement.place;
    around.notes.add(place, 'quorum', 'says when a sorry_server serves, and there is none; left out');
  }
  const persistence = persistenceOf(service, around.notes);
  return {
    scheduler,
    ...(flags.length === 0 ? {} : { flags }),
    ...(persistence === undefined ? {} : { persistence }),
    ...(service.isOn('ops') ? { one_packet: true as const } : {}),
    ...(around.timeouts === undefined ? {} : { timeouts: around.timeouts }),
    ...(health.length === 0 ? {} : { health: health.length === 1 && health[0] ? health[0] : health }),
    ...(sorry === undefined ? {} : quorumOf(quorum, hysteresis)),
    ...(sorry === undefined ? {} : { sorry_server: withPort(sorry, Number(sorryPort)) }),
    servers,
  };
}

/** One server that works is what a service needs anyway. */
const quorumOf = (weight: number, hysteresis: number): Pick<ServiceDocument, 'quorum'> =>
  hysteresis > 0 ? { quorum: { weight, hysteresis } } : weight > 1 ? { quorum: weight } : {};

function flagsOf(service: Block, scheduler: string, notes: Notes): readonly string[] {
  const named = schedulerFlags.flatMap((flag) => {
    const statement = service.isOn(flag) ? service.last(flag) : undefined;
    if (statement === undefined) return [];
    if (flag.startsWith(`${scheduler}-`)) return [flag];
    notes.add(statement.place, flag, `means nothing to the scheduler ${scheduler}; left out`);
    return [];
  });
  const numbered = [1, 2].flatMap((number) =>
    service.isOn(`flag-${number}`) ? (flagOf(scheduler, number) ?? []) : [],
  );
  return [...new Set([...named, ...numbered])];
}

function persistenceOf(service: Block, notes: Notes): Readonly<Record<string, unknown>> | undefined {
  const engine = service.text('persistence_engine');
  const timeout = service.last('persistence_timeout');
  if (engine !== undefined && engine !== 'sip')
    notes.add(
      service.last('persistence_engine')?.place ?? noPlace,
      'persistence_engine',
      `there is no ${engine}, only sip`,
    );
  if (timeout === undefined && engine === undefined) return undefined;
  if (service.number('persistence_timeout') === 0) return undefined; // ipvs takes 0 for none
  const netmask = service.text('persistence_granularity');
  return {
    timeout: `${service.number('persistence_timeout') ?? 360}s`,
    ...(netmask === undefined ? {} : { netmask: /^\d+$/.test(netmask) ? Number(netmask) : netmask }),
    ...(engine === 'sip' ? { engine } : {}),
  };
}

const noPlace: Place = { file: '', line: 0 };

interface ReadServer {
  readonly place: Place;
  readonly document: ServerDocument;
  readonly checks: readonly CheckDocument[];
}

function readServers(
  service: Block,
  around: Surroundings,
): { readonly servers: readonly ServerDocument[]; readonly health: readonly CheckDocument[] } {
  const read = service.all('real_server').map((statement) => readServer(statement, service, around));
  const health = commonest(read.map(({ checks }) => checks).filter((checks) => checks.length > 0));
  const servers = read.map(({ document, checks, place }): ServerDocument => {
    if (checks.length === 0 && health.length > 0) return { ...document, health: 'off' };
    if (JSON.stringify(checks) !== JSON.stringify(health)) {
      around.notes.add(
        place,
        `real_server ${document.address}`,
        'is checked otherwise than most of its service; checks are the service’s here, so it gets the same as the others',
      );
    }
    return document;
  });
  return { servers, health };
}

function readServer(statement: Statement, service: Block, around: Surroundings): ReadServer {
  const { place, words } = statement;
  const [, address, port = '0'] = words;
  if (address === undefined) throw mistake(place, 'real_server must have an address');
  const server = new Block(statement);
  tellLost(server, around.notes);
  const [weight, upper, lower] = ['weight', 'uthreshold', 'lthreshold'].map((name) => server.number(name));
  const document = {
    address: withPort(address, Number(port)),
    ...(weight === undefined || weight === 1 ? {} : { weight: Math.min(weight, 65_535) }),
    ...(upper === undefined || upper === 0 ? {} : { max_connections: upper }),
    ...(lower === undefined || lower === 0 ? {} : { resume_connections: lower }),
  };
  const { ssl, notes } = around;
  return {
    place,
    document,
    checks: readCheckers({ server, service, ssl, address, port: Number(port), notes }),
  };
}

/** The list that occurs most often; the first of those that tie. */
function commonest(lists: readonly (readonly CheckDocument[])[]): readonly CheckDocument[] {
  const counts = new Map<string, number>();
  for (const list of lists) counts.set(JSON.stringify(list), (counts.get(JSON.stringify(list)) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  return lists.find((list) => counts.get(JSON.stringify(list)) === most) ?? [];
}
