// SPDX-License-Identifier: Apache-2.0
/** What ipvsadm says when the kernel says no. The same refusal has other words for other commands. */
import type { Request } from './request.js';

type Command = Request['command'];

const invalid = 'Invalid operation.  Possibly wrong module version, address not unicast, ...';

const serverCommands: readonly Command[] = ['add-server', 'edit-server', 'delete-server'];

/** undefined: a reason the kernel does not know. */
export function complaintOf(command: Command, reason: string): string | undefined {
  switch (reason) {
    case 'service-exists':
      return 'Service already exists';
    case 'no-such-service':
      return serverCommands.includes(command) ? 'Service not defined' : 'No such service';
    case 'unknown-scheduler':
      return 'Scheduler or persistence engine not found';
    case 'server-exists':
      return 'Destination already exists';
    case 'no-such-server':
      return 'No such destination';
    case 'no-such-daemon':
      return 'No daemon is running';
    case 'not-an-address':
      return invalid;
    case 'out-of-range':
      return 'Numerical result out of range';
    default:
      return undefined;
  }
}
