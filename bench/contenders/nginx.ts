// SPDX-License-Identifier: Apache-2.0
/**
 * nginx's stream module, with what its documentation recommends: a worker per CPU, bound to it (`worker_processes`,
 * `worker_cpu_affinity`), a listening socket for each (`reuseport`; for UDP it is what keeps a client with its worker),
 * a long listening queue (`backlog`), `tcp_nodelay` (the default), buffers of 64 KiB instead of 16 so that one read takes
 * a superpacket in (`proxy_buffer_size`), no access log, and connections and descriptors enough (`worker_connections`,
 * `worker_rlimit_nofile`).
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { families } from '../../test/netns/support/lab.js';
import type { Topology } from '../../test/netns/support/topology.js';
import { until } from '../../test/netns/support/until.js';
import {
  addProxyVips,
  isListening,
  proxyVipOf,
  ripOf,
  serviceNames,
  services,
  type Contender,
} from './contender.js';

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
  async start(topology) {
    const directory = await mkdtemp(path.join(tmpdir(), 'vsnat-bench-'));
    const file = path.join(directory, 'nginx.conf');
    await writeFile(file, configuration(topology, directory));
    const removeVips = await addProxyVips(topology);
    const program = topology.director.namespace.spawn(['nginx', '-p', directory, '-e', 'stderr', '-c', file]);
    const stop = async (): Promise<void> => {
      await program.stop();
      await removeVips();
      await rm(directory, { recursive: true });
    };
    await until('nginx to listen', () => isListening(topology, program)).catch(async (error: unknown) => {
      await stop();
      throw error;
    });
    return { to: proxyVipOf, processes: [program.pid], stop };
  },
};
