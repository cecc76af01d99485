// SPDX-License-Identifier: Apache-2.0
/**
 * The demo's network: the picture every LVS text draws for NAT. The director has one leg to the clients and one to
 * each real server; the real servers' default route is the director, which is what VS/NAT lives from.
 */
import { demoFolder } from './lock.js';
import { assertNamesFree, readMarks, writeMarks } from './marks.js';
import { connect, Namespace, namespaceNames, removeNamespace } from './namespaces.js';

export interface DemoServer {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly weight: number;
  /** The director's address on this server's subnet: the server's way out. */
  readonly gateway: string;
}

export const clientNamespace = 'vsnat-client';
export const directorNamespace = 'vsnat-director';
export const clientAddress = '10.1.0.2';
export const clientGateway = '10.1.0.1';
export const vip = '10.9.0.1';
export const vport = 80;
export const rport = 8080;
export const metricsUrl = 'http://127.0.0.1:9191/metrics';

export const demoServers: readonly DemoServer[] = [5, 3, 1].map((weight, index) => ({
  name: `rs${index + 1}`,
  namespace: `vsnat-rs${index + 1}`,
  address: `10.2.${index + 1}.2`,
  gateway: `10.2.${index + 1}.1`,
  weight,
}));

const ownNames: readonly string[] = [
  clientNamespace,
  directorNamespace,
  ...demoServers.map((server) => server.namespace),
];

export interface Topology {
  readonly client: Namespace;
  readonly director: Namespace;
  readonly servers: readonly Namespace[];
}

/** Refuses when a name is somebody else's. What an earlier demo left must be removed before. */
export async function buildTopology(): Promise<Topology> {
  assertNamesFree(ownNames, await namespaceNames());
  await writeMarks(demoFolder, ownNames);
  const client = await Namespace.create(clientNamespace);
  const director = await Namespace.create(directorNamespace);
  await connect(
    { namespace: director, interface: 'clients', addresses: [`${clientGateway}/24`] },
    { namespace: client, interface: 'eth0', addresses: [`${clientAddress}/24`] },
  );
  await client.must(['ip', 'route', 'add', 'default', 'via', clientGateway]);

  const servers: Namespace[] = [];
  for (const { name, namespace, address, gateway } of demoServers) {
    const server = await Namespace.create(namespace);
    await connect(
      { namespace: director, interface: `to-${name}`, addresses: [`${gateway}/24`] },
      { namespace: server, interface: 'eth0', addresses: [`${address}/24`] },
    );
    await server.must(['ip', 'route', 'add', 'default', 'via', gateway]);
    servers.push(server);
  }
  // The daemon never turns a machine into a router by itself; here the machine is ours.
  await director.sysctl('net/ipv4/ip_forward', '1');
  return { client, director, servers };
}

/** Also removes what a killed run left: its marks are still there. */
export async function removeTopology(): Promise<void> {
  for (const name of await readMarks(demoFolder)) await removeNamespace(name);
}

export function configuration(socket: string): string {
  const servers = demoServers.map(
    ({ address, weight }) => `      - { address: "${address}:${rport}", weight: ${weight} }`,
  );
  return `# The demo's configuration. Change a weight and say: vsnat reload
services:
  - name: web
    listen: tcp://${vip}:${vport}
    scheduler: wrr
    servers:
${servers.join('\n')}
admin: { socket: ${socket} }
log: { format: json }
`;
}
