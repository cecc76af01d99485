// SPDX-License-Identifier: Apache-2.0
/** The daemon as anybody runs it: `bin/vsnat run` with a service of each kind, metrics and all. */
import { Daemon } from '../../test/netns/support/daemon.js';
import { families } from '../../test/netns/support/lab.js';
import { ripOf, serviceNames, services, takesAll, vipOf, type Contender } from './contender.js';

export interface VsnatOptions {
  readonly queues: number;
  /** docs/egress.md. Undefined: not said, for versions that do not know the word. */
  readonly egress?: 'route' | 'direct';
  /** Of the checkout whose bin/vsnat runs; this one when undefined. */
  readonly root?: string;
}

export const vsnatName = ({ queues, egress }: VsnatOptions): string =>
  `vsnat, ${queues} queue${queues === 1 ? '' : 's'}${egress === undefined ? '' : `, ${egress}`}`;

export const vsnat = (options: VsnatOptions, name = vsnatName(options)): Contender => ({
  name,
  kind: 'vsnat',
  declines: takesAll,
  async start(topology) {
    const { queues, egress, root } = options;
    const daemon = await Daemon.start(
      topology.director.namespace,
      {
        tun: { queues, ...(egress !== undefined && { egress }) },
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
      stop: async () => {
        await daemon.assertConservation();
        await daemon.stop();
      },
    };
  },
});
