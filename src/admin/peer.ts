// SPDX-License-Identifier: Apache-2.0
/**
 * Where a daemon is and how one proves who one is: the path of its unix socket, or http(s)://host:port with a token, a client
 * certificate, or both. Nothing here is loaded by the daemon.
 */
import { readFileSync } from 'node:fs';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';

import { VsnatError } from '../errors.js';

export interface Peer {
  /** As it was named; for messages. */
  readonly name: string;
  readonly isTls: boolean;
  readonly options: Omit<RequestOptions, 'headers'>;
  readonly headers: Readonly<Record<string, string>>;
}

/** Files, as the command line and the environment name them. */
export interface Credentials {
  readonly token?: string;
  readonly tokenFile?: string;
  /** Authority the daemon's certificate is of, in the place of the system's. */
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
}

/** VSNAT_TOKEN, VSNAT_TOKEN_FILE, VSNAT_CA, VSNAT_CERT and VSNAT_KEY. */
export function credentialsOf(env: Readonly<Record<string, string | undefined>>): Credentials {
  const names = {
    token: 'VSNAT_TOKEN',
    tokenFile: 'VSNAT_TOKEN_FILE',
    ca: 'VSNAT_CA',
    certificate: 'VSNAT_CERT',
    key: 'VSNAT_KEY',
  } as const;
  return Object.fromEntries(
    Object.entries(names).flatMap(([key, name]) => (env[name] ? [[key, env[name]]] : [])),
  );
}

/** Throws VSNAT_USAGE for what is neither a path nor a URL, and for credentials that cannot be read. */
export function peerOf(where: string, credentials: Credentials = {}): Peer {
  if (!/^https?:\/\//i.test(where))
    return { name: where, isTls: false, options: { socketPath: where }, headers: { host: 'vsnat' } };
  const url = URL.canParse(where) ? new URL(where) : undefined;
  if (url === undefined || url.pathname !== '/' || url.search !== '' || url.username !== '')
    throw new VsnatError(
      'VSNAT_USAGE',
      'socket: must be a path or http(s)://host:port, got a URL with more or less to it',
    );
  const isTls = url.protocol === 'https:';
  const { ca, certificate, key } = credentials;
  const token = credentials.token ?? readToken(credentials.tokenFile);
  const tls = {
    ...(ca !== undefined && { ca: read(ca) }),
    ...(certificate !== undefined && { cert: read(certificate) }),
    ...(key !== undefined && { key: read(key) }),
    minVersion: 'TLSv1.2',
  };
  return {
    name: where,
    isTls,
    options: {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
      ...(isTls ? tls : {}),
    },
    headers: { host: url.host, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
  };
}

/** Node gives names of headers in lower case. */
export const askerHeader = 'vsnat-by';

/** The same peer, told who asks. */
export const askedBy = (peer: Peer, name: string): Peer => ({
  ...peer,
  headers: { ...peer.headers, [askerHeader]: name },
});

/** A request to it, over whatever it speaks. TLS is loaded for those who need it only. */
export async function requestTo(
  { isTls, options, headers }: Peer,
  more: Omit<RequestOptions, 'headers'>,
  own: Readonly<Record<string, string>>,
  onResponse: (response: IncomingMessage) => void,
): Promise<ClientRequest> {
  const { request } = isTls ? await import('node:https') : await import('node:http');
  // A connection kept for the next question may be hung up on in the very moment it is used again.
  return request({ ...options, ...more, agent: false, headers: { ...headers, ...own } }, onResponse);
}

/** The first line that is not empty: the newest of several while they are changed. */
function readToken(file: string | undefined): string | undefined {
  return file === undefined
    ? undefined
    : read(file)
        .split('\n')
        .find((line) => line.trim() !== '')
        ?.trim();
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new VsnatError('VSNAT_USAGE', `${file}: must be a file this user may read, got ${code}`, { cause });
  }
}
