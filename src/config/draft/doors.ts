// SPDX-License-Identifier: Apache-2.0
/** Administration and metrics. */
import type { Endpoint } from '../../model/endpoint.js';
import type { AdminSettings, AdminTls, MetricsSettings } from '../../model/model.js';
import type { Field } from '../field.js';
import { locate, type Located } from '../located.js';
import { readTcpListen } from './read.js';

export interface DoorsDraft {
  readonly adminListen: Located<Endpoint> | undefined;
  readonly metricsListen: Located<Endpoint> | undefined;
}

export function draftDoors(root: Field): DoorsDraft {
  const admin = root.get('admin').get('listen');
  const metrics = root.get('metrics').get('listen');
  return {
    adminListen: locate(admin, readTcpListen(admin, '127.0.0.1:9192')),
    metricsListen: locate(metrics, readTcpListen(metrics, '127.0.0.1:9191')),
  };
}

/** Only of a draft without problems, as the next. */
export function adminOf(at: Field, { adminListen }: DoorsDraft): AdminSettings {
  const group = at.get('group').value;
  return {
    socket: at.get('socket').text() ?? '',
    mode: parseInt(at.get('mode').text() ?? '', 8),
    group: typeof group === 'string' || typeof group === 'number' ? group : null,
    listen: adminListen?.value ?? null,
    tokenFile: pathOf(at.get('token_file')),
    tls: tlsOf(at.get('tls')),
    runTimeChanges: at.get('run_time_changes').word('drop', 'keep') ?? 'drop',
  };
}

export const metricsOf = (at: Field, { metricsListen }: DoorsDraft): MetricsSettings => ({
  listen: metricsListen?.value ?? null,
  nodeIpvs: at.get('node_ipvs').isTrue(),
  maxSeries: at.get('max_series').integer(100, 1_000_000) ?? 100,
});

function tlsOf(at: Field): AdminTls | null {
  const certificate = pathOf(at.get('certificate'));
  const key = pathOf(at.get('key'));
  return certificate === null || key === null
    ? null
    : { certificate, key, clientCa: pathOf(at.get('client_ca')) };
}

function pathOf(at: Field): string | null {
  const path = at.text();
  return path === undefined ? null : at.resolve(path);
}
