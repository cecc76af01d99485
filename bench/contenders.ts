// SPDX-License-Identifier: Apache-2.0
/**
 * The ways to get a client's packets to a real server that are measured against each other. All run in the same
 * namespaces between the same two processes; only the director's work differs. Each starts for one service at a time
 * (the floor knows a single mapping), and puts the namespace back as it found it.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Daemon } from '../test/netns/support/daemon.js';
import { at } from '../test/netns/support/lab.js';
import { floorProgram, ports } from '../test/netns/support/load.js';
import { run, type Background } from '../test/netns/support/process.js';
import type { Topology } from '../test/netns/support/topology.js';
import { until } from '../test/netns/support/until.js';

export type Service = 'stream' | 'http';

const vip = '10.9.0.1';
const vport = 80;
/**
 * A proxy ends connections at the VIP, so its namespace keeps sockets in TIME_WAIT there. The kernel finds those
 * before it routes (early demultiplexing) and then refuses to forward the packet: on the same VIP, whoever comes after
 * the proxy would lose every connection whose client port comes round again.
 */
const proxyVip = '10.9.0.2';

export interface Contender {
  readonly name: string;
  /** A command it cannot do without, and the Debian package that has it. */
  readonly needs?: { readonly command: string; readonly package: string };
  /** Resolves when connections to `to` reach the real server's `service`. */
  start(topology: Topology, service: Service): Promise<Running>;
}

export interface Running {
  readonly to: string;
  stop(): Promise<void>;
}

const realServer = (topology: Topology, service: Service): { address: string; port: number } => {
  const [server] = topology.servers;
  if (server === undefined) throw new Error('the bench needs a real server');
  return { address: server.ipv4, port: ports[service] };
};

const routing: Contender = {
  name: 'plain routing',
  start: (topology, service) => {
    const { address, port } = realServer(topology, service);
    return Promise.resolve({ to: at(address, port), stop: () => Promise.resolve() });
  },
};

const kernelDnat: Contender = {
  name: 'nftables DNAT',
  needs: { command: 'nft', package: 'nftables' },
  async start(topology, service) {
    const { director } = topology;
    const { address, port } = realServer(topology, service);
    await director.namespace.must(['nft', '-f', '-'], {
      input: `table ip bench {
        chain prerouting {
          type nat hook prerouting priority dstnat;
          ip daddr ${vip} tcp dport ${vport} dnat to ${address}:${port}
        }
      }`,
    });
    return {
      to: at(vip, vport),
      stop: async () => {
        await director.namespace.must(['nft', 'delete', 'table', 'ip', 'bench']);
      },
    };
  },
};

/** See bench/floor: the plumbing it needs is the same as vsnat's, done by hand. */
const floor: Contender = {
  name: 'floor, 1 queue',
  async start(topology, service) {
    const { namespace } = topology.director;
    const { address, port } = realServer(topology, service);
    const argv = [await floorProgram(), 'floor0', '1', at(vip, vport), at(address, port)];
    const program = namespace.spawn(argv);
    await program.waitForOutput(/^ready$/m);
    await namespace.sysctl({ 'net.ipv4.conf.floor0.rp_filter': 2 });
    const rule = `from ${address} ipproto tcp sport ${port} iif srv1 lookup 100`;
    await namespace.ip([
      'link set floor0 mtu 65535 txqueuelen 5000 up',
      'address add 127.118.0.1/32 dev floor0 scope host',
      `route add ${vip}/32 dev floor0`,
      'route add default dev floor0 table 100',
      `rule add ${rule}`,
    ]);
    return {
      to: at(vip, vport),
      stop: async () => {
        await namespace.ip([`rule del ${rule}`]);
        await program.stop(); // the device goes with it, and the routes with the device
      },
    };
  },
};

const vsnat = (queues: number): Contender => ({
  name: `vsnat, ${queues} queue${queues === 1 ? '' : 's'}`,
  async start(topology, service) {
    const { address, port } = realServer(topology, service);
    const daemon = await Daemon.start(topology.director.namespace, {
      tun: { queues },
      services: [
        { name: service, listen: `tcp://${at(vip, vport)}`, scheduler: 'rr', servers: [at(address, port)] },
      ],
    });
    return {
      to: at(vip, vport),
      stop: async () => {
        await daemon.assertConservation();
        await daemon.stop();
      },
    };
  },
});

/**
 * TCP mode with what HAProxy's manual recommends for throughput: one thread per CPU, bound to it, and kernel splicing
 * (`option splice-auto`) with pipes large enough for it.
 */
const haproxy: Contender = {
  name: 'HAProxy TCP, 2 threads',
  needs: { command: 'haproxy', package: 'haproxy' },
  async start(topology, service) {
    const { namespace } = topology.director;
    const { address, port } = realServer(topology, service);
    const directory = await mkdtemp(path.join(tmpdir(), 'vsnat-bench-'));
    const file = path.join(directory, 'haproxy.cfg');
    await writeFile(
      file,
      `global
  nbthread 2
  cpu-map auto:1/1-2 0-1
  maxconn 5000
  tune.pipesize 524288
defaults
  mode tcp
  option splice-auto
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen ${service}
  bind ${proxyVip}:${vport}
  server rs1 ${address}:${port}
`,
    );
    await namespace.ip([`addr add ${proxyVip}/32 dev lo`]);
    const program = namespace.spawn(['haproxy', '-db', '-f', file]);
    const running = {
      to: at(proxyVip, vport),
      stop: async () => {
        await program.stop();
        await namespace.ip([`addr del ${proxyVip}/32 dev lo`]);
        await rm(directory, { recursive: true });
      },
    };
    await listening(topology, program).catch(async (error: unknown) => {
      await running.stop();
      throw error;
    });
    return running;
  },
};

/** HAProxy says nothing when it is ready, so look for its socket. */
async function listening({ director }: Topology, program: Background): Promise<void> {
  await until('HAProxy to listen', async () => {
    if (!program.alive) throw new Error(`HAProxy ended:\n${program.output}`);
    return (await director.namespace.must(['ss', '-Hltn', `sport = :${vport}`])) !== '';
  });
}

export const contenders: readonly Contender[] = [routing, kernelDnat, floor, vsnat(1), vsnat(2), haproxy];

/** A sentence for each contender that cannot run here, by name. */
export async function missing(wanted: readonly Contender[]): Promise<ReadonlyMap<string, string>> {
  const sentences = new Map<string, string>();
  for (const { name, needs } of wanted) {
    if (needs === undefined) continue;
    const { code } = await run(['sh', '-c', `command -v ${needs.command}`]);
    if (code !== 0) sentences.set(name, `${needs.command} is missing; apt-get install ${needs.package}`);
  }
  return sentences;
}
