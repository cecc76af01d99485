// SPDX-License-Identifier: Apache-2.0
/**
 * The admin socket's server. It is opened before anything of the host is touched, because holding the socket is
 * what keeps a second daemon out; until attach() it answers only that the daemon is starting.
 */
import { boundedServer, closeServer } from '../metrics/bounded-server.js';
import type { AdminActions, DaemonState, StatusAnswer } from './api.js';
import { EventStreams } from './event-streams.js';
import { handleAdmin } from './handle.js';
import { listenOnSocket } from './socket.js';

export interface AdminOptions {
  readonly socket: string;
  readonly identity: Pick<StatusAnswer, 'pid' | 'version' | 'configFile' | 'startedAt'>;
  readonly onFailure: (error: unknown) => void;
}

export interface AdminServer {
  /** From now on the routes work. */
  attach(actions: AdminActions): void;
  /** The routes that need the director answer 503 again. */
  detach(): void;
  close(): Promise<void>;
}

export async function openAdmin({ socket, identity, onFailure }: AdminOptions): Promise<AdminServer> {
  let actions: AdminActions | undefined;
  let state: DaemonState = 'starting';
  const streams = new EventStreams();
  const server = boundedServer(
    (request, response) =>
      handleAdmin(
        { status: () => ({ ...identity, state }), actions: () => actions, streams },
        request,
        response,
        onFailure,
      ),
    onFailure,
  );
  const held = await listenOnSocket(server, socket);
  return {
    attach(ready) {
      actions = ready;
      state = 'ready';
    },
    detach() {
      actions = undefined;
      state = 'stopping';
      streams.close();
    },
    close: async () => {
      await held.release(); // the file first: a client then finds no daemon rather than one that hangs up
      await closeServer(server);
    },
  };
}
