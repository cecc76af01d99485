// SPDX-License-Identifier: Apache-2.0
/** The daemon's answers for the commands: an error answer becomes the exception it describes. */
import type { ErrorAnswer } from '../admin/api.js';
import { askJson, getJson, postJson, type JsonAnswer } from '../admin/client.js';
import type { Peer } from '../admin/peer.js';
import { ChangeRefused } from '../director/change-refused.js';
import { errorCodes, VsnatError, type ErrorCode } from '../errors.js';

export const defaultSocket = '/run/vsnat/vsnat.sock';

export async function askDaemon<T>(where: string | Peer, path: string, signal?: AbortSignal): Promise<T> {
  return accepted(await getJson(where, path, undefined, signal)) as T;
}

export async function tellDaemon<T>(where: string | Peer, path: string, body?: unknown): Promise<T> {
  return accepted(await postJson(where, path, undefined, body)) as T;
}

export async function removeAtDaemon<T>(where: string | Peer, path: string): Promise<T> {
  return accepted(await askJson(where, { method: 'DELETE', path })) as T;
}

/** Client and daemon are one package; the shape is trusted, the status is not. */
export function accepted({ status, body }: JsonAnswer): unknown {
  if (status === 200) return body;
  const { code, message, reason } = (body as Partial<ErrorAnswer> | null)?.error ?? {};
  if (code === 'VSNAT_CHANGE_REFUSED') throw new ChangeRefused(reason ?? 'other', message ?? 'refused');
  if (status === 401)
    throw new VsnatError(
      'VSNAT_NO_PERMISSION',
      'daemon: must be told a token it knows, got none or another; name the file of one with --token-file',
    );
  const known = code !== undefined && code !== 'HTTP' && Object.hasOwn(errorCodes, code);
  throw new VsnatError(
    known ? code : codeOf(status),
    message ?? `daemon: must answer, got HTTP status ${status}`,
  );
}

/** Of an answer that is HTTP's and not vsnat's. */
function codeOf(status: number): ErrorCode {
  if (status === 403 || status === 429) return 'VSNAT_NO_PERMISSION';
  return status === 503 ? 'VSNAT_UNREACHABLE' : 'VSNAT_DAEMON'; // 503: it is starting or stopping
}
