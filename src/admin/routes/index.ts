// SPDX-License-Identifier: Apache-2.0
/** Every route there is, in the order of docs/admin-api.md. */
import type { Route } from '../route.js';
import { changeRoute } from './change.js';
import { changesRoute, configRoute } from './config.js';
import { endFlowsRoute } from './end-flows.js';
import { eventsRoute } from './events.js';
import { explainRoute } from './explain.js';
import { flowsRoute } from './flows.js';
import { healthRoute } from './health.js';
import { openApiRoute } from './openapi.js';
import { reloadRoute } from './reload.js';
import { serverWordRoutes } from './server-words.js';
import { serversRoute, serviceRoute, servicesRoute } from './services.js';
import { statsRoute } from './stats.js';
import { statusRoute } from './status.js';
import { tableRoute } from './table.js';
import { zeroRoute } from './zero.js';

export const routes: readonly Route[] = [
  statusRoute,
  servicesRoute,
  serviceRoute,
  serversRoute,
  healthRoute,
  flowsRoute,
  endFlowsRoute,
  explainRoute,
  statsRoute,
  tableRoute,
  eventsRoute,
  configRoute,
  changesRoute,
  changeRoute,
  ...serverWordRoutes,
  zeroRoute,
  reloadRoute,
  openApiRoute(() => routes),
];
