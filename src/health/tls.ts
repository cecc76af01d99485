// SPDX-License-Identifier: Apache-2.0
/**
 * TLS to a server. `verify` checks the chain and the name; the name is the SNI name too, where it is a name. Contexts
 * are kept, because making one parses certificates and takes longer than a whole check; so are sessions, see there.
 */
import { isIP } from 'node:net';
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';

import type { TlsOptions } from '../model/index.js';
import type { Target } from './checker.js';
import { connectTo, listen, placeOf, type StreamEvents } from './stream.js';
import { TlsSessions } from './tls-sessions.js';

/** What all connections with the same options share. */
interface Shared {
  readonly context: SecureContext;
  readonly sessions: TlsSessions;
}

const contexts = new Map<string, SecureContext>();
const maxContexts = 1024;
const shared = new WeakMap<TlsOptions, Shared>();

function sharedBy(options: TlsOptions): Shared {
  let found = shared.get(options);
  if (found === undefined) {
    found = { context: contextOf(options), sessions: new TlsSessions() };
    shared.set(options, found);
  }
  return found;
}

function contextOf({ ca, certificate, key }: TlsOptions): SecureContext {
  const id = JSON.stringify([ca, certificate, key]);
  let context = contexts.get(id);
  if (context === undefined) {
    context = createSecureContext({
      ...(ca === null ? {} : { ca }),
      ...(certificate === null ? {} : { cert: certificate }),
      ...(key === null ? {} : { key }),
    });
    contexts.set(id, context);
    const [oldest] = contexts.keys();
    if (contexts.size > maxContexts && oldest !== undefined) contexts.delete(oldest);
  }
  return context;
}

/** `host` is what the request asks for; null: the address. */
export function openTls(
  target: Target,
  options: TlsOptions,
  host: string | null,
  events: StreamEvents,
): TLSSocket {
  const name = options.serverName ?? host ?? target.address;
  const { context, sessions } = sharedBy(options);
  // Not the place: behind a VIP are several servers.
  const server = `${target.address} ${target.port} ${name}`;
  const known = sessions.take(server, performance.now());
  const socket = connect({
    ...(target.detour === null ? placeOf(target) : { socket: connectTo(target) }),
    secureContext: context,
    servername: isIP(name) === 0 ? name : '', // RFC 6066: no addresses in SNI
    rejectUnauthorized: options.verify,
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    ALPNProtocols: ['http/1.1'],
    ...(known !== undefined && { session: known.session }),
  });
  let isOpen = false;
  socket.once('connect', () => (isOpen = true));
  if (known === undefined) {
    // Both versions give it once the handshake is over; TLS 1.3 gives two, and one is enough.
    socket.once('session', (session: Buffer) => sessions.keep(server, session, performance.now()));
  } else {
    socket.once('secureConnect', () => {
      if (socket.isSessionReused()) sessions.putBack(server, known);
    });
  }
  listen(socket, 'secureConnect', events, () => (isOpen ? 'TLS' : 'connection'));
  return socket;
}
