// SPDX-License-Identifier: Apache-2.0
/**
 * HAProxy in TCP mode, with what its configuration manual recommends for throughput: one thread per CPU, bound to it
 * (`nbthread`, `cpu-map`), buffers of 64 KiB instead of 16 so that one read takes a superpacket in (`tune.bufsize`), kernel
 * splicing where it judges it worthwhile (`option splice-auto`) with pipes large enough for it (`tune.pipesize`), and a
 * listening queue as long as the kernel allows (`backlog`). `shards by-thread` and `tcp-smart-accept` gained nothing. It knows
 * no UDP.
 */
import { availableParallelism } from 'node:os';
import type { Topology } from '../../test/netns/support/topology.js';
import { families } from '../../test/netns/support/lab.js';
import { proxyVipOf, ripOf, serviceNames, services, type Contender } from './contender.js';
import { startProxy } from './proxy.js';

function configuration(topology: Topology): string {
  const threads = availableParallelism();
  const listeners = serviceNames
    .filter((name) => services[name].protocol === 'tcp')
    .flatMap((name) =>
      families.map(
        (family) => `listen ${name}-${family}
  bind ${proxyVipOf(name, family)} backlog 4096
  server rs1 ${ripOf(topology, name, family)}
`,
      ),
    );
  return `global
  nbthread ${threads}
  cpu-map auto:1/1-${threads} 0-${threads - 1}
  maxconn 5000
  tune.bufsize 65536
  tune.pipesize 524288
defaults
  mode tcp
  option splice-auto
  timeout connect 5s
  timeout client 60s
  timeout server 60s
${listeners.join('')}`;
}

export const haproxy: Contender = {
  name: `HAProxy TCP, ${availableParallelism()} threads`,
  kind: 'proxy',
  needs: { command: 'haproxy', packages: 'haproxy' },
  declines: ({ service }) => (services[service].protocol === 'udp' ? 'HAProxy proxies no UDP' : null),
  start: (topology) =>
    startProxy(topology, {
      name: 'HAProxy',
      configuration,
      argv: (file) => ['haproxy', '-db', '-f', file],
    }),
};
