// SPDX-License-Identifier: Apache-2.0
//
// The one mutable thing schedulers look at: how many connections each real server carries. Shared by all
// workers and changed only when a flow is created, changes state or ends, never per packet; so plain atomic
// adds are enough, and two queues see exact numbers. Addressed by server slot, which outlives snapshots.
#pragma once

#include <atomic>
#include <cstdint>

namespace vsnat::service {

struct ServerLoad {
  std::atomic<uint32_t> active{0};
  std::atomic<uint32_t> inactive{0};
  std::atomic<uint32_t> persistent{0};  // templates: in no total, and under no threshold
  std::atomic<bool> overloaded{false};

  uint32_t total() const {
    return active.load(std::memory_order_relaxed) + inactive.load(std::memory_order_relaxed);
  }

  /** IPVS thresholds with hysteresis: set when the total reaches `upper`, cleared when it falls below
   * `lower`. */
  static uint32_t effective_lower(uint32_t upper, uint32_t lower) {
    return lower != 0 ? lower : upper - upper / 4;
  }

  void bound(uint32_t upper) {
    inactive.fetch_add(1, std::memory_order_relaxed);  // every connection begins inactive
    if (upper != 0 && total() >= upper) overloaded.store(true, std::memory_order_relaxed);
  }
  void unbound(bool was_active, uint32_t upper, uint32_t lower) {
    (was_active ? active : inactive).fetch_sub(1, std::memory_order_relaxed);
    if (upper == 0 || total() < effective_lower(upper, lower))
      overloaded.store(false, std::memory_order_relaxed);
  }
  void moved(bool to_active) {
    (to_active ? inactive : active).fetch_sub(1, std::memory_order_relaxed);
    (to_active ? active : inactive).fetch_add(1, std::memory_order_relaxed);
  }
  /** New thresholds: full sets, below lower clears, between stays as it was. */
  void reevaluate(uint32_t upper, uint32_t lower) {
    if (upper == 0 || total() < effective_lower(upper, lower)) {
      overloaded.store(false, std::memory_order_relaxed);
    } else if (total() >= upper) {
      overloaded.store(true, std::memory_order_relaxed);
    }
  }
};

}  // namespace vsnat::service
