// SPDX-License-Identifier: Apache-2.0
/** What the settings under `ipvs` become for the dataplane: rules of a snapshot, and how long local plans remember. */
import type { PolicySpec } from '../dataplane/dataplane.js';
import type { IpvsSettings, Plan, Sysctls } from '../model/index.js';

export function policyOf({ expireNodestConn, sysctls }: IpvsSettings): PolicySpec {
  return {
    // The kernel's bit 2 adds connections whose replies do not come by here, which NAT mode has none of.
    reuseClosed: sysctls.conn_reuse_mode !== 0,
    expireNodest: expireNodestConn === 1,
    servicesTakeConnections: expireNodestConn !== 'auto',
    sloppyTcp: sysctls.sloppy_tcp === 1,
    sloppySctp: sysctls.sloppy_sctp === 1,
    scheduleIcmp: sysctls.schedule_icmp === 1,
    natIcmpSend: sysctls.nat_icmp_send === 1,
  };
}

/** lblc_expiration and lblcr_expiration are the director's to know, not the scheduler's: a plan need not be made anew. */
export function withExpiration(plan: Plan, sysctls: Sysctls): Plan {
  if (plan.kind !== 'local') return plan;
  return { ...plan, forgetSeconds: plan.replicate ? sysctls.lblcr_expiration : sysctls.lblc_expiration };
}
