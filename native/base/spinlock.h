// SPDX-License-Identifier: Apache-2.0
//
// The lock of one flow-table shard. Held for the tens of nanoseconds of one packet, and with steering never
// contended. After a while of spinning it gives the processor away: the holder may have been preempted on a
// crowded machine.
#pragma once

#include <sched.h>

#include <atomic>

namespace vsnat {

class Spinlock {
 public:
  void lock() {
    for (int spins = 0; flag_.exchange(true, std::memory_order_acquire); ++spins) {
      while (flag_.load(std::memory_order_relaxed)) {
        if (++spins > 2000) {
          sched_yield();
          spins = 0;
        }
        pause();
      }
    }
  }
  /** Whether it was free, and is now held. */
  bool try_lock() {
    return !flag_.load(std::memory_order_relaxed) && !flag_.exchange(true, std::memory_order_acquire);
  }
  void unlock() { flag_.store(false, std::memory_order_release); }
  /** For who finds a lock in memory that outlived its holder, and is alone with it. */
  bool is_held() const { return flag_.load(std::memory_order_acquire); }

 private:
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  std::atomic<bool> flag_{false};
};

}  // namespace vsnat
