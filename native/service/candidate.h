// SPDX-License-Identifier: Apache-2.0
//
// What every pick begins with: is the server usable, how loaded is it, and is it better than the best so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "service/dispatch.h"

namespace vsnat::service {

inline const Server& server_of(const Snapshot& snapshot, const Service& service, uint32_t index) {
  return service.servers[index];
}

/** The server at this index of the plan; null when the slot is empty or the server not usable. */
inline const Server* usable_at(const Snapshot& snapshot, const Service& service, int32_t index,
                               const ServerLoad* loads) {
  if (index < 0) return nullptr;
  const Server& server = server_of(snapshot, service, uint32_t(index));
  return usable(server, loads) ? &server : nullptr;
}

inline uint32_t active_of(const Server& server, const ServerLoad* loads) {
  return loads[server.slot].active.load(std::memory_order_relaxed);
}

/** What is a server's load to a bounded plan. */
inline uint32_t bounded_load_of(const Plan& plan, const Server& server, const ServerLoad* loads) {
  return plan.counted == Counted::active ? active_of(server, loads) : loads[server.slot].total();
}

/** Less than half of its weight is in use: for a crowded server's connections, as lblc sees it. */
inline bool has_room(const Server& server, const ServerLoad* loads) {
  return uint64_t(active_of(server, loads)) * 2 < server.weight;
}

/** wire::Addr4::fold() and wire::Addr6::fold() of the address with these bytes. */
[[gnu::noinline]] inline uint32_t fold(std::span<const uint8_t> address) {
  uint32_t folded = 0;
  for (size_t i = 0; i < address.size(); ++i) folded ^= uint32_t(address[i]) << (24 - i % 4 * 8);
  return folded;
}

/** Of products that 64 bits do not hold. */
__extension__ using Wide = unsigned __int128;

/** A server and what one more connection there would cost; `weight` is 1 where the plan does not divide. */
struct Candidate {
  const Server* server = nullptr;
  /** At most 2^27 flows * 2^20 a flow * 2^16, the greatest factor: check_plan() sees to that. */
  uint64_t cost = 0, weight = 1;

  Candidate() = default;
  Candidate(const Plan& plan, const Server& s, const ServerLoad* loads)
      : server(&s),
        cost(uint64_t(active_of(s, loads)) * plan.active_cost +
             uint64_t(loads[s.slot].inactive.load(std::memory_order_relaxed)) * plan.inactive_cost +
             plan.constant),
        weight(plan.weighted ? s.weight : 1) {}
  /** Of a least plan, which may have factors. */
  Candidate(const Plan& plan, int32_t index, const Server& s, const ServerLoad* loads)
      : Candidate(plan, s, loads) {
    if (!plan.factors.empty()) cost *= plan.factors[size_t(index)];
  }

  /** Strictly: at a tie the one met first stays. Cross-multiplied, so that no division makes a tie. */
  bool better_than(const Candidate& best) const {
    return best.server == nullptr || Wide(best.cost) * weight > Wide(cost) * best.weight;
  }
};

}  // namespace vsnat::service
