// SPDX-License-Identifier: Apache-2.0
/** An address, or an address and a port: how filters name one end of a connection. */
import { parseAddress, parseServer, type Endpoint } from '../model/index.js';
import { shown } from './read-values.js';
import { usage } from './refusal.js';

export type Place = Pick<Endpoint, 'address'> & Partial<Pick<Endpoint, 'port'>>;

/** undefined: it is neither. */
export function placeOf(text: string): Place | undefined {
  const address = parseAddress(text);
  if (address.ok) return { address: address.value };
  const endpoint = parseServer(text);
  return endpoint.ok ? endpoint.value : undefined;
}

/** Throws VSNAT_USAGE. */
export function readPlace(name: string, text: string): Place {
  const place = placeOf(text);
  if (place !== undefined) return place;
  throw usage(name, `be an address, or address:port ([v6]:port), got ${shown(text)}`);
}
