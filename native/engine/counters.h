// SPDX-License-Identifier: Apache-2.0
//
// What one queue counts. Two equations hold at every moment a queue is between packets, and tests assert
// them:
//
//   rx_packets + released = forwarded + passed + sum(dropped) + held
//   tx_packets = forwarded + passed + sum(generated) - tx_failed
//
// Held and released are pieces of datagrams that waited for their first; another queue than the one that held a piece may
// release it. Over all queues, held - released is what waits now.
//
// A packet the director answers is dropped for a reason (`answered`, `no_service`, ...) and the answer is
// generated.
#pragma once

#include <array>

#include "base/counter.h"
#include "base/drop_reason.h"

namespace vsnat::engine {

struct alignas(64) QueueCounters {
  Counter rx_packets, rx_bytes, rx_gso;
  Counter tx_packets, tx_bytes, tx_failed, gso_resegmented;
  Counter forwarded, passed;
  Counter held, released;
  /** Of rx, forwarded and tx: what went through the kernel alone, by a shortcut. */
  Counter shortcut_packets, shortcut_bytes;
  std::array<Counter, kDropReasonCount> dropped;
  std::array<Counter, kGeneratedCount> generated;
  Counter reads, writes, polls;
};

}  // namespace vsnat::engine
