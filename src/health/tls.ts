// SPDX-License-Identifier: Apache-2.0
/**
 * TLS to a server. `verify` checks the chain and the name; the name is the SNI name too, where it is a name. Contexts
 * are kept, because making one parses certificates and takes longer than a whole check.
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
import { listen, placeOf, type StreamEvents } from './stream.js';

const contexts = new Map<string, SecureContext>();
const maxContexts = 1024;

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
  const socket = connect({
    ...placeOf(target),
    secureContext: contextOf(options),
    servername: isIP(name) === 0 ? name : '', // RFC 6066: no addresses in SNI
    rejectUnauthorized: options.verify,
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    ALPNProtocols: ['http/1.1'],
  });
  let isOpen = false;
  socket.once('connect', () => (isOpen = true));
  listen(socket, 'secureConnect', events, () => (isOpen ? 'TLS' : ''));
  return socket;
}
