// SPDX-License-Identifier: Apache-2.0
/** Daemons that are none, or are ill: each on a socket of its own. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import { join } from 'node:path';

export interface Peer {
  readonly socket: string;
  close(): void;
}

/** Answers over HTTP as it is told. */
export async function httpPeer(folder: string, name: string, answer: RequestListener): Promise<Peer> {
  const socket = join(folder, name);
  const server: Server = createServer(answer).listen(socket);
  await once(server, 'listening');
  return {
    socket,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Does as it likes with a connection. */
export async function rawPeer(folder: string, name: string, treat: (socket: Socket) => void): Promise<Peer> {
  const path = join(folder, name);
  const open = new Set<Socket>();
  const server: NetServer = createNetServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
    treat(socket);
  }).listen(path);
  await once(server, 'listening');
  return {
    socket: path,
    close: () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

/** A daemon by what it says at each path; a function makes the answer anew. */
export const jsonPeer = (
  folder: string,
  name: string,
  answers: Readonly<Record<string, unknown>>,
): Promise<Peer> =>
  httpPeer(folder, name, (request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    const known = Object.hasOwn(answers, path);
    response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify(
        known ? answers[path] : { error: { code: 'HTTP', message: `${path}: must be a path of the API` } },
      ),
    );
  });
