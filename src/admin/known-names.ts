// SPDX-License-Identifier: Apache-2.0
/**
 * Services and servers that filters name. A name with a slip in it finds nothing, as one without connections, checks or
 * events does; so it is told.
 */
import type { Listing } from '../director/listing.js';
import type { ServiceListing } from '../director/report.js';
import type { FlowsAnswer } from './api.js';
import type { FlowQuery } from './flow-query.js';
import { placeOf, readPlace, type Place } from './place.js';
import { shown } from './read-values.js';
import { usage } from './refusal.js';

/** A refusal names so many of what there is. */
const mostNamed = 10;

type Services = Listing<ServiceListing>;

export interface Named {
  readonly service?: string | undefined;
  readonly server?: string | undefined;
}

/** Throws VSNAT_USAGE for a service that is not there, or a server that it (or no service at all) has. */
export function refuseUnknown({ service, server }: Named, services: () => Services): void {
  if (service !== undefined) refuseUnknownService(service, services());
  if (server === undefined) return;
  const ids = serversOf(services(), service);
  if (!ids.includes(server)) throw usage('server', `${oneOf(ids)}, got ${shown(server)}`);
}

/**
 * The same where connections were looked for and none was found. A server that has left its service may have some still,
 * further on in the table: it is refused where all of that was walked.
 */
export function refuseUnknownOfFlows(
  { filters: { service, server }, cursor }: FlowQuery,
  { rows, next }: FlowsAnswer,
  services: () => Services,
): void {
  if (rows.length > 0) return;
  if (service !== undefined) refuseUnknownService(service, services());
  if (server === undefined || cursor > 0 || next !== null) return;
  const wanted = readPlace('server', server);
  const ids = serversOf(services(), service);
  if (ids.some((id) => isAt(placeOf(id), wanted))) return;
  throw usage('server', `${oneOf(ids)}, got ${shown(server)}`);
}

function refuseUnknownService(service: string, services: Services): void {
  const names = services.names();
  if (!names.includes(service)) throw usage('service', `${oneOf(names)}, got ${shown(service)}`);
}

/** A server of port 0 is on the port that its client asked for. */
const isAt = (server: Place | undefined, { address, port }: Place): boolean =>
  server?.address === address && (port === undefined || server.port === port || server.port === 0);

function serversOf(services: Services, only: string | undefined): readonly string[] {
  const places = services
    .names()
    .flatMap((name, place) => (only === undefined || name === only ? [place] : []));
  return [...new Set(places.flatMap((place) => services.at(place).servers.names()))];
}

export function oneOf(names: readonly string[]): string {
  if (names.length === 0) return 'be one that is there (there are none)';
  const more = names.length - mostNamed;
  return `be one of ${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
