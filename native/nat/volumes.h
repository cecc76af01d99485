// SPDX-License-Identifier: Apache-2.0
//
// How much goes to each server, and comes from it: packets and bytes. One writer; the control thread reads.
//
// Every packet of a known flow counts here, and where there are many services its server's numbers are in no near cache. So what
// packets change are four bytes for each direction, eight servers to a cache line: packets in the upper eight bits, their bytes
// in the others. The 128th packet carries them over to numbers as wide as they need be.
//
// Whoever reads adds both, and must not see what is being carried twice, or not at all: `carried_over_` is odd while one is
// (a seqlock: Boehm, Can seqlocks get along with programming language memory models, 2012). Stores of a carry are releases and
// a reader's loads acquire, so one that has seen any of them sees that number changed as well, and reads again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/prefetch.h"
#include "flow/tcp_state.h"
#include "nat/slots.h"

namespace vsnat::nat {

struct Volume {
  uint64_t packets = 0, bytes = 0;
};

class Volumes {
 public:
  explicit Volumes(uint32_t slots)
      : recent_(slots, "the servers' recent packets"), carried_(slots, "the servers' packets") {}

  /** A packet, of no more bytes than IP has (an IPv6 header and 65,535). */
  [[gnu::always_inline]] void count(uint32_t slot, flow::Direction direction, uint32_t bytes) {
    std::atomic<uint32_t>& recent = recent_[slot].by_direction[size_t(direction)];
    const uint32_t sum = recent.load(std::memory_order_relaxed) + kPacket + bytes;
    if (sum >= kFull) [[unlikely]]
      return carry(slot, direction, split(sum));
    recent.store(sum, std::memory_order_relaxed);
  }

  /** Many packets at once. */
  void add(uint32_t slot, flow::Direction direction, const Volume& more) {
    const Volume recent =
        split(recent_[slot].by_direction[size_t(direction)].load(std::memory_order_relaxed));
    carry(slot, direction, {recent.packets + more.packets, recent.bytes + more.bytes});
  }

  Volume read(uint32_t slot, flow::Direction direction) const {
    const std::atomic<uint32_t>& recent = recent_[slot].by_direction[size_t(direction)];
    const Carried& carried = carried_[slot].by_direction[size_t(direction)];
    for (;;) {
      const uint64_t before = carried_over_.load(std::memory_order_acquire);
      Volume sum = split(recent.load(std::memory_order_acquire));
      sum.packets += carried.packets.load(std::memory_order_acquire);
      sum.bytes += carried.bytes.load(std::memory_order_acquire);
      if (before % 2 == 0 && carried_over_.load(std::memory_order_relaxed) == before) return sum;
    }
  }

  /** Ask ahead for what count() changes. */
  [[gnu::always_inline]] void prefetch(uint32_t slot) const { vsnat::prefetch(&recent_[slot]); }

  /** Packets of one direction between two carries. */
  static constexpr uint32_t kCarriedEvery = 128;

 private:
  static constexpr unsigned kByteBits = 24;
  static constexpr uint32_t kPacket = 1u << kByteBits;
  static constexpr uint32_t kFull = kCarriedEvery * kPacket;
  static constexpr uint32_t kLongest = 40 + 65535;
  static_assert(kFull == 1u << 31 && kCarriedEvery * kLongest < kPacket, "bytes never reach the packets");

  struct Recent {
    std::atomic<uint32_t> by_direction[2];
  };
  static_assert(sizeof(Recent) == 8);
  struct Carried {
    std::atomic<uint64_t> packets, bytes;
  };
  struct CarriedBoth {
    Carried by_direction[2];
  };

  static Volume split(uint32_t recent) { return {recent >> kByteBits, recent % kPacket}; }

  [[gnu::noinline]] void carry(uint32_t slot, flow::Direction direction, const Volume& more) {
    constexpr auto release = std::memory_order_release, relaxed = std::memory_order_relaxed;
    Carried& carried = carried_[slot].by_direction[size_t(direction)];
    const uint64_t before = carried_over_.load(relaxed);
    carried_over_.store(before + 1, relaxed);
    carried.packets.store(carried.packets.load(relaxed) + more.packets, release);
    carried.bytes.store(carried.bytes.load(relaxed) + more.bytes, release);
    recent_[slot].by_direction[size_t(direction)].store(0, release);
    carried_over_.store(before + 2, release);
  }

  Slots<Recent> recent_;
  Slots<CarriedBoth> carried_;
  std::atomic<uint64_t> carried_over_{0};
};

}  // namespace vsnat::nat
