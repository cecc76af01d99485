// SPDX-License-Identifier: Apache-2.0
//
// An order to end connections, on its way from the control thread to all lanes, each of which walks its share of the
// shards in slices between two bursts. One order at a time: the next is written when all have done with the last.
#pragma once

#include <atomic>

#include "engine/lane.h"
#include "nat/end.h"

namespace vsnat::engine {

class EndOrder {
 public:
  /** Control thread. False while the last order is being obeyed. */
  bool give(const nat::EndSpec& spec, uint32_t lanes) {
    if (left_.load(std::memory_order_acquire) != 0) return false;
    spec_ = spec;
    ended_.store(0, std::memory_order_relaxed);
    left_.store(lanes, std::memory_order_relaxed);
    number_.fetch_add(1, std::memory_order_release);
    return true;
  }
  bool done() const { return left_.load(std::memory_order_acquire) == 0; }
  /** Connections the last order has ended so far. */
  uint64_t ended() const { return ended_.load(std::memory_order_relaxed); }

 private:
  friend class Ender;
  nat::EndSpec spec_;
  std::atomic<uint64_t> number_{0}, ended_{0};
  std::atomic<uint32_t> left_{0};
};

class Ender {
 public:
  Ender(uint32_t first_shard, uint32_t stride) : first_(first_shard), stride_(stride) {}

  /** One slice of what there is to do, and `emit(packet, pending)` what is to be said. True while there is more. */
  template <class Emit>
  bool run(EndOrder& order, Lane& lane, const service::Snapshot& snapshot, Now now, Emit&& emit) {
    const uint64_t number = order.number_.load(std::memory_order_acquire);
    if (number == obeyed_) [[likely]]
      return false;
    if (shard_ < nat::flow_shards(lane.core.tables)) {
      uint32_t ended = 0;
      goodbyes_.clear();
      const bool more =
          nat::end_flows(lane.core, snapshot, order.spec_, shard_, now.tick(), record_, goodbyes_, ended);
      order.ended_.fetch_add(ended, std::memory_order_relaxed);
      lane.say(goodbyes_, emit);
      record_ = more ? record_ + nat::Goodbyes::kMostFlows : 0;
      if (!more) shard_ += stride_;
      return true;
    }
    shard_ = first_;
    record_ = 0;
    obeyed_ = number;
    order.left_.fetch_sub(1, std::memory_order_release);
    return false;
  }

 private:
  const uint32_t first_, stride_;
  uint64_t obeyed_ = 0;
  uint32_t shard_ = first_, record_ = 0;
  nat::Goodbyes goodbyes_;
};

}  // namespace vsnat::engine
