// SPDX-License-Identifier: Apache-2.0
/** Real servers, in both forms. */
import { parseServer } from '../../model/endpoint.js';
import type { RealServer } from '../../model/service.js';
import { parseWeight } from '../../model/weight.js';
import type { Field } from '../field.js';
import type { Located } from '../located.js';

export interface ServerDraft extends Located<RealServer> {
  /** Where the address itself stands; the same as `at` in the short form. */
  readonly address: Field;
}

export const draftServers = (at: Field, serviceIsRouted: boolean): readonly ServerDraft[] =>
  at.items().flatMap((server) => draftServer(server, serviceIsRouted));

/** One, or a list of them. */
export const draftSorryServers = (at: Field, serviceIsRouted: boolean): readonly ServerDraft[] =>
  at.value === undefined || Array.isArray(at.value)
    ? draftServers(at, serviceIsRouted)
    : draftServer(at, serviceIsRouted);

function draftServer(at: Field, serviceIsRouted: boolean): readonly ServerDraft[] {
  const isShort = at.text() !== undefined;
  const address = isShort ? at : at.get('address');
  const endpoint = address.parse(parseServer);
  if (endpoint === undefined) return [];
  // The short form has no keys to read a weight from, and so the weight every server has.
  const weight = parseWeight(isShort ? 1 : at.get('weight').value);
  if (!weight.ok) return [];
  const value = {
    ...endpoint,
    weight: weight.value,
    upperThreshold: at.get('max_connections').integer(0, 0xffffffff) ?? 0,
    lowerThreshold: at.get('resume_connections').integer(0, 0xffffffff) ?? 0,
    routed: serviceIsRouted || at.get('routed').isTrue(),
    backup: at.get('backup').isTrue(),
    disabled: at.get('disabled').isTrue(),
    checked: at.get('health').text() !== 'off',
  };
  return [{ at, address, value }];
}
