// SPDX-License-Identifier: Apache-2.0
/** Real servers, a line each. Pure. */
import type { ServerAnswer, ServersAnswer } from '../admin/api.js';
import { formatBytes, formatDuration, table, type Column } from './table.js';

const columns: readonly Column[] = [
  { title: 'service' },
  { title: 'server' },
  { title: 'state' },
  { title: 'weight', align: 'right' },
  { title: 'active', align: 'right' },
  { title: 'inactive', align: 'right' },
  { title: 'connections', align: 'right' },
  { title: 'in', align: 'right' },
  { title: 'out', align: 'right' },
];

export function serverLines({ servers }: ServersAnswer, width: number): string[] {
  return table(
    columns,
    servers.map((server) => [
      ...standingCells(server),
      String(server.connections),
      formatBytes(server.inBytes),
      formatBytes(server.outBytes),
    ]),
    width,
  );
}

/** Service, server, state, weight, active and inactive connections: how every list of servers begins. */
export const standingCells = (server: ServersAnswer['servers'][number]): string[] => [
  server.service,
  server.server,
  stateOf(server),
  weightOf(server),
  String(server.active),
  String(server.inactive),
];

/** What it may do, with why and for how long where that is not plain. */
export function stateOf({ standing, overloaded }: ServerAnswer): string {
  const { place, health, healthSeconds, drainSeconds } = standing;
  if (place === 'draining' && drainSeconds !== null) return `draining, ${formatDuration(drainSeconds)} left`;
  if (place === 'down') return `down for ${formatDuration(healthSeconds)}`;
  if (overloaded) return 'overloaded';
  return health === 'down' && place !== 'sorry' ? `${place}, down` : place;
}

/** As it works, and as configured where that is something else. */
function weightOf({ weight, standing: { effectiveWeight } }: ServerAnswer): string {
  const effective = Number.isInteger(effectiveWeight) ? String(effectiveWeight) : effectiveWeight.toFixed(1);
  return effectiveWeight === weight ? effective : `${effective} of ${weight}`;
}
