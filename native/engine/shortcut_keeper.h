// SPDX-License-Identifier: Apache-2.0
//
// A worker's part in shortcuts through the kernel (flow/shortcut.h): it gives one to a flow that carries much, opens it again
// after every packet of the flow that came up here, books once a second what went through, and clears away.
//
//   a packet left as a frame, its flow is steady ──▶ note() ── the burst has left ──▶ settle(): keys, ways, open
//   once a second ──▶ tick(): counters; the flow lives on, or its shortcut ends: idle, dropped, its server left
//
// Ends in two steps: the keys go first, and a second later, when no program can be under way with what it read, the place is
// free. Slots are divided among workers; a flow's may be opened by a worker that does not keep it, under the flow's guard.
//
// No heap once it is made: settle() and tick() are the packet path's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "engine/counters.h"
#include "engine/egress.h"
#include "engine/lane.h"
#include "io/shortcut_maps.h"

namespace vsnat::engine {

/** What all workers share of shortcuts. */
struct ShortcutSharing {
  io::ShortcutMaps& maps;
  flow::Shortcuts& shortcuts;
  io::NextHops& hops;
};

/** Which slots are one worker's. */
struct ShortcutShare {
  uint32_t first, count;
};

/** Whether packets may be waiting in the queue, which a datagram that takes a shortcut would overtake. */
enum class Backlog : uint8_t { none, some };

class ShortcutKeeper {
 public:
  /** `check_slot`: of health checks' connections, which get none. */
  ShortcutKeeper(const ShortcutSharing& sharing, ShortcutShare share, uint32_t check_slot);

  /** A packet of a steady flow left as a frame; `pending` stays as it is until settle(). */
  void note(const nat::Pending& pending) {
    if (noted_ < kBurst) pending_[noted_++] = &pending;
  }
  /** What was noted has left. */
  void settle(nat::Core& core, const service::Snapshot& snapshot, Now now, Backlog backlog);

  /** Books, and ends what is to end. */
  void tick(Lane& lane, EgressCounters& egress, const service::Snapshot& snapshot, Now now);
  /** The next time it has something to do; far away without shortcuts. */
  uint64_t next_tick_ms() const { return used_ > 0 ? next_tick_ms_ : ~uint64_t{0}; }

  /** The next tick is due at once. */
  void hurry() { next_tick_ms_ = 0; }

  /** Any thread. */
  uint32_t in_use() const { return in_use_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kTickMs = 1000;
  static constexpr uint64_t kIdleMs = 10'000;
  static constexpr uint64_t kRestMs = 1000;
  /** A flow whose time is shorter than this might end between two ticks. */
  static constexpr uint32_t kLeastSeconds = 4;
  /** A queue that was never empty for so long loses packets, and nobody can ask it for their order. */
  static constexpr uint64_t kLongestBacklogMs = 20;

  enum class Phase : uint8_t { used, resting };

  struct Course {
    io::Step to_server, to_client;
    uint32_t edition;
  };
  /** Packets since they were booked last. */
  struct Moved {
    uint64_t requests, replies;
    uint64_t all() const { return requests + replies; }
  };

  struct Kept {
    uint64_t hash;
    uint64_t since_ms;  // used: since the last packet; resting: since it ended
    uint64_t seen_packets[2], seen_bytes[2];
    uint32_t slot, flow, server_slot;
    uint8_t family;
    Phase phase;
    union {
      io::ShortcutKey4 keys4[2];
      io::ShortcutKey6 keys6[2];
    };
    Kept() {}  // NOLINT: memory that is written before it is read
  };

  template <class Addr>
  void settle_one(nat::Core& core, const service::Snapshot& snapshot, Now now, const nat::Pending& pending);
  template <class Addr>
  bool may_have_one(const flow::Flow<Addr>& flow, const service::Snapshot& snapshot) const;
  template <class Addr>
  Kept* make(const flow::Flow<Addr>& flow, uint64_t hash, Now now);
  template <class Addr>
  void open(const flow::Flow<Addr>& flow);
  template <class Addr>
  std::optional<Course> course_of(const flow::Flow<Addr>& flow) const;
  template <class Addr>
  bool lives_on(Kept& kept, nat::Core& core, const service::Snapshot& snapshot, Now now, Moved moved);
  Moved book(Kept& kept, Lane& lane, EgressCounters& egress);
  bool add_keys(const Kept& kept);
  void remove_keys(const Kept& kept);
  void end(Kept& kept, Now now);
  void give_back(uint32_t place);

  io::ShortcutMaps& maps_;
  flow::Shortcuts& shortcuts_;
  io::NextHops& hops_;
  const uint32_t check_slot_;
  uint64_t next_tick_ms_ = 0, last_empty_ms_ = 0;

  // kept_[0..used_) are in use or rest; behind them the slots that are free.
  std::unique_ptr<Kept[]> kept_;
  const uint32_t count_;
  uint32_t used_ = 0;
  std::atomic<uint32_t> in_use_{0};

  const nat::Pending* pending_[kBurst];
  unsigned noted_ = 0;
};

}  // namespace vsnat::engine
