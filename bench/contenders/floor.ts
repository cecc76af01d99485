// SPDX-License-Identifier: Apache-2.0
/** See bench/floor: the plumbing it needs is the same as vsnat's, done by hand. It knows IPv4 only. */
import { floorProgram } from '../../test/netns/support/load.js';
import { realServer, ripOf, serviceNames, services, vip, vipOf, type Contender } from './contender.js';

export interface FloorOptions {
  readonly queues: number;
  readonly offload: 'on' | 'off';
}

export const floorName = ({ queues, offload }: FloorOptions): string =>
  `floor, ${queues} queue${queues === 1 ? '' : 's'}${offload === 'off' ? ', no offload' : ''}`;

export const floor = ({ queues, offload }: FloorOptions): Contender => ({
  name: floorName({ queues, offload }),
  kind: 'floor',
  declines: ({ family }) => (family === 'v6' ? 'the floor knows IPv4 only' : null),
  async start(topology) {
    const { namespace } = topology.director;
    const mappings = serviceNames.map((name) => `${vipOf(name, 'v4')}=${ripOf(topology, name, 'v4')}`);
    const program = namespace.spawn([await floorProgram(), 'floor0', String(queues), offload, ...mappings]);
    await program.waitForOutput(/^ready$/m);
    await namespace.sysctl({ 'net.ipv4.conf.floor0.rp_filter': 2 });
    const { ipv4 } = realServer(topology);
    const rules = serviceNames.map((name) => {
      const { protocol, port } = services[name];
      return `from ${ipv4} ipproto ${protocol} sport ${port} iif srv1 lookup 100`;
    });
    await namespace.ip([
      'link set floor0 mtu 65535 txqueuelen 5000 up',
      'address add 127.118.0.1/32 dev floor0 scope host',
      `route add ${vip.v4}/32 dev floor0`,
      'route add default dev floor0 table 100',
      ...rules.map((rule) => `rule add ${rule}`),
    ]);
    return {
      to: vipOf,
      processes: [program.pid],
      stop: async () => {
        await namespace.ip(rules.map((rule) => `rule del ${rule}`));
        await program.stop(); // the device goes with it, and the routes with the device
      },
    };
  },
});
