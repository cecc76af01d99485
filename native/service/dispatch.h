// SPDX-License-Identifier: Apache-2.0
//
// Pick a real server for a new connection, by the plan the scheduler made. The arithmetic of each kind is the
// kernel's (net/netfilter/ipvs/ip_vs_{rr,wrr,lc,wlc,sh,mh}.c, 6.12); src/scheduler holds the policy and a
// slow reference of this file.
#pragma once

#include <cstdint>

#include "service/load.h"
#include "service/snapshot.h"

namespace vsnat::service {

/** What hash plans look at. */
struct ClientKey {
  uint32_t folded_address = 0;
  uint16_t port = 0;
};

/** Takes new connections: weight above 0 and not over its threshold. */
inline bool usable(const Server& server, const ServerLoad* loads) {
  return server.weight > 0 && !loads[server.slot].overloaded.load(std::memory_order_relaxed);
}

/** A usable server of `service`, or null. Any worker thread; `loads` is indexed by server slot. */
const Server* pick(const Snapshot& snapshot, const Service& service, ClientKey client,
                   const ServerLoad* loads);

}  // namespace vsnat::service
