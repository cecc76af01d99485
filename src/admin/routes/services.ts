// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import type { ServerReport, ServiceListing } from '../../director/report.js';
import { oneOf, refuseUnknown } from '../known-names.js';
import { shown } from '../read-values.js';
import { HttpRefusal } from '../refusal.js';
import { route } from '../route.js';
import { paging } from '../schemas/paging.js';
import { serverReport, serviceReport } from '../schemas/report.js';
import { count, orNull, text } from '../schemas/words.js';
import { ServerPage } from '../server-page.js';

const name = Type.String({ minLength: 1, maxLength: 255, description: 'Name of a service.' });

/** Histograms are more than all the rest of a server, and few ask for them. */
const signals = {
  signals: Type.Optional(
    Type.Boolean({ description: '1: with what packets tell about each server: handshake times, resets, …' }),
  ),
};

type Wanted = { readonly signals?: boolean };
type Shown = Omit<ServerReport, 'signals'> & Partial<Pick<ServerReport, 'signals'>>;

const shownServer = ({ signals: told, ...server }: ServerReport, { signals = false }: Wanted): Shown =>
  signals ? { ...server, signals: told } : server;

const shownService = (service: ServiceListing, wanted: Wanted) => ({
  ...service,
  servers: service.servers.map((server) => shownServer(server, wanted)),
});

export const servicesRoute = route({
  method: 'GET',
  path: '/v1/services',
  summary: 'virtual services and real servers with their counters',
  query: { ...paging, ...signals },
  refusals: [503],
  answer: Type.Object({ services: Type.Array(serviceReport), next: orNull(count) }),
  handle: ({ actions, query: { cursor = 0, limit = Infinity, ...wanted } }) => {
    const services = actions().services();
    const end = cursor + limit;
    return {
      body: {
        services: services.map((service) => shownService(service, wanted)).from(cursor, end),
        next: end < services.length ? end : null,
      },
    };
  },
});

export const serviceRoute = route({
  method: 'GET',
  path: '/v1/services/{name}',
  summary: 'one of them, by its name',
  parameters: { name },
  query: signals,
  refusals: [404, 503],
  answer: serviceReport,
  handle: ({ actions, path, query }) => {
    const services = actions().services();
    const names = services.names();
    const place = names.indexOf(path.name);
    if (place < 0) throw new HttpRefusal(404, `service: must ${oneOf(names)}, got ${shown(path.name)}`);
    return { body: shownService(services.at(place), query) };
  },
});

export const serversRoute = route({
  method: 'GET',
  path: '/v1/servers',
  summary: 'real servers of all services, one row each',
  query: {
    service: Type.Optional({ ...name, description: 'Only servers of the service of this name.' }),
    server: Type.Optional(
      Type.String({ maxLength: 255, description: 'Only servers with this `address:port`.' }),
    ),
    ...paging,
    ...signals,
  },
  refusals: [503],
  answer: Type.Object({
    servers: Type.Array(Type.Composite([Type.Object({ service: text }), serverReport])),
    next: orNull(count),
  }),
  handle: ({ actions, query: { service, server, cursor = 0, limit = Infinity, ...wanted } }) => {
    const services = actions().services();
    refuseUnknown({ service, server }, () => services);
    const page = new ServerPage(services, { service, server, cursor, limit });
    return {
      body: {
        servers: page.rows((row) => shownServer(row, wanted)),
        get next() {
          return page.next; // known when the rows are written
        },
      },
    };
  },
});
