// SPDX-License-Identifier: Apache-2.0
/**
 * nginx's stream module, with what its documentation recommends: a worker per CPU, bound to it (`worker_processes`,
 * `worker_cpu_affinity`), a listening socket for each (`reuseport`; for UDP it is what keeps a client with its worker),
 * a long listening queue (`backlog`), `tcp_nodelay` (the default), buffers of 64 KiB instead of 16 so that one read takes
 * a superpacket in (`proxy_buffer_size`), no access log, and connections and descriptors enough (`worker_connections`,
 * `worker_rlimit_nofile`).
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { families } from '../../test/netns/support/lab.js';
import type { Topology } from '../../test/netns/support/topology.js';
import { proxyVipOf, ripOf, serviceNames, services, type Contender } from './contender.js';
import { startProxy } from './proxy.js';

/** Debian's package puts it here; other builds have it built in. */
const streamModule = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** A session of a proxy has a port of its own towards the server, and an address has no more of them than this. */
const portsOfAnAddress = 50_000;

function configuration(topology: Topology, directory: string): string {
  const workers = availableParallelism();
  const servers = serviceNames.flatMap((name) =>
    families.map((family) => {
      const udp = services[name].protocol === 'udp';
      const how = udp ? 'udp reuseport rcvbuf=4m' : 'reuseport backlog=4096';
      return `  server { listen ${proxyVipOf(name, family)} ${how}; proxy_pass ${ripOf(topology, name, family)}; }`;
    }),
  );
  return `${existsSync(streamModule) ? `load_module ${streamModule};\n` : ''}daemon off;
user root;
pid ${directory}/nginx.pid;
error_log stderr error;
worker_processes ${workers};
worker_cpu_affinity auto;
worker_rlimit_nofile 262144;
events { worker_connections 131072; multi_accept on; }
stream {
  access_log off;
  tcp_nodelay on;
  proxy_buffer_size 64k;
  proxy_connect_timeout 5s;
  proxy_timeout 60s;
${servers.join('\n')}
}
`;
}

export const nginx: Contender = {
  name: `nginx stream, ${availableParallelism()} workers`,
  kind: 'proxy',
  needs: { command: 'nginx', packages: 'nginx libnginx-mod-stream' },
  declines: ({ flows }) =>
    flows > portsOfAnAddress
      ? 'a proxy needs a port of its own for each flow, and an address has 65,535'
      : null,
  start: (topology) =>
    startProxy(topology, {
      name: 'nginx',
      configuration,
      argv: (file, directory) => ['nginx', '-p', directory, '-e', 'stderr', '-c', file],
    }),
};
