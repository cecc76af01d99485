// SPDX-License-Identifier: Apache-2.0
/** A server's share of new connections. 0 drains: live connections go on, new ones go elsewhere. */
import { good, mistake, type Parsed } from './parsed.js';

/** A server's share of new connections, 0..65535; 0 takes none. */
export type Weight = number & { readonly __unit: 'Weight' };

/** The kernel stores more, but ipvsadm and every tool around it stop here. */
export const maxWeight = 65535;

/** What a server has that is given none. */
export const usualWeight = 1 as Weight;

export function parseWeight(value: unknown): Parsed<Weight> {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxWeight) {
    return good(value as Weight);
  }
  return mistake(`be 0..${maxWeight}`);
}
