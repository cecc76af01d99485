// SPDX-License-Identifier: Apache-2.0
//
// Where health checks through a VIP are led: by the port they come from. The control thread opens a port before the
// check's first packet and closes it after its last; workers look when a packet begins a connection and at no other time.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/mapping.h"

namespace vsnat::nat {

class CheckPorts {
 public:
  struct Lead {
    uint32_t service_slot = 0, server_slot = 0;
  };

  CheckPorts() {
    Result<Mapping> memory = Mapping::anonymous(kPorts * sizeof(Word), "the ports of health checks");
    VSNAT_CHECK(memory, "address space for 512 KiB is never short before that of the flow table is");
    memory_ = std::move(memory.value());
  }

  /** Control thread. False when the port is open already. */
  bool open(uint16_t port, Lead lead) {
    if (word(port).load(std::memory_order_relaxed) != 0) return false;
    word(port).store(kOpen | uint64_t(lead.service_slot) << 32 | lead.server_slot, std::memory_order_release);
    return true;
  }
  /** Control thread. */
  void close(uint16_t port) { word(port).store(0, std::memory_order_release); }

  /** Any thread. Nothing while the port is closed. */
  std::optional<Lead> at(uint16_t port) const {
    const uint64_t value = word(port).load(std::memory_order_acquire);
    if (value == 0) return std::nullopt;
    return Lead{uint32_t(value >> 32) & 0xffff, uint32_t(value)};
  }

 private:
  using Word = std::atomic<uint64_t>;
  static_assert(Word::is_always_lock_free, "workers never wait for the control thread");
  static constexpr size_t kPorts = 65536;
  static constexpr uint64_t kOpen = uint64_t{1} << 63;

  /** Zeroed memory is closed ports; pages come into being as ports are opened. */
  Word& word(uint16_t port) const { return reinterpret_cast<Word*>(memory_.bytes().data())[port]; }

  Mapping memory_;
};

}  // namespace vsnat::nat
