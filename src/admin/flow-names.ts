// SPDX-License-Identifier: Apache-2.0
/**
 * Services and servers that filters of connections name. A name with a slip in it finds nothing, as a service without
 * connections does; so it is told.
 */
import type { Listing } from '../director/listing.js';
import type { ServiceListing } from '../director/report.js';
import { parseAddress, parseServer, type Endpoint } from '../model/index.js';
import type { FlowsAnswer } from './api.js';
import type { FlowQuery } from './flow-query.js';
import { shown } from './read-values.js';
import { usage } from './refusal.js';

/** A refusal names so many of what there is. */
const mostNamed = 10;

/**
 * Throws VSNAT_USAGE where nothing was found because nothing is called so. A server that has left its service may have
 * connections still, further on in the table: it is refused where all of that was walked.
 */
export function refuseUnknown(
  { filters: { service, server }, cursor }: FlowQuery,
  { rows, next }: FlowsAnswer,
  services: () => Listing<ServiceListing>,
): void {
  if (rows.length > 0) return;
  if (service !== undefined) {
    const names = services().names();
    if (!names.includes(service)) throw usage('service', `${oneOf(names)}, got ${shown(service)}`);
  }
  if (server === undefined) return;
  const wanted = placeOf(server);
  if (wanted === undefined)
    throw usage('server', `be an address, or address:port ([v6]:port), got ${shown(server)}`);
  if (cursor > 0 || next !== null) return;
  const ids = serversOf(services(), service);
  if (ids.some((id) => isAt(placeOf(id), wanted))) return;
  throw usage('server', `${oneOf(ids)}, got ${shown(server)}`);
}

type Place = Pick<Endpoint, 'address'> & Partial<Pick<Endpoint, 'port'>>;

function placeOf(text: string): Place | undefined {
  const address = parseAddress(text);
  if (address.ok) return { address: address.value };
  const endpoint = parseServer(text);
  return endpoint.ok ? endpoint.value : undefined;
}

/** A server of port 0 is on the port that its client asked for. */
const isAt = (server: Place | undefined, { address, port }: Place): boolean =>
  server?.address === address && (port === undefined || server.port === port || server.port === 0);

function serversOf(services: Listing<ServiceListing>, only: string | undefined): readonly string[] {
  const places = services
    .names()
    .flatMap((name, place) => (only === undefined || name === only ? [place] : []));
  return [...new Set(places.flatMap((place) => services.at(place).servers.names()))];
}

function oneOf(names: readonly string[]): string {
  if (names.length === 0) return 'be one that is there (there are none)';
  const more = names.length - mostNamed;
  return `be one of ${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
