// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import type { ServiceReport } from '../../director/report.js';
import type { ServiceAnswer } from '../api.js';
import { HttpRefusal } from '../refusal.js';
import { shown } from '../read-values.js';
import { route } from '../route.js';
import { serverReport, serviceReport } from '../schemas/report.js';
import { text } from '../schemas/words.js';

const name = Type.String({ minLength: 1, maxLength: 255, description: 'Name of a service.' });

/** Histograms are more than all the rest of a server, and few ask for them. */
const signals = {
  signals: Type.Optional(
    Type.Boolean({ description: '1: with what packets tell about each server: handshake times, resets, …' }),
  ),
};

type Wanted = { readonly signals?: boolean };

const asWanted = (service: ServiceReport, { signals = false }: Wanted): ServiceAnswer => ({
  ...service,
  servers: service.servers.map(({ signals: told, ...server }) =>
    signals ? { ...server, signals: told } : server,
  ),
});

export const servicesRoute = route({
  method: 'GET',
  path: '/v1/services',
  summary: 'virtual services and real servers with their counters',
  query: signals,
  refusals: [503],
  answer: Type.Object({ services: Type.Array(serviceReport) }),
  handle: ({ actions, query }) => ({
    body: {
      services: actions()
        .services()
        .map((service) => asWanted(service, query)),
    },
  }),
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
    const service = actions()
      .services()
      .find((one) => one.service === path.name);
    if (service === undefined)
      throw new HttpRefusal(404, `service: must be one that is configured, got ${shown(path.name)}`);
    return { body: asWanted(service, query) };
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
    ...signals,
  },
  refusals: [503],
  answer: Type.Object({
    servers: Type.Array(Type.Composite([Type.Object({ service: text }), serverReport])),
  }),
  handle: ({ actions, query }) => ({
    body: {
      servers: actions()
        .services()
        .filter(({ service }) => query.service === undefined || service === query.service)
        .map((service) => asWanted(service, query))
        .flatMap(({ service, servers }) => servers.map((server) => ({ service, ...server })))
        .filter(({ server }) => query.server === undefined || server === query.server),
    },
  }),
});
