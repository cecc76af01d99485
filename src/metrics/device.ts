// SPDX-License-Identifier: Apache-2.0
/** What the TUN device can do, as probed at the start. */
import type { DeviceFacts } from '../dataplane/dataplane.js';
import type { MetricDefinition } from './definition.js';

export const offloadFeatures = [
  ['vnet_header', 'vnetHeader'],
  ['checksum', 'checksumOffload'],
  ['tso4', 'tso4'],
  ['tso6', 'tso6'],
  ['uso4', 'uso4'],
  ['uso6', 'uso6'],
] as const satisfies readonly (readonly [string, keyof DeviceFacts])[];

export const deviceMetrics: readonly MetricDefinition[] = [
  {
    name: 'vsnat_device_info',
    help: 'Always 1; the labels name the device and how packets are steered to its queues.',
    type: 'gauge',
    labels: ['device', 'steering'],
    series: ({ facts }) => [{ labels: { device: facts.name, steering: facts.steering }, value: 1 }],
  },
  {
    name: 'vsnat_device_offload',
    help: '1 when the kernel and the device do this offload together with vsnat.',
    type: 'gauge',
    labels: ['device', 'feature'],
    series: ({ facts }) =>
      offloadFeatures.map(([feature, key]) => ({
        labels: { device: facts.name, feature },
        value: facts[key] ? 1 : 0,
      })),
  },
  {
    name: 'vsnat_device_direct_ingress_packets_total',
    help: 'Packets taken straight from the interface they came in by, before the kernel routed them.',
    type: 'counter',
    labels: ['device'],
    series: ({ counters, facts }) => [{ labels: { device: facts.name }, value: counters.ingressPackets }],
  },
  {
    name: 'vsnat_device_shortcuts',
    help: 'Connections that go through the kernel alone at the moment.',
    type: 'gauge',
    labels: ['device'],
    series: ({ counters, facts }) => [{ labels: { device: facts.name }, value: counters.shortcuts }],
  },
];
