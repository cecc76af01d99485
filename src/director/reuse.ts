// SPDX-License-Identifier: Apache-2.0
/**
 * A file that is loaded again says mostly what it said before. Where a service is the same, the object that runs takes the
 * place of the new one, and everything behind that (diff, judgement, compilation, publishing) sees at a glance that
 * there is nothing to do.
 */
import type { Model, VirtualService } from '../model/index.js';

export function reuseServices(running: Model, wanted: Model): Model {
  const known = new Map(running.services.map((service) => [service.name, service]));
  const services = wanted.services.map((service): VirtualService => {
    const old = known.get(service.name);
    return old !== undefined && isDeepEqual(old, service) ? old : service;
  });
  return { ...wanted, services };
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
