// SPDX-License-Identifier: Apache-2.0
/** What one key cannot say about another: duplicates, address families, addresses that cannot be, flags that do not fit. */
import { familyOf, scopeOf, type Family, type IpAddress } from '../model/address.js';
import { formatListen, type Listen } from '../model/endpoint.js';
import { schedulerNameOf } from '../model/service.js';
import { atOnce } from '../pace.js';
import { mostServersOfMh } from '../scheduler/index.js';
import { checkDoors } from './checks/doors.js';
import { checkHealth } from './checks/health.js';
import { checkStanding } from './checks/standing.js';
import type { ServerDraft } from './draft/server.js';
import type { Draft, ServiceDraft } from './draft.js';
import type { Field } from './field.js';
import { checkGrouping } from './grouping.js';
import { checkIpvs } from './ipvs.js';
import type { Located } from './located.js';
import { checkMarks } from './marks.js';

/** What the dataplane's slot numbers and memory are made for; docs/limits.md. */
export const maxima = { services: 65_536, servers: 1_048_576 } as const;

export const checkBetweenKeys = (drafted: Draft): void => atOnce(checkingBetweenKeys(drafted));

/** The same in steps. */
export function* checkingBetweenKeys({
  root,
  services,
  marks,
  health,
  doors,
}: Draft): Generator<void, void, undefined> {
  checkCounts(services);
  checkNames(services);
  checkListens(services);
  checkMarks(marks, services);
  checkGrouping(services);
  yield;
  checkVips([...services, ...marks].flatMap(({ listen }) => listen));
  const vips = vipsOf(services);
  for (const service of services) {
    checkFamily(service);
    checkAddresses(service, vips);
    checkServers(service);
    checkFlags(service);
    checkHelper(service);
    checkStanding(service);
    yield;
  }
  checkHealth(health, services);
  yield;
  checkDoors(root, doors, services);
  checkIpvs(root.get('ipvs'));
}

/** Servers count once per service that has them. The first item too many is where it is said. */
export function checkCounts(
  services: readonly Pick<ServiceDraft, 'at' | 'servers' | 'sorryServers'>[],
  most: Readonly<Record<keyof typeof maxima, number>> = maxima,
): void {
  const servers = services.flatMap(serversOf);
  for (const [what, items] of [
    ['services', services],
    ['servers', servers],
  ] as const) {
    const tooMany = items[most[what]];
    if (tooMany === undefined) continue;
    tooMany.at.problems.add(tooMany.at.path, {
      must: `be one of at most ${most[what]} ${what}`,
      got: `${items.length} of them`,
      hint: 'share them among several directors',
    });
  }
}

/** All that packets may be sent to. */
const serversOf = ({ servers, sorryServers }: Pick<ServiceDraft, 'servers' | 'sorryServers'>) =>
  sorryServers.length === 0 ? servers : [...servers, ...sorryServers];

function checkNames(services: readonly ServiceDraft[]): void {
  const first = new Map<string, Field>();
  for (const { name } of services) {
    if (name === undefined) continue;
    const other = first.get(name.value);
    if (other === undefined) first.set(name.value, name.at);
    else
      name.at.refuse({
        must: `differ from ${other.labelFrom(name.at)}`,
        hint: 'every service needs a name of its own',
      });
  }
}

/** A mark's service and an ordinary one may be in the same place, as in the kernel: the packets are the mark's. */
function checkListens(services: readonly ServiceDraft[]): void {
  checkListensApart(services.filter(({ mark }) => mark === undefined));
  checkListensApart(services.filter(({ mark }) => mark !== undefined));
}

function checkListensApart(services: readonly ServiceDraft[]): void {
  const first = new Map<string, Field>();
  for (const { at, value } of services.flatMap(({ listen }) => listen)) {
    const text = formatListen(value);
    const other = first.get(text);
    if (other === undefined) first.set(text, at);
    else
      at.refuse({
        must: `differ from ${other.labelFrom(at)}`,
        hint: 'one service listens on a protocol, address and port',
      });
  }
}

/** Each VIP and the first field that names it. */
function vipsOf(services: readonly ServiceDraft[]): ReadonlyMap<IpAddress, Field> {
  const vips = new Map<IpAddress, Field>();
  for (const { at, value } of services.flatMap(({ listen }) => listen)) {
    if (!vips.has(value.address)) vips.set(value.address, at);
  }
  return vips;
}

