// SPDX-License-Identifier: Apache-2.0
//
// A lane is everything one queue owns besides its device: tally, answer budget, counters, and the burst of
// packets it works on. The TUN worker and the memory device drive the same lane, so what is tested is what
// runs.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/counters.h"
#include "nat/step.h"

namespace vsnat::engine {

inline constexpr unsigned kBurst = 32;

class Lane {
 public:
  Lane(nat::FlowTables& tables, service::ServerLoad* loads, service::Limits limits, uint8_t queue)
      : tally(limits.server_slots, limits.service_slots), core{tables,  loads,      tally,
                                                               budget_, fragments_, queue} {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /**
   * Run `count` (at most kBurst) packets through the director and `emit(packet, pending)` each that leaves,
   * in order; emit returns false when the device would not take it. Outcomes go to `outcomes` when it is not
   * null.
   */
  template <class Emit>
  void run(const service::Snapshot& snapshot, Now now, nat::Packet* packets, unsigned count,
           nat::Outcome* outcomes, Emit&& emit) {
    for (unsigned i = 0; i < count; ++i) {
      counters.rx_packets.add(1);
      counters.rx_bytes.add(packets[i].length);
      if (packets[i].vnet.is_gso()) counters.rx_gso.add(1);
      nat::prepare(core, snapshot, packets[i], pending_[i]);
    }
    if (count > 1) {
      for (unsigned i = 0; i < count; ++i) nat::warm(core, pending_[i]);
    }
    for (unsigned i = 0; i < count; ++i) {
      const nat::Outcome outcome = nat::finish(core, snapshot, now, packets[i], pending_[i]);
      if (outcomes) outcomes[i] = outcome;
      account(outcome);
      if (outcome.verdict == nat::Verdict::drop) continue;
      const uint32_t length = packets[i].length;
      if (emit(packets[i], pending_[i])) {
        counters.tx_packets.add(1);
        counters.tx_bytes.add(length);
      } else {
        counters.tx_failed.add(1);
      }
    }
  }

  QueueCounters counters;
  nat::Tally tally;

 private:
  void account(const nat::Outcome& outcome) {
    switch (outcome.verdict) {
      case nat::Verdict::forward:
        counters.forwarded.add(1);
        return;
      case nat::Verdict::pass:
        counters.passed.add(1);
        return;
      case nat::Verdict::answer:
        counters.generated[size_t(outcome.generated)].add(1);
        [[fallthrough]];
      case nat::Verdict::drop:
        counters.dropped[size_t(outcome.reason)].add(1);
        return;
    }
  }

  nat::AnswerBudget budget_;
  nat::Fragments fragments_;
  nat::Pending pending_[kBurst];

 public:
  nat::Core core;
};

}  // namespace vsnat::engine
