// SPDX-License-Identifier: Apache-2.0
/** Servers on 127.0.0.1, well-behaved and otherwise, which count who comes. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls';

import { afterEach } from 'vitest';

export interface TcpPeer {
  readonly port: number;
  /** Remote address of each connection. */
  readonly clients: string[];
  readonly received: Buffer[];
  /** Resolves when every connection is gone. */
  quiet(): Promise<void>;
  close(): Promise<void>;
}

type Behave = (socket: Socket) => void;

export async function tcpPeer(behave: Behave, tls?: TlsOptions, port = 0): Promise<TcpPeer> {
  const sockets = new Set<Socket>();
  const clients: string[] = [];
  const received: Buffer[] = [];
  const waiting: (() => void)[] = [];
  const onSocket = (socket: Socket | TLSSocket): void => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => received.push(bytes));
    behave(socket);
  };
  const server: Server = tls === undefined ? createServer(onSocket) : createTlsServer(tls, onSocket);
  server.on('tlsClientError', () => undefined);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    clients.push(socket.remoteAddress ?? '');
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0) for (const resolve of waiting.splice(0)) resolve();
    });
  });
  server.listen({ host: '127.0.0.1', port });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    clients,
    received,
    quiet: () => (sockets.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface UdpPeer {
  readonly port: number;
  readonly clients: RemoteInfo[];
  close(): Promise<void>;
}

export async function udpPeer(
  behave: (message: Buffer, reply: (bytes: Buffer) => void, from: RemoteInfo) => void,
): Promise<UdpPeer> {
  const socket: UdpSocket = createSocket('udp4');
  const clients: RemoteInfo[] = [];
  socket.on('message', (message, from) => {
    clients.push(from);
    behave(message, (bytes) => socket.send(bytes, from.port, from.address, () => undefined), from);
  });
  socket.bind({ address: '127.0.0.1', port: 0 });
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    clients,
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

/** For one file of tests: `kept` peers are closed after each test, or earlier by close(). */
export function keptPeers() {
  const peers: (TcpPeer | UdpPeer)[] = [];
  const kept = <P extends TcpPeer | UdpPeer>(peer: P): P => {
    peers.push(peer);
    return peer;
  };
  const close = async (): Promise<void> => {
    await Promise.all(peers.splice(0).map((peer) => peer.close()));
  };
  afterEach(close);
  return { kept, close };
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function closedPort(): Promise<number> {
  const peer = await tcpPeer(() => undefined);
  await peer.close();
  return peer.port;
}

/** Sends `piece` as often as the other side takes it. */
export function flood(socket: Socket, piece: Buffer): void {
  const pour = (): void => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', pour);
  pour();
}