const familyText: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };

/** A packet cannot change its family on the way. */
function checkFamily({ listen, servers, sorryServers }: ServiceDraft): void {
  const [first] = listen;
  if (first === undefined) return;
  const family = familyOf(first.value.address);
  const check = (at: Field, address: IpAddress): void => {
    if (familyOf(address) === family) return;
    const hint = `make a service of its own for ${familyText[familyOf(address)]}`;
    at.refuse({ must: `be ${familyText[family]} like ${first.at.labelFrom(at)}`, hint });
  };
  for (const { at, value } of listen) check(at, value.address);
  for (const { address, value } of servers) check(address, value.address);
  for (const { address, value } of sorryServers) check(address, value.address);
}

/** Each once: a service may have taken its places over from a mark. */
function checkVips(places: readonly Located<Listen>[]): void {
  for (const { at, value } of new Set(places)) checkScope(at, value.address, 'VIP');
}

function checkAddresses(service: ServiceDraft, vips: ReadonlyMap<IpAddress, Field>): void {
  for (const { address: at, value } of serversOf(service)) {
    checkScope(at, value.address, 'real server');
    const vip = vips.get(value.address);
    if (vip === undefined) continue;
    at.refuse({
      must: 'not be a VIP',
      hint: `${vip.labelFrom(at)} listens on it; a real server has an address of its own`,
    });
  }
}

function checkScope(at: Field, address: IpAddress, role: string): void {
  const scope = scopeOf(address);
  if (scope === 'unicast') return;
  const article = /^[aeiouI]/.test(scope) ? 'an' : 'a';
  const hint = `${article} ${scope} address cannot be ${role === 'VIP' ? 'a VIP' : `the address of a ${role}`}`;
  at.refuse({ must: 'be a unicast address', hint });
}

function checkServers({ scheduler, servers, sorryServers, at }: ServiceDraft): void {
  checkServersApart(servers);
  checkServersApart(sorryServers);
  if (scheduler === 'mh' && servers.length > mostServersOfMh) {
    at.get('servers').refuse({
      must: `have at most ${mostServersOfMh} servers with mh`,
      hint: 'use wlc, or two services',
    });
  }
}

function checkServersApart(servers: readonly ServerDraft[]): void {
  const first = new Map<string, Field>();
  for (const { address, value, at, id } of servers) {
    const other = first.get(id);
    if (other === undefined) first.set(id, address);
    else
      address.refuse({
        must: `differ from ${other.labelFrom(address)}`,
        hint: 'raise the weight of one instead',
      });
    checkThresholds(at, value.upperThreshold, value.lowerThreshold);
  }
}

function checkThresholds(server: Field, upper: number, lower: number): void {
  if (lower === 0) return;
  const at = server.get('resume_connections');
  if (upper === 0)
    at.refuse({ must: 'come with max_connections', hint: 'give that as well, or leave out both' });
  else if (lower > upper) at.refuse({ must: `be at most max_connections, ${upper}` });
}

function checkFlags({ scheduler, flags }: ServiceDraft): void {
  if (scheduler === undefined) return;
  for (const { at, value } of flags) {
    const [owner, what = ''] = value.split('-');
    if (owner === scheduler) continue;
    const hint = scheduler === 'sh' || scheduler === 'mh' ? `write ${scheduler}-${what}` : 'leave it out';
    at.refuse({ must: `be a flag of the scheduler ${schedulerNameOf({ scheduler })}`, hint });
  }
}

/** FTP is spoken over TCP, and the data port of active mode is the one below the control port (RFC 959 section 5.2). */
function checkHelper(service: ServiceDraft): void {
  const { helper, listen } = service;
  if (helper?.value !== 'ftp') return;
  for (const { at, value } of listen) {
    if (value.protocol !== 'tcp')
      at.refuse({ must: 'start with tcp:// with helper: ftp', hint: 'make a service of its own for UDP' });
    else checkControlPort(at, value.port);
  }
  for (const { address, value } of serversOf(service)) checkControlPort(address, value.port);
}

function checkControlPort(at: Field, port: number): void {
  if (port > 1) return;
  at.refuse({
    must: 'have a port of 2..65535 with helper: ftp',
    hint: 'data connections of active mode come from the port below',
  });
}
