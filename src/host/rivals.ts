// SPDX-License-Identifier: Apache-2.0
/**
 * Two directors for one VIP: the route exists and carries vsnat's mark, but leads into somebody else's device. The
 * kernel would only say "File exists"; whoever reads the error wants to know which process to stop.
 */
import { VsnatError } from '../errors.js';
import { holdersOfTun } from './holders.js';
import { protocolArgument } from './ownership.js';
import type { HostDevice } from './plan-context.js';
import type { HostState } from './state.js';
import type { Step } from './step.js';
import type { System } from './system.js';

/** Throws when a route that is about to be added is another director's. */
export async function refuseTakenVips(
  added: readonly Step[],
  device: HostDevice,
  state: HostState,
  system: System,
): Promise<void> {
  const ids = new Set(added.map(({ id }) => id));
  const taken = state.ownedRoutes.find(
    (route) => route.interface !== device.name && ids.has(`route ${route.destination}`),
  );
  if (taken === undefined) return;
  const { destination, version, interface: name } = taken;
  const [holder] = await holdersOfTun(name, system);
  throw new VsnatError(
    'VSNAT_HOST_REFUSED',
    holder === undefined
      ? `host: VIP ${destination} is routed to device ${name}, which no visible process holds; ` +
          `run: ip -${version} route del ${destination} dev ${name} ${protocolArgument}`
      : `host: VIP ${destination} is held by device ${name} of process ${holder.pid} (${holder.command}); ` +
          'remove the VIP from one of the two configurations, or stop that process',
  );
}
