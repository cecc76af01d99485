// SPDX-License-Identifier: Apache-2.0
/**
 * A file that is loaded again says mostly what it said before. Where a service is the same, the object that runs takes the
 * place of the new one, and everything behind that (diff, judgement, compilation, publishing) sees at a glance that
 * there is nothing to do. Of a service that differs, the same goes for its parts: its checks, its timeouts, each server.
 */
import { serverId, type Model, type RealServer, type VirtualService } from '../model/index.js';
import { atOnce } from '../pace.js';

export function reuseServices(running: Model, wanted: Model): Model {
  return atOnce(reusingServices(running, wanted));
}

/** The same in steps. */
export function* reusingServices(running: Model, wanted: Model): Generator<void, Model, undefined> {
  const known = new Map(running.services.map((service) => [service.name, service]));
  const services: VirtualService[] = [];
  for (const service of wanted.services) {
    const old = known.get(service.name);
    services.push(old === undefined ? service : reusedService(old, service));
    yield;
  }
  return { ...wanted, services };
}

function reusedService(old: VirtualService, service: VirtualService): VirtualService {
  if (old === service) return old;
  const servers = reusedServers(old.servers, service.servers);
  const sorryServers = reusedServers(old.sorryServers, service.sorryServers);
  const isGiven = servers === service.servers && sorryServers === service.sorryServers;
  return withPartsOf(old, isGiven ? service : { ...service, servers, sorryServers });
}

function reusedServers(old: readonly RealServer[], servers: readonly RealServer[]): readonly RealServer[] {
  const known = new Map(old.map((server) => [serverId(server), server]));
  const reused = servers.map((server, index) => {
    const here = old[index];
    if (here !== undefined && isDeepEqual(here, server)) return here;
    const there = known.get(serverId(server));
    return there !== undefined && isDeepEqual(there, server) ? there : server;
  });
  return [old, servers].find((list) => isSameList(list, reused)) ?? reused;
}

const isSameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index]);

/** `given` with the parts of `old` where they are the same; where all are, `old`, and where none but the very same, `given`. */
function withPartsOf<T extends object>(old: T, given: T): T {
  const made = { ...given };
  let isGiven = true;
  const keys = Object.keys(made) as (keyof T)[];
  let isSame = keys.length === Object.keys(old).length;
  for (const key of keys) {
    if (made[key] === old[key]) continue;
    if (isDeepEqual(made[key], old[key])) {
      made[key] = old[key];
      isGiven = false;
    } else isSame = false;
  }
  if (isSame) return old;
  return isGiven ? given : made;
}

/** Of plain data: what a model is made of. */
export function isDeepEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array)
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Readonly<Record<string, unknown>>;
  const right = b as Readonly<Record<string, unknown>>;
  let count = 0;
  for (const key in left) {
    if (!(key in right) || !isDeepEqual(left[key], right[key])) return false;
    count += 1;
  }
  return count === Object.keys(right).length;
}

/** The same servers in the same order, whatever is said of them. */
export const sameServers = (a: readonly RealServer[], b: readonly RealServer[]): boolean =>
  a.length === b.length &&
  a.every(({ address, port }, index) => address === b[index]?.address && port === b[index].port);
