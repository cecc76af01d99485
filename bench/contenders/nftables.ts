// SPDX-License-Identifier: Apache-2.0
/**
 * Translation in the kernel with conntrack: what kube-proxy's nftables mode and most NAT on Linux is. One rule per
 * service; a lookup in a map costs the same once per connection. No flowtable: it would take forwarding out of
 * netfilter's way, but needs CONFIG_NF_FLOW_TABLE, which not every kernel has (docs/benchmarks.md says what this run's had).
 */
import { families } from '../../test/netns/support/lab.js';
import { ripOf, serviceNames, services, takesAll, vip, vipOf, type Contender } from './contender.js';

export const kernelDnat: Contender = {
  name: 'nftables DNAT',
  kind: 'kernel',
  needs: { command: 'nft', packages: 'nftables' },
  declines: takesAll,
  async start(topology) {
    const { namespace } = topology.director;
    const rules = families.flatMap((family) =>
      serviceNames.map((name) => {
        const { protocol, vport } = services[name];
        const ip = family === 'v4' ? 'ip' : 'ip6';
        return `${ip} daddr ${vip[family]} ${protocol} dport ${vport} dnat ${ip} to ${ripOf(topology, name, family)}`;
      }),
    );
    const chain = `type nat hook prerouting priority dstnat; ${rules.join('; ')};`;
    await namespace.must(['nft', '-f', '-'], {
      input: `table inet bench { chain prerouting { ${chain} }; }`,
    });
    return {
      to: vipOf,
      processes: [],
      stop: async () => {
        await namespace.must(['nft', 'delete', 'table', 'inet', 'bench']);
      },
    };
  },
};
