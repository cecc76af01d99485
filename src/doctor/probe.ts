// SPDX-License-Identifier: Apache-2.0
/**
 * Asks the real servers themselves. A connection from the address the kernel chooses tells whether the server is there.
 * A second one, from an address of this host that lies outside the server's subnet, is answered over the way back that
 * clients' packets take: when only that one stays silent, the server's route does not lead here.
 */
import { connect as connectTcp } from 'node:net';

import { serversOf, type Probed, type ProbedServer, type Wanted, type WantedServer } from './facts.js';
import type { HostPrefix } from './prefix.js';

export type Connect = (
  to: { readonly address: string; readonly port: number },
  from?: string,
) => Promise<Probed>;

/** More servers than this are a sample. */
export const mostProbed = 64;
const atOnce = 16;
const patienceMs = 1_000;

export async function probeServers(
  wanted: Wanted,
  addresses: readonly HostPrefix[],
  connect: Connect,
): Promise<readonly ProbedServer[]> {
  const tcp = new Set(
    wanted.services
      .filter(({ listen }) => listen.every(({ protocol }) => protocol === 'tcp'))
      .flatMap(({ servers }) => servers.map(({ id }) => id)),
  );
  const pending = serversOf(wanted)
    .filter(({ id, port }) => tcp.has(id) && port !== 0)
    .slice(0, mostProbed);
  const probed: ProbedServer[] = [];
  const worker = async (): Promise<void> => {
    for (let server = pending.shift(); server !== undefined; server = pending.shift())
      probed.push(await probe(server, wanted, addresses, connect));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return probed.sort((a, b) => a.server.localeCompare(b.server));
}

async function probe(
  server: WantedServer,
  wanted: Wanted,
  addresses: readonly HostPrefix[],
  connect: Connect,
): Promise<ProbedServer> {
  const direct = await connect(server);
  const answered = direct === 'open' || direct === 'refused';
  const source = answered ? sourceElsewhere(server, wanted, addresses) : undefined;
  if (source === undefined) return { server: server.id, direct, fromElsewhere: null };
  return { server: server.id, direct, fromElsewhere: { source, result: await connect(server, source) } };
}

/** Only of a server on a link of ours: behind routers nobody knows which of our addresses are near. */
function sourceElsewhere(
  server: WantedServer,
  wanted: Wanted,
  addresses: readonly HostPrefix[],
): string | undefined {
  const isV6 = server.address.includes(':');
  const own = addresses.filter(
    ({ device, address }) => device !== 'lo' && device !== wanted.device && address.includes(':') === isV6,
  );
  const link = own.find((one) => one.contains(server.address))?.device;
  return link === undefined ? undefined : own.find(({ device }) => device !== link)?.address;
}

export const connectForReal: Connect = ({ address, port }, from) =>
  new Promise((resolve) => {
    const socket = connectTcp({
      host: address,
      port,
      timeout: patienceMs,
      ...(from === undefined ? {} : { localAddress: from }),
    });
    const end = (result: Probed): void => {
      socket.destroy();
      resolve(result);
    };
    socket.on('connect', () => end('open'));
    socket.on('timeout', () => end('silent'));
    socket.on('error', (error: NodeJS.ErrnoException) => end(resultOf(error.code)));
  });

function resultOf(code: string | undefined): Probed {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'ETIMEDOUT':
      return 'silent';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no-route';
    case 'EADDRNOTAVAIL':
    case 'EINVAL':
      return 'no-source';
    default:
      return 'failed';
  }
}
