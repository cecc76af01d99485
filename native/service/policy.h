// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's sysctls under net/ipv4/vs decide and a packet can tell, as src/model/sysctls.ts documents
// them. Part of every snapshot, so that a reload changes them at once and whole. The values here are the
// kernel's defaults.
#pragma once

namespace vsnat::service {

struct Policy {
  /**
   * conn_reuse_mode, not 0: a SYN on a closed connection begins a new one; 0: it goes on with the old server.
   * The kernel's bit 2 adds connections whose replies were never seen, which VS/NAT does not have.
   */
  bool reuse_closed = true;
  /**
   * expire_nodest_conn: connections of a deleted server end with its deletion, and a SYN on a connection whose
   * server has weight 0 begins a new one. What else becomes of a deleted server's packets is RemovedServer.
   */
  bool expire_nodest = false;
  /** Connections of a deleted service fare as those of a deleted server; else they go on as long as they live. */
  bool services_take_connections = false;
  bool sloppy_tcp = false, sloppy_sctp = false;
  bool schedule_icmp = false;
  bool nat_icmp_send = false;
};

}  // namespace vsnat::service
