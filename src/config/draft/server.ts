// SPDX-License-Identifier: Apache-2.0
/** Real servers, in both forms. */
import { formatEndpoint, parseServer, type Endpoint } from '../../model/endpoint.js';
import type { RealServer } from '../../model/service.js';
import { parseWeight, usualWeight } from '../../model/weight.js';
import { integerOf, type Field } from '../field.js';
import type { Located } from '../located.js';

export interface ServerDraft extends Located<RealServer> {
  /** Where the address itself stands; the same as `at` in the short form. */
  readonly address: Field;
  /** As serverId gives it. */
  readonly id: string;
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
  const value = isShort ? shortForm(endpoint, serviceIsRouted) : longForm(at, endpoint, serviceIsRouted);
  return value === undefined ? [] : [{ at, address, value, id: formatEndpoint(endpoint) }];
}

// Both forms are written out key by key: copying with ... costs ten times as much, and there may be many servers.

const shortForm = ({ address, port }: Endpoint, serviceIsRouted: boolean): RealServer => ({
  address,
  port,
  weight: usualWeight,
  upperThreshold: 0,
  lowerThreshold: 0,
  routed: serviceIsRouted,
  backup: false,
  disabled: false,
  checked: true,
});

function longForm(at: Field, { address, port }: Endpoint, serviceIsRouted: boolean): RealServer | undefined {
  const weight = parseWeight(at.at('weight'));
  if (!weight.ok) return undefined;
  return {
    address,
    port,
    weight: weight.value,
    upperThreshold: integerOf(at.at('max_connections'), 0, 0xffffffff) ?? 0,
    lowerThreshold: integerOf(at.at('resume_connections'), 0, 0xffffffff) ?? 0,
    routed: serviceIsRouted || at.at('routed') === true,
    backup: at.at('backup') === true,
    disabled: at.at('disabled') === true,
    checked: at.at('health') !== 'off',
  };
}
