// SPDX-License-Identifier: Apache-2.0
/** Do the keys of a check belong to its type, and can the services that have it be asked that way? */
import { familyOf, scopeOf } from '../../model/address.js';
import type { CheckKind } from '../../model/health.js';
import { transportOf, wayIn } from '../../model/through-vip.js';
import { isMap } from '../defaults.js';
import type { CheckDraft } from '../draft/health.js';
import type { ServiceDraft } from '../draft/service.js';
import type { Field } from '../field.js';
import { checkKinds, keysOf } from '../schema/health.js';

/** `shared`: those of the whole document, whoever has them. */
export function checkHealth(shared: readonly CheckDraft[], services: readonly ServiceDraft[]): void {
  const all = new Set([...shared, ...services.flatMap(({ health }) => health)]);
  for (const check of all) {
    checkKeys(check);
    checkThrough(check);
    checkSource(check);
  }
  checkSourceIsFree(all, services);
  const told = new Set<CheckDraft>();
  for (const service of services) {
    for (const check of service.health) {
      if (told.has(check)) continue; // of a shared check the first service that it cannot be for is enough
      if (!isPortKnown(check, service) || !isOfFamily(check, service) || !hasWayIn(check, service))
        told.add(check);
    }
  }
}

const ownKeys: ReadonlyMap<CheckKind, ReadonlySet<string>> = new Map(
  checkKinds.map((kind) => [kind, new Set(keysOf[kind])]),
);

const optionalKeys = new Set(Object.values(keysOf).flat());

function checkKeys({ at, kind }: CheckDraft): void {
  for (const key of isMap(at.value) ? Object.keys(at.value) : []) {
    if (!optionalKeys.has(key) || ownKeys.get(kind)?.has(key) === true) continue;
    const others = checkKinds.filter((other) => keysOf[other].includes(key));
    at.get(key).refuseKey({ must: `be left out with type: ${kind}`, hint: `it is for ${others.join(', ')}` });
  }
  if (kind === 'agent' && at.get('port').value === undefined)
    at.get('port').refuse({
      must: 'be given with type: agent',
      hint: 'the agent listens on a port of its own',
    });
}

/** A check that goes the way of a client's connection must be one, and come from where servers send their answers back here. */
function checkThrough({ at, kind }: CheckDraft): void {
  const through = at.get('through');
  if (through.text() !== 'vip') return;
  if (transportOf({ kind }) === null) {
    through.refuse({
      must: `be direct with type: ${kind}`,
      hint: `no service leads it to a server; ${checkKinds.filter((other) => transportOf({ kind: other }) !== null).join(', ')} can go through the VIP`,
    });
  } else if (at.get('source').value === undefined) {
    at.get('source').refuse({
      must: 'be given with through: vip',
      hint: 'an address that no host has, and that servers answer by way of this director; docs/health.md',
    });
  }
}

const isThroughVip = ({ check }: CheckDraft): boolean => check?.through === 'vip';

/** Where clients, services or servers are, packets would be taken for a check's, or a check's for theirs. */
function checkSourceIsFree(checks: Iterable<CheckDraft>, services: readonly ServiceDraft[]): void {
  const taken = new Map<string, Field>();
  for (const { listen, servers, sorryServers } of services) {
    for (const { value, at } of listen) taken.set(value.address, at);
    for (const { value, at } of [...servers, ...sorryServers]) taken.set(value.address, at);
  }
  for (const draft of checks) {
    const other = isThroughVip(draft) ? taken.get(draft.check?.source ?? '') : undefined;
    if (other === undefined) continue;
    draft.at.get('source').refuse({
      must: `differ from the address of ${other.labelFrom(draft.at)}`,
      hint: 'checks through the VIP need an address that nothing else has',
    });
  }
}

/** Whether the service listens where the check could go in. */
function hasWayIn(draft: CheckDraft, { at, listen, servers }: ServiceDraft): boolean {
  const { check } = draft;
  const transport = check && transportOf(check.question);
  if (check === undefined || transport == null || !isThroughVip(draft)) return true;
  const places = { listen: listen.map(({ value }) => value) };
  const checked = servers.filter(({ value }) => value.checked);
  if (checked.every(({ value }) => wayIn(places, check, value) !== null)) return true;
  if (wayIn(places, check, { port: 1 }) !== null) {
    draft.at.get('port').refuse({
      must: 'be given',
      hint: `${at.labelFrom(draft.at)} listens on every port, and a server has none of its own`,
    });
    return false;
  }
  draft.at.get('through').refuse({
    must: `be direct for ${at.labelFrom(draft.at)}`,
    hint: `it listens on no ${transport} port${check.port === null ? '' : ` ${check.port}`} at which the check could go in`,
  });
  return false;
}

function checkSource({ at, check }: CheckDraft): void {
  if (check?.source == null || scopeOf(check.source) === 'unicast') return;
  at.get('source').refuse({
    must: 'be a unicast address',
    hint:
      check.through === 'vip'
        ? 'an address that no host has, and that servers answer by way of this director'
        : 'an address of this host that servers can answer',
  });
}

/** The address a check comes from is of its server's family. */
function isOfFamily({ at, check }: CheckDraft, { servers, at: service }: ServiceDraft): boolean {
  const [server] = servers;
  if (check?.source == null || server === undefined || scopeOf(check.source) !== 'unicast') return true;
  if (familyOf(check.source) === familyOf(server.value.address)) return true;
  at.get('source').refuse({
    must: `be of the address family of ${service.labelFrom(at)}`,
    hint: 'give that service checks of its own',
  });
  return false;
}

/** Port 0 of a server is the one the client asked for; a check has no client. */
function isPortKnown({ at, kind, check }: CheckDraft, { servers }: ServiceDraft): boolean {
  if (check === undefined || check.port !== null || check.through === 'vip') return true;
  if (kind === 'icmp' || kind === 'exec' || kind === 'module') return true;
  const server = servers.find(({ value }) => value.port === 0 && value.checked);
  if (server === undefined) return true;
  at.get('port').refuse({
    must: 'be given',
    hint: `${server.address.labelFrom(at)}, ${server.id}, has none to ask at`,
  });
  return false;
}
