// SPDX-License-Identifier: Apache-2.0
/** A change that was not made. Apart from change.ts, so that a command that only reads it loads no configuration. */
import { VsnatError } from '../errors.js';

/** Why the kernel would say no; `other`: why only this director does, and then the message is the answer. */
export type RefusalReason =
  | 'service-exists'
  | 'no-such-service'
  | 'unknown-scheduler'
  | 'server-exists'
  | 'no-such-server'
  | 'not-an-address'
  | 'out-of-range'
  | 'other';

export class ChangeRefused extends VsnatError {
  override readonly name = 'ChangeRefused';
  constructor(
    readonly reason: RefusalReason,
    message: string,
  ) {
    super('VSNAT_CHANGE_REFUSED', message);
  }
}
