// SPDX-License-Identifier: Apache-2.0
/** The daemon as anybody runs it: `bin/vsnat run` with a service of each kind, metrics and all. */
import { Daemon } from '../../test/netns/support/daemon.js';
import { families } from '../../test/netns/support/lab.js';
import {
  ripOf,
  serviceNames,
  services,
  takesAll,
  vipOf,
  type Contender,
  type QueueCounts,
} from './contender.js';

export type Way = 'route' | 'direct' | 'shortcut';

export interface VsnatOptions {
  readonly queues: number;
  /**
   * How packets come in and leave (docs/ways.md): with `shortcut` directly, and connections that carry much through the
   * kernel alone. Undefined: not said, for versions that do not know the words.
   */
  readonly way?: Way;
  /** How packets cross the device (docs/decisions/0007-io-uring.md): `poll` is a read and a write for each, as the floor's. */
  readonly io?: 'poll';
  /** Of the checkout whose bin/vsnat runs; this one when undefined. */
  readonly root?: string;
}

export const vsnatName = ({ queues, way, io }: VsnatOptions): string =>
  [`vsnat, ${queues} queue${queues === 1 ? '' : 's'}`, way, io].filter(Boolean).join(', ');

const settingsOf = (way: Way): object => ({
  ingress: way === 'route' ? 'route' : 'direct',
  egress: way === 'route' ? 'route' : 'direct',
  shortcut: way === 'shortcut' ? 'auto' : 'off',
});

async function countsOf(daemon: Daemon): Promise<QueueCounts> {
  const metrics = await daemon.metrics();
  const received = { direction: 'rx' };
  return {
    queues: Object.keys(metrics.by('queue', 'vsnat_queue_packets_total')).length,
    packets: metrics.sum('vsnat_queue_packets_total', received),
    systemCalls: metrics.sum('vsnat_queue_syscalls_total'),
    foreign: metrics.sum('vsnat_queue_foreign_flows_total'),
  };
}

export const vsnat = (options: VsnatOptions, name = vsnatName(options)): Contender => ({
  name,
  kind: 'vsnat',
  declines: takesAll,
  async start(topology) {
    const { queues, way, io, root } = options;
    const daemon = await Daemon.start(
      topology.director.namespace,
      {
        tun: {
          queues,
          ...(way !== undefined && settingsOf(way)),
          ...(io !== undefined && { io }),
        },
        services: families.flatMap((family) =>
          serviceNames.map((service) => ({
            name: `${service}-${family}`,
            listen: `${services[service].protocol}://${vipOf(service, family)}`,
            scheduler: 'rr',
            servers: [ripOf(topology, service, family)],
          })),
        ),
      },
      root,
    );
    return {
      to: vipOf,
      processes: [daemon.pid],
      counts: () => countsOf(daemon),
      stop: async () => {
        await daemon.assertConservation();
        await daemon.stop();
      },
    };
  },
});
