// SPDX-License-Identifier: Apache-2.0
/** What the exit codes mean, as docs/cli.md and the man page say it. */
import { exitCodes } from '../errors.js';

export const exitCodeTexts = [
  { code: exitCodes.ok, meaning: 'ok' },
  { code: exitCodes.failed, meaning: 'failed at run time' },
  { code: exitCodes.usage, meaning: 'the command line is wrong' },
  { code: exitCodes.badConfiguration, meaning: 'the configuration is wrong' },
  {
    code: exitCodes.noPermissionOrDevice,
    meaning: 'no permission, no device, or a host that is not set up',
  },
  { code: exitCodes.unreachable, meaning: 'no daemon answers' },
] as const;
