// SPDX-License-Identifier: Apache-2.0
/** The daemon's answers for the commands: an error answer becomes the exception it describes. */
import type { ErrorAnswer } from '../admin/api.js';
import { getJson, postJson, type JsonAnswer } from '../admin/client.js';
import { ChangeRefused } from '../director/change-refused.js';
import { errorCodes, VsnatError } from '../errors.js';

export const defaultSocket = '/run/vsnat/vsnat.sock';

export async function askDaemon<T>(socket: string, path: string): Promise<T> {
  return accepted(await getJson(socket, path)) as T;
}

export async function tellDaemon<T>(socket: string, path: string, body?: unknown): Promise<T> {
  return accepted(await postJson(socket, path, undefined, body)) as T;
}

/** Client and daemon are one package; the shape is trusted, the status is not. */
function accepted({ status, body }: JsonAnswer): unknown {
  if (status === 200) return body;
  const { code, message, reason } = (body as Partial<ErrorAnswer>).error ?? {};
  if (code === 'VSNAT_CHANGE_REFUSED') throw new ChangeRefused(reason ?? 'other', message ?? 'refused');
  const known = code !== undefined && code !== 'HTTP' && Object.hasOwn(errorCodes, code);
  throw new VsnatError(
    known ? code : 'VSNAT_UNREACHABLE',
    message ?? `daemon: must answer, got HTTP status ${status}`,
  );
}
