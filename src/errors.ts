// SPDX-License-Identifier: Apache-2.0
/**
 * Every error vsnat raises on purpose: a code for machines, a sentence for people, a cause for debuggers.
 * The sentence has the form `where: what is wrong, got X; what to do`. docs/errors.md lists every code.
 */

/** What each code means, in a few words. */
export const errorCodes = {
  VSNAT_CONFIG_INVALID: 'the configuration has mistakes; nothing was changed',
  VSNAT_CONFIG_UNREADABLE: 'the configuration file cannot be read',
  VSNAT_CHANGE_REFUSED: 'a change of the running configuration was refused; nothing was changed',
  VSNAT_NO_TUN: '/dev/net/tun is missing or cannot be opened',
  VSNAT_NO_PERMISSION: 'a right is missing: CAP_NET_ADMIN, or to ask the daemon',
  VSNAT_DEVICE_BUSY: 'the TUN device or the admin socket already belongs to another process',
  VSNAT_HOST_REFUSED: 'the host is not set up for forwarding, or refused a change vsnat needs',
  VSNAT_ADDON_MISSING: 'the native addon is not built for this machine',
  VSNAT_DATAPLANE: 'the native dataplane refused a call',
  VSNAT_UNREACHABLE: 'no daemon answers on the admin socket',
  VSNAT_DAEMON: 'the daemon failed at a request, or is of another version than the command',
  VSNAT_OUTPUT: 'what a command writes could not be written',
  VSNAT_USAGE: 'the command line is wrong',
  VSNAT_LAB: 'the lab could not be built',
} as const;

/** The codes of VsnatError; docs/errors.md has each with its mend. */
export type ErrorCode = keyof typeof errorCodes;

/** Exit codes of every vsnat command (the contract with scripts; see docs/cli.md). */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  badConfiguration: 3,
  noPermissionOrDevice: 4,
  unreachable: 5,
} as const;

/** The sentence of whatever was thrown. */
export const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Every error that vsnat raises on purpose, told apart by `code`. Subclasses: ConfigError, ChangeRefused. */
export class VsnatError extends Error {
  /** VsnatError, or of a subclass. */
  override readonly name: string = 'VsnatError';
  constructor(
    /** For programs; a key of errorCodes. */
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The exit code that tells a script what kind of failure this was. */
export function exitCodeFor(error: unknown): number {
  if (!(error instanceof VsnatError)) return exitCodes.failed;
  switch (error.code) {
    case 'VSNAT_USAGE':
      return exitCodes.usage;
    case 'VSNAT_CONFIG_INVALID':
    case 'VSNAT_CONFIG_UNREADABLE':
      return exitCodes.badConfiguration;
    case 'VSNAT_NO_TUN':
    case 'VSNAT_NO_PERMISSION':
    case 'VSNAT_DEVICE_BUSY':
    case 'VSNAT_HOST_REFUSED':
      return exitCodes.noPermissionOrDevice;
    case 'VSNAT_UNREACHABLE':
      return exitCodes.unreachable;
    case 'VSNAT_ADDON_MISSING':
    case 'VSNAT_CHANGE_REFUSED':
    case 'VSNAT_DAEMON':
    case 'VSNAT_DATAPLANE':
    case 'VSNAT_LAB':
    case 'VSNAT_OUTPUT':
      return exitCodes.failed;
  }
}
