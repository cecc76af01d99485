// SPDX-License-Identifier: Apache-2.0
/** The addresses this host answers to itself: what is sent to them never reaches a route, so only known ports are diverted. */
import { ipJson } from './state.js';
import { realSystem, type System } from './system.js';

/** Or null where they cannot be listed. */
export async function hostAddresses(system: System = realSystem): Promise<readonly string[] | null> {
  try {
    const rows = await ipJson(system, 'address', 'show');
    return rows.flatMap(({ addr_info: info }) =>
      (Array.isArray(info) ? (info as readonly unknown[]) : []).flatMap((entry) => {
        const local = (entry as { readonly local?: unknown }).local;
        return typeof local === 'string' ? [local] : [];
      }),
    );
  } catch {
    return null; // no iproute2: `check` works on machines that will never run the daemon
  }
}
