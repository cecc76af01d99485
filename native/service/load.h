// SPDX-License-Identifier: Apache-2.0
//
// The one mutable thing schedulers look at: how many connections each real server carries. Shared by all
// workers and changed only when a flow is created, changes state or ends, never per packet; so plain atomic
// adds are enough, and two queues see exact numbers. Addressed by server slot, which outlives snapshots.
//
// Who keeps standings (service/standings.h) is told of each change: he puts himself down as `watch`, or takes a note, and
// only then looks; who changes a load asks for `watch` and notes afterwards. All of these are sequentially consistent, so
// that one of the two sees the other. On x86 that costs nothing, since an add has its lock prefix anyway.
#pragma once

#include <atomic>
#include <cstdint>

#include "service/changes.h"

namespace vsnat::service {

/** Within one cache line. */
struct alignas(32) ServerLoad {
  std::atomic<uint32_t> active{0};
  std::atomic<uint32_t> inactive{0};
  std::atomic<uint32_t> persistent{0};  // templates: in no total, and under no threshold
  std::atomic<bool> overloaded{false};
  std::atomic<Changes::Watch*> watch{nullptr};

  uint32_t total() const {
    return active.load(std::memory_order_relaxed) + inactive.load(std::memory_order_relaxed);
  }

  /** IPVS thresholds with hysteresis: set when the total reaches `upper`, cleared when it falls below
   * `lower`. */
  static uint32_t effective_lower(uint32_t upper, uint32_t lower) {
    return lower != 0 ? lower : upper - upper / 4;
  }

  void bound(uint32_t upper) {
    inactive.fetch_add(1);  // every connection begins inactive
    if (upper != 0 && total() >= upper) judge(true);
    changed();
  }
  void unbound(bool was_active, uint32_t upper, uint32_t lower) {
    (was_active ? active : inactive).fetch_sub(1);
    if (upper == 0 || total() < effective_lower(upper, lower)) judge(false);
    changed();
  }
  void moved(bool to_active) {
    (to_active ? inactive : active).fetch_sub(1);
    (to_active ? active : inactive).fetch_add(1);
    changed();
  }
  /** New thresholds: full sets, below lower clears, between stays as it was. */
  void reevaluate(uint32_t upper, uint32_t lower) {
    if (upper == 0 || total() < effective_lower(upper, lower)) {
      judge(false);
    } else if (total() >= upper) {
      judge(true);
    }
    changed();
  }

  /** From now on every change is noted there; null: nowhere. */
  void tell(Changes::Watch* now) {
    watch.store(now);
    look();
  }
  /** After a note was taken: what it was about is seen by every read of this thread from here on. */
  void look() const {
    active.load();
    inactive.load();
    overloaded.load();
  }

 private:
  void judge(bool over) {
    if (overloaded.load(std::memory_order_relaxed) != over) overloaded.store(over);
  }
  void changed() {
    if (Changes::Watch* const who = watch.load(); who != nullptr) who->note();
  }
};

}  // namespace vsnat::service
