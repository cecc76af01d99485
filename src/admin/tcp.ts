// SPDX-License-Identifier: Apache-2.0
/**
 * The admin API over TCP: off unless configured, and never open to whoever comes. Over plain HTTP a token travels as it is, so
 * that is for loopback; elsewhere TLS, with a token, a client certificate, or both. Tokens and certificates are read again with
 * every reload, before anything is changed, so that a file that cannot be used leaves the old ones in force.
 */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { createSecureContext, type Server as TlsServer } from 'node:tls';

import { VsnatError, said } from '../errors.js';
import { boundedServer, closeServer, type BoundedOptions } from '../metrics/bounded-server.js';
import { formatEndpoint, scopeOf, type AdminSettings, type Endpoint } from '../model/index.js';
import { answerBrokenRequests } from './broken-requests.js';
import { Gate, type Admit, type OnRejected } from './gate.js';
import { readPrivate, readTokens, type Digest } from './tokens.js';

export type TcpSettings = Pick<AdminSettings, 'tokenFile' | 'tls'> & { readonly listen: Endpoint };

export interface TcpOptions {
  readonly settings: TcpSettings;
  /** Answers once `admit` lets the request in; what that throws is the answer otherwise. */
  readonly handle: (request: IncomingMessage, response: ServerResponse, admit: Admit) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  readonly onRejected: OnRejected;
  readonly limits?: BoundedOptions['limits'];
  /** What a wrong token waits. */
  readonly delayMs?: number;
}

export interface TcpDoor {
  readonly port: number;
  /** Reads tokens and certificates again; what it resolves with puts them in force. Rejects with VSNAT_CONFIG_INVALID. */
  renew(): Promise<() => void>;
  close(): Promise<void>;
}

interface Secrets {
  readonly digests: readonly Digest[] | null;
  readonly tls: ServerOptions | null;
  readonly certificate: X509Certificate | null;
}

/** Of one address, so that one peer cannot keep the others out. */
const connectionsPerAddress = 16;

export async function openTcp(options: TcpOptions): Promise<TcpDoor> {
  const { settings, handle, onFailure, onRejected, limits = {}, delayMs } = options;
  assertGuarded(settings);
  let secrets = await readSecrets(settings);
  const gate = new Gate({
    digests: () => secrets.digests,
    isOwnName: (name) => secrets.certificate?.checkHost(name) !== undefined,
    onRejected,
    ...(delayMs !== undefined && { delayMs }),
  });
  const server = boundedServer(
    (request, response) => handle(request, response, () => gate.check(request)),
    onFailure,
    { limits, withoutHost: 'handled', ...(secrets.tls !== null && { tls: secrets.tls }) },
  );
  answerBrokenRequests(server, onRejected);
  boundByAddress(server, onRejected);
  server.on('tlsClientError', (_, socket: Socket) => onRejected('tls', socket.remoteAddress ?? ''));
  await listen(server, settings.listen);
  return {
    port: (server.address() as AddressInfo).port,
    renew: async () => {
      const next = await readSecrets(settings);
      return () => {
        secrets = next;
        if (next.tls !== null) (server as unknown as TlsServer).setSecureContext(next.tls);
      };
    },
    close: () => closeServer(server),
  };
}

/** The configuration is checked for this as well; whoever embeds this has no configuration. */
function assertGuarded({ listen, tokenFile, tls }: TcpSettings): void {
  if (tokenFile === null && tls?.clientCa == null)
    throw mistake('admin.listen', 'come with admin.token_file or admin.tls.client_ca', 'add one of them');
  if (tls === null && scopeOf(listen.address) !== 'loopback')
    throw mistake(
      'admin.listen',
      `be a loopback address without admin.tls, got ${listen.address}`,
      'add admin.tls; a token that travels in the clear is everybody’s',
    );
}

async function readSecrets({ tokenFile, tls }: TcpSettings): Promise<Secrets> {
  const digests = tokenFile === null ? null : await readTokens(tokenFile);
  if (tls === null) return { digests, tls: null, certificate: null };
  const { certificate: certificateFile, key: keyFile, clientCa } = tls;
  const cert = await readPublic('admin.tls.certificate', certificateFile);
  const key = await readPrivate('admin.tls.key', keyFile);
  const ca = clientCa === null ? undefined : await readPublic('admin.tls.client_ca', clientCa);
  const options: ServerOptions = {
    cert,
    key,
    minVersion: 'TLSv1.2',
    ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: true }),
  };
  try {
    createSecureContext(options);
    return { digests, tls: options, certificate: new X509Certificate(cert) };
  } catch (cause) {
    throw mistake(
      'admin.tls',
      `have a certificate and its key in PEM, got ${said(cause)}`,
      `check ${certificateFile} and ${keyFile}`,
      cause,
    );
  }
}

async function readPublic(key: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw mistake(
      key,
      `be a file the daemon may read, got ${codeOf(cause)} for ${file}`,
      'check the path',
      cause,
    );
  }
}

function boundByAddress(server: Server, onRejected: OnRejected): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
    if (count <= connectionsPerAddress) return;
    onRejected('connections', address);
    socket.destroy();
  });
  server.on('drop', (dropped?: { readonly remoteAddress?: string }) =>
    onRejected('connections', dropped?.remoteAddress ?? ''),
  );
}

async function listen(server: Server, at: Endpoint): Promise<void> {
  server.listen({ host: at.address, port: at.port });
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new VsnatError(
      'VSNAT_HOST_REFUSED',
      `admin.listen: must be an address and port free on this host, got ${codeOf(cause)} for ${formatEndpoint(at)}; ` +
        'choose another, or `admin: { listen: off }`',
      { cause },
    );
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

const mistake = (where: string, must: string, hint: string, cause?: unknown): VsnatError =>
  new VsnatError('VSNAT_CONFIG_INVALID', `${where}: must ${must}; ${hint}`, { cause });
