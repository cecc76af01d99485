// SPDX-License-Identifier: Apache-2.0
//
// Pick a real server for a new connection, by the plan the scheduler made. The arithmetic of each kind is the
// kernel's (net/netfilter/ipvs/ip_vs_*.c, 6.12); src/scheduler holds the policy and a slow reference of this
// file.
#pragma once

#include <cstdint>
#include <span>

#include "base/prng.h"
#include "base/siphash.h"
#include "base/time.h"
#include "service/load.h"
#include "service/snapshot.h"

namespace vsnat::service {

/** Who asks; what most hash plans look at. */
struct ClientKey {
  uint32_t folded_address = 0;
  uint16_t port = 0;
};

/** ip_vs_mh.c's first key, fixed so that directors agree. */
inline constexpr HashKey kMaglevFirstKey{2654435761u, 2654435761u};

/** What else a plan may look at. */
struct Occasion {
  /** The VIP, as it lies in the packet: for plans that hash or remember destinations. */
  std::span<const uint8_t> destination;
  Tick now;
  /** The calling worker's own, for plans that draw. Without one every draw is 0. */
  Prng* prng = nullptr;
};

/** Takes new connections: weight above 0 and not over its threshold. */
inline bool usable(const Server& server, const ServerLoad* loads) {
  return server.weight > 0 && !loads[server.slot].overloaded.load(std::memory_order_relaxed);
}

/**
 * A server of `service`, or null. It is usable, but for one case of the kernel's own: lblc stays with the server it
 * remembers past that one's threshold. Any worker thread; `loads` is indexed by server slot.
 */
const Server* pick(const Snapshot& snapshot, const Service& service, ClientKey client,
                   const ServerLoad* loads, const Occasion& occasion = {});

}  // namespace vsnat::service
