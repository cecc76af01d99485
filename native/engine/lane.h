// SPDX-License-Identifier: Apache-2.0
//
// A lane is everything one queue owns besides its device: tally, answer budget, counters, and the burst of
// packets it works on. The TUN worker and the memory device drive the same lane, so what is tested is what
// runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/counters.h"
#include "nat/end.h"
#include "nat/step.h"

namespace vsnat::engine {

inline constexpr unsigned kBurst = 32;
/** Packets whose buckets, or records, are asked for together: docs/decisions/0009-prefetching-in-groups.md. */
inline constexpr unsigned kGroup = 8;
/** Records of the flow tables looked at between two bursts; a removal counts as several. */
inline constexpr uint32_t kSweepSlice = 512;

enum class Emitted : uint8_t { sent, refused, later };

class Lane {
 public:
  Lane(nat::FlowTables& tables, nat::Fragments& fragments, service::ServerLoad* loads, service::Limits limits,
       uint8_t queue)
      : tally(limits.counted_slots(), limits.service_slots), core{tables,  loads,     tally,
                                                                  budget_, fragments, queue} {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /**
   * Run `count` (at most kBurst) packets through the director and `emit(packet, pending, verdict)` each that leaves,
   * in order; emit says whether the device took it, or that left() will say so later. Outcomes go to `outcomes` when it
   * is not null.
   */
  template <class Emit>
  void run(const service::Snapshot& snapshot, Now now, nat::Packet* packets, unsigned count,
           nat::Outcome* outcomes, Emit&& emit) {
    const bool is_alone = count == 1;  // then there is nothing to overlap with
    const auto group = [this, count](unsigned first) {
      return std::span<nat::Pending>(pending_ + first, std::min(kGroup, count - first));
    };
    unsigned warmed = 0, heated = 0;
    const auto ask_ahead = [&](unsigned records, unsigned servers) {
      for (; warmed < std::min(records, count); warmed += kGroup) nat::warm(core, group(warmed));
      for (; heated < std::min(servers, count); heated += kGroup) nat::heat(core, group(heated));
    };
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; ++i) {
      bytes += packets[i].length;
      if (packets[i].vnet.is_gso()) counters.rx_gso.add(1);
      nat::prepare(core, snapshot, packets[i], pending_[i]);
      const bool ends_group = i % kGroup == kGroup - 1 || i + 1 == count;
      if (!ends_group || is_alone) continue;
      const unsigned first = i / kGroup * kGroup;
      nat::seek(group(first));
      if (first >= 2 * kGroup) ask_ahead(first - kGroup, first - 2 * kGroup);
    }
    counters.rx_packets.add(count);
    counters.rx_bytes.add(bytes);
    for (unsigned i = 0; i < count; ++i) {
      if (i % kGroup == 0 && !is_alone) ask_ahead(i + 3 * kGroup, i + 2 * kGroup);
      const nat::Outcome outcome = nat::finish(core, snapshot, now, packets[i], pending_[i]);
      if (outcomes) outcomes[i] = outcome;
      settle(outcome, packets[i], pending_[i], emit);
      nat::drain(core, snapshot, now, [&](nat::Released& released) {
        counters.released.add(1);
        settle(released.outcome, released.packet, released.pending, emit);
      });
    }
  }

  /** What became of a packet that emit() put off. */
  void left(bool sent, uint32_t length) {
    if (sent) {
      counters.tx_packets.add(1);
      counters.tx_bytes.add(length);
    } else {
      counters.tx_failed.add(1);
    }
  }

  /** Packets the kernel took through shortcuts: they fared as if they had come here. */
  void passed_by(uint64_t packets, uint64_t bytes) {
    counters.shortcut_packets.add(packets);
    counters.shortcut_bytes.add(bytes);
    counters.rx_packets.add(packets);
    counters.rx_bytes.add(bytes);
    counters.forwarded.add(packets);
    counters.tx_packets.add(packets);
    counters.tx_bytes.add(bytes);
  }

  /** Send what is said to the ends of connections that are ended. */
  template <class Emit>
  void say(nat::Goodbyes& goodbyes, Emit&& emit) {
    const nat::Pending none;
    for (uint32_t i = 0; i < goodbyes.count(); ++i) {
      const auto bytes = goodbyes.at(i);
      nat::Packet packet{bytes.data(), uint32_t(bytes.size()), uint32_t(bytes.size()), wire::vnet_hdr{}};
      counters.generated[size_t(Generated::connection_reset)].add(1);
      send(packet, none, nat::Verdict::answer, emit);
    }
  }

  /** Give up pieces of datagrams that waited too long for their first. */
  void expire_fragments(Now now) {
    const uint32_t gone = core.fragments.expire(now.tick());
    counters.released.add(gone);
    counters.dropped[size_t(DropReason::fragment_timeout)].add(gone);
  }

  QueueCounters counters;
  nat::Tally tally;

 private:
  template <class Emit>
  void settle(const nat::Outcome& outcome, nat::Packet& packet, const nat::Pending& pending, Emit&& emit) {
    account(outcome);
    if (outcome.verdict == nat::Verdict::drop || outcome.verdict == nat::Verdict::held) return;
    send(packet, pending, outcome.verdict, emit);
  }

  template <class Emit>
  void send(nat::Packet& packet, const nat::Pending& pending, nat::Verdict verdict, Emit&& emit) {
    const uint32_t length = packet.length;
    const Emitted emitted = emit(packet, pending, verdict);
    if (emitted != Emitted::later) left(emitted == Emitted::sent, length);
  }

  void account(const nat::Outcome& outcome) {
    if (outcome.verdict == nat::Verdict::forward) [[likely]] {
      counters.forwarded.add(1);
    } else {
      account_rarer(outcome);
    }
  }

  [[gnu::noinline]] void account_rarer(const nat::Outcome& outcome) {
    using nat::Verdict;
    if (outcome.verdict == Verdict::pass) counters.passed.add(1);
    if (outcome.verdict == Verdict::held) counters.held.add(1);
    if (outcome.verdict == Verdict::answer) counters.generated[size_t(outcome.generated)].add(1);
    if (outcome.verdict == Verdict::answer || outcome.verdict == Verdict::drop)
      counters.dropped[size_t(outcome.reason)].add(1);
  }

  nat::AnswerBudget budget_;
  nat::Pending pending_[kBurst];

 public:
  nat::Core core;
};

}  // namespace vsnat::engine
