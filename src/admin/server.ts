// SPDX-License-Identifier: Apache-2.0
/**
 * The admin API's doors: the unix socket, and TCP where it is configured. They are opened before anything of the host is
 * touched, because holding the socket is what keeps a second daemon out; until attach() they answer only that the daemon is
 * starting.
 */
import type { AdminFacts } from '../metrics/admin.js';
import { boundedServer, closeServer, type BoundedOptions } from '../metrics/bounded-server.js';
import type { AdminSettings } from '../model/index.js';
import type { AdminActions, DaemonState, StatusAnswer } from './api.js';
import { answerBrokenRequests } from './broken-requests.js';
import { AdminCounters } from './counters.js';
import { EventStreams } from './event-streams.js';
import { admitLocal, type Admit, type OnRejected } from './gate.js';
import { handleAdmin } from './handle.js';
import { RejectionLog } from './rejection-log.js';
import type { AdminSource } from './route.js';
import { listenOnSocket, usualPermissions } from './socket.js';
import { openTcp, type TcpDoor } from './tcp.js';

export interface AdminOptions {
  readonly socket: string;
  /** Left out: the socket alone, 0660. */
  readonly settings?: Pick<AdminSettings, 'mode' | 'group' | 'listen' | 'tokenFile' | 'tls'>;
  readonly identity: Pick<StatusAnswer, 'pid' | 'version' | 'configFile' | 'startedAt'>;
  readonly onFailure: (error: unknown) => void;
  /** Hears of peers that were turned away, a sentence now and then. */
  readonly warn?: (sentence: string) => void;
  /** Others than the usual ones, for tests. */
  readonly limits?: BoundedOptions['limits'];
  readonly tokenDelayMs?: number;
}

export interface AdminServer {
  /** Where it is served over TCP; null: not. */
  readonly port: number | null;
  readonly facts: AdminFacts;
  /** From now on the routes work. */
  attach(actions: AdminActions): void;
  /** The routes that need the director answer 503 again, and the streams end. */
  detach(): void;
  /** Reads tokens and certificates again; what it resolves with puts them in force. Rejects when they cannot be used. */
  renew(): Promise<() => void>;
  close(): Promise<void>;
}

export async function openAdmin(options: AdminOptions): Promise<AdminServer> {
  const { socket, settings, identity, onFailure, warn = () => undefined, limits = {} } = options;
  let actions: AdminActions | undefined;
  let state: DaemonState = 'starting';
  const streams = new EventStreams();
  const counters = new AdminCounters();
  const rejectionLog = new RejectionLog(warn);
  const onRejected: OnRejected = (reason, address) => {
    counters.rejected(reason);
    rejectionLog.add(reason, address);
  };
  const source: AdminSource = { status: () => ({ ...identity, state }), actions: () => actions, streams };
  const handlingFor = (admit: Admit) => ({
    admit,
    onFailure,
    onAnswered: (route: string, status: number, seconds: number) => counters.answered(route, status, seconds),
  });

  const local = boundedServer(
    (request, response) =>
      handleAdmin(
        source,
        request,
        response,
        handlingFor(() => admitLocal(request, onRejected)),
      ),
    onFailure,
    { limits, withoutHost: 'handled' },
  );
  answerBrokenRequests(local, onRejected);
  local.on('drop', () => onRejected('connections', ''));
  const held = await listenOnSocket(local, socket, settings ?? usualPermissions);
  const closeLocal = async (): Promise<void> => {
    await held.release(); // the file first: a client then finds no daemon rather than one that hangs up
    await closeServer(local);
  };

  let tcp: TcpDoor | null = null;
  const { listen = null, tokenFile = null, tls = null } = settings ?? {};
  try {
    if (listen !== null)
      tcp = await openTcp({
        settings: { listen, tokenFile, tls },
        handle: (request, response, admit) => handleAdmin(source, request, response, handlingFor(admit)),
        onFailure,
        onRejected,
        limits,
        ...(options.tokenDelayMs !== undefined && { delayMs: options.tokenDelayMs }),
      });
  } catch (error) {
    await closeLocal();
    throw error;
  }
  return {
    port: tcp?.port ?? null,
    get facts() {
      return counters.facts(streams.counters);
    },
    attach(ready) {
      actions = ready;
      state = 'ready';
    },
    detach() {
      actions = undefined;
      state = 'stopping';
      streams.close();
    },
    renew: () => tcp?.renew() ?? Promise.resolve(() => undefined),
    close: async () => {
      rejectionLog.close();
      await Promise.all([closeLocal(), tcp?.close()]);
    },
  };
}
