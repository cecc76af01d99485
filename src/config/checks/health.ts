// SPDX-License-Identifier: Apache-2.0
/** Do the keys of a check belong to its type, and can the services that have it be asked that way? */
import { familyOf, scopeOf } from '../../model/address.js';
import type { CheckKind } from '../../model/health.js';
import { isMap } from '../defaults.js';
import type { CheckDraft } from '../draft/health.js';
import type { ServiceDraft } from '../draft/service.js';
import { checkKinds, keysOf } from '../schema/health.js';

/** `shared`: those of the whole document, whoever has them. */
export function checkHealth(shared: readonly CheckDraft[], services: readonly ServiceDraft[]): void {
  const all = new Set([...shared, ...services.flatMap(({ health }) => health)]);
  for (const check of all) {
    checkKeys(check);
    checkSource(check);
  }
  const told = new Set<CheckDraft>();
  for (const service of services) {
    for (const check of service.health) {
      if (told.has(check)) continue; // of a shared check the first service that it cannot be for is enough
      if (!isPortKnown(check, service) || !isOfFamily(check, service)) told.add(check);
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
  checkThrough(at);
}

/** The director's own host is no client of its services (docs/limits.md), so a check of its own has no way in at the VIP. */
function checkThrough(at: CheckDraft['at']): void {
  const through = at.get('through');
  if (through.text() !== 'vip') return;
  through.refuse({
    must: 'be direct',
    hint: 'a check through the VIP is not supported in this version yet; docs/limits.md tells why',
  });
}

function checkSource({ at, check }: CheckDraft): void {
  if (check?.source == null || scopeOf(check.source) === 'unicast') return;
  at.get('source').refuse({
    must: 'be a unicast address',
    hint: 'an address of this host that servers can answer',
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
