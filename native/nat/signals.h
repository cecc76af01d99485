// SPDX-License-Identifier: Apache-2.0
//
// What is noticed of a real server in passing: how fast it answers, and the signs that it does not. One writer, as all
// counters. src/dataplane/signals.ts has the same numbers by the same names, and the same bounds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/counter.h"

namespace vsnat::nat {

/** Upper ends of the buckets, in microseconds; one more bucket takes what is slower. */
inline constexpr std::array<uint32_t, 16> kLatencyBounds = {
    100,    250,     500,     1'000,   2'500,     5'000,     10'000,    25'000,
    50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000,
};

struct Histogram {
  std::array<Counter, kLatencyBounds.size() + 1> counts;
  Counter sum_us;

  void add(uint32_t us) {
    size_t bucket = 0;
    while (bucket < kLatencyBounds.size() && us > kLatencyBounds[bucket]) ++bucket;
    counts[bucket].add(1);
    sum_us.add(us);
  }
};

struct ServerSignals {
  Histogram handshake, first_byte;
  Counter handshakes_ambiguous, first_bytes_ambiguous;
  Counter syn_repeated, syn_unanswered;
  Counter handshakes_refused, resets, unreachable;
  std::array<Counter, 2> retransmissions;  // by direction
};

}  // namespace vsnat::nat
