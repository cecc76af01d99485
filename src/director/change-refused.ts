// SPDX-License-Identifier: Apache-2.0
/** A change that was not made. Apart from change.ts, so that a command that only reads it loads no configuration. */
import { VsnatError } from '../errors.js';

/**
 * Why the kernel would say no. Then why only this director does: `changed-meanwhile`, somebody was faster; `other`, and
 * then the message is the answer.
 */
export const refusalReasons = [
  'service-exists',
  'no-such-service',
  'unknown-scheduler',
  'server-exists',
  'no-such-server',
  'not-an-address',
  'out-of-range',
  'changed-meanwhile',
  'other',
] as const;

/** Why a change was refused, for programs. */
export type RefusalReason = (typeof refusalReasons)[number];

/** A change or question that names what is not there, or may not be. Its code is VSNAT_CHANGE_REFUSED. */
export class ChangeRefused extends VsnatError {
  /** ChangeRefused */
  override readonly name = 'ChangeRefused';
  constructor(
    /** For programs. */
    readonly reason: RefusalReason,
    message: string,
  ) {
    super('VSNAT_CHANGE_REFUSED', message);
  }
}
