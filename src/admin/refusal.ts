// SPDX-License-Identifier: Apache-2.0
/** How a request is refused: statuses, and the one shape of every error answer. */
import { ChangeRefused } from '../director/change-refused.js';
import { VsnatError, type ErrorCode } from '../errors.js';
import type { ErrorAnswer } from './api.js';

/** The request itself is at fault, before anything of vsnat has looked at it. */
export class HttpRefusal extends Error {
  override readonly name = 'HttpRefusal';
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export interface Refused {
  readonly status: number;
  readonly answer: ErrorAnswer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Of what a route throws on purpose; undefined for a bug. */
export function refusedWith(error: unknown): Refused | undefined {
  if (error instanceof HttpRefusal) {
    const { status, message, headers } = error;
    return { status, answer: { error: { code: 'HTTP', message: printable(message) } }, headers };
  }
  if (error instanceof VsnatError)
    return { status: statusOf(error), answer: errorAnswer(error), headers: {} };
  return undefined;
}

/** An error as the API tells it; the mistakes of a configuration one by one. */
export function errorAnswer(error: Error): ErrorAnswer {
  const code = error instanceof VsnatError ? error.code : 'VSNAT_DATAPLANE';
  const isConfig = code === 'VSNAT_CONFIG_INVALID';
  return {
    error: {
      code,
      message: printable(error.message),
      ...(isConfig ? { problems: printable(error.message).split('\n') } : {}),
      ...(error instanceof ChangeRefused ? { reason: error.reason } : {}),
    },
  };
}

/** Some of it is what somebody sent: nothing of that moves the cursor of whoever reads it. Mistakes stand on lines. */
const printable = (text: string): string =>
  text.replace(
    /(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** The asker's mistake, a change that does not fit what runs, a file to mend, or trouble on this side. */
function statusOf(error: VsnatError): number {
  if (error instanceof ChangeRefused) return error.reason === 'changed-meanwhile' ? 412 : 409;
  return statuses[error.code] ?? 500;
}

const statuses: Partial<Record<ErrorCode, number>> = {
  VSNAT_USAGE: 400,
  VSNAT_CHANGE_REFUSED: 409,
  VSNAT_CONFIG_INVALID: 422,
  VSNAT_CONFIG_UNREADABLE: 422,
};

export const usage = (where: string, must: string): VsnatError =>
  new VsnatError('VSNAT_USAGE', `${where}: must ${must}; see docs/admin-api.md`);
