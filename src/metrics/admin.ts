// SPDX-License-Identifier: Apache-2.0
/** The admin API: who asks what, how long it takes, and who was not listened to. */
import { workBounds, type WorkTimes } from '../director/durations.js';
import { single, type MetricDefinition } from './definition.js';

/** As admin/ counts it. */
export interface AdminFacts {
  readonly requests: readonly { readonly route: string; readonly code: number; readonly count: number }[];
  /** Of each route that was asked for. */
  readonly times: readonly ({ readonly route: string } & WorkTimes)[];
  readonly rejected: readonly { readonly reason: string; readonly count: number }[];
  readonly streams: number;
  readonly streamsDropped: number;
}

export const adminMetrics: readonly MetricDefinition[] = [
  {
    name: 'vsnat_admin_requests_total',
    help: 'Requests to the admin API, by route (none: no such route, or not let in) and status.',
    type: 'counter',
    labels: ['route', 'code'],
    series: ({ admin }) =>
      admin.requests.map(({ route, code, count }) => ({
        labels: { route, code: String(code) },
        value: count,
      })),
  },
  {
    name: 'vsnat_admin_request_seconds',
    help: 'Time from a request to the admin API to the end of its answer.',
    type: 'histogram',
    labels: ['route'],
    bounds: workBounds,
    series: ({ admin }) => admin.times.map(({ route, counts, sum }) => ({ labels: { route }, counts, sum })),
  },
  {
    name: 'vsnat_admin_rejected_total',
    help: 'Peers of the admin API that were not listened to: host, origin, token, tokens_too_fast, connections, tls, request (no HTTP, too long or too slow).',
    type: 'counter',
    labels: ['reason'],
    series: ({ admin }) => admin.rejected.map(({ reason, count }) => ({ labels: { reason }, value: count })),
  },
  {
    name: 'vsnat_admin_event_streams',
    help: 'Readers of the stream of events.',
    type: 'gauge',
    labels: [],
    series: ({ admin }) => single(admin.streams),
  },
  {
    name: 'vsnat_admin_event_streams_dropped_total',
    help: 'Readers of the stream of events that did not keep up and were cut off.',
    type: 'counter',
    labels: [],
    series: ({ admin }) => single(admin.streamsDropped),
  },
];
