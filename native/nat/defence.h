// SPDX-License-Identifier: Apache-2.0
//
// The three defences of IPVS against floods, as far as packets meet them: drop_packet, drop_entry, secure_tcp.
// When each is on is judged once a second in TypeScript (src/director/defence.ts), from the settings and the
// memory there is; it arrives here as four words, without a new snapshot, for it may change every second.
//
// drop_packet counts the newcomers of all queues together, as the kernel does, so that "every second one" is
// that however the queues share them.
#pragma once

#include <atomic>
#include <cstdint>

#include "flow/tcp_state.h"

namespace vsnat::nat {

struct DefenceSpec {
  /** One in this many new connections is dropped; 0 none. */
  uint32_t drop_rate = 0;
  /** Begin to count afresh, as the kernel does every second in the automatic modes. */
  bool count_anew = false;
  bool drop_entries = false;
  bool secure_tcp = false;
};

class Defence {
 public:
  /** Control thread. */
  void set(const DefenceSpec& spec) {
    drop_rate_.store(spec.drop_rate, std::memory_order_relaxed);
    if (spec.count_anew) until_drop_.store(int32_t(spec.drop_rate), std::memory_order_relaxed);
    drop_entries_.store(spec.drop_entries, std::memory_order_relaxed);
    tcp_table_.store(spec.secure_tcp ? flow::TcpTable::secure : flow::TcpTable::usual,
                     std::memory_order_relaxed);
  }

  /** Any worker: is this newcomer one to be dropped? */
  bool drops_newcomer() {
    const uint32_t rate = drop_rate_.load(std::memory_order_relaxed);
    if (rate == 0) return false;
    int32_t before = until_drop_.load(std::memory_order_relaxed);
    for (;;) {
      const bool drops = before <= 1;
      if (until_drop_.compare_exchange_weak(before, drops ? int32_t(rate) : before - 1,
                                            std::memory_order_relaxed))
        return drops;
    }
  }
  bool drops_entries() const { return drop_entries_.load(std::memory_order_relaxed); }
  flow::TcpTable tcp_table() const { return tcp_table_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> drop_rate_{0};
  std::atomic<bool> drop_entries_{false};
  std::atomic<flow::TcpTable> tcp_table_{flow::TcpTable::usual};
  alignas(64) std::atomic<int32_t> until_drop_{0};  // the only one workers write
};

}  // namespace vsnat::nat
