// SPDX-License-Identifier: Apache-2.0
/** The flow table: how full it is, and how connections leave it. */
import { single, type MetricDefinition } from './definition.js';

export const flowMetrics: readonly MetricDefinition[] = [
  {
    name: 'vsnat_flows',
    help: 'Connections tracked now.',
    type: 'gauge',
    labels: [],
    series: ({ counters }) => single(counters.flowTable.flows),
  },
  {
    name: 'vsnat_flow_table_capacity',
    help: 'Connections the table can hold; it is allocated once, at the start.',
    type: 'gauge',
    labels: [],
    series: ({ counters }) => single(counters.flowTable.capacity),
  },
  {
    name: 'vsnat_flow_table_bytes',
    help: 'Memory the table occupies.',
    type: 'gauge',
    labels: [],
    series: ({ counters }) => single(counters.flowTable.bytes),
  },
  {
    name: 'vsnat_persistence_templates',
    help: 'Client networks whose real server is remembered.',
    type: 'gauge',
    labels: [],
    series: ({ counters }) => single(counters.flowTable.templates),
  },
  {
    name: 'vsnat_flows_expired_total',
    help: 'Connections forgotten because their timeout ran out.',
    type: 'counter',
    labels: [],
    series: ({ counters }) => single(counters.flowTable.expired),
  },
  {
    name: 'vsnat_flows_evicted_total',
    help: 'Half-open or closing connections forgotten early because the table was full.',
    type: 'counter',
    labels: [],
    series: ({ counters }) => single(counters.flowTable.evicted),
  },
];
