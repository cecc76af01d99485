// SPDX-License-Identifier: Apache-2.0
//
// What a sink of datagrams has seen, in memory that it shares with the sender: both run on one machine. The sender
// thus knows what arrived without a packet of its own beside those it measures, and never has more under way than
// the path can hold. A sender that waits says from which count on it wants to be woken.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <string>

namespace vsnat::load {

struct SinkCount {
  static constexpr uint64_t kNobodyWaits = std::numeric_limits<uint64_t>::max();

  std::atomic<uint64_t> token;  // only datagrams that begin with it are of this run
  std::atomic<uint64_t> datagrams;
  std::atomic<uint64_t> bytes;  // of payload
  std::atomic<uint64_t> wake_at;
  std::atomic<uint32_t> bell;  // a futex

  /// The sink's side.
  void add(uint64_t more_datagrams, uint64_t more_bytes);

  /// Until `datagrams` is at least `count`, or nothing has come for a while: false.
  bool wait_for(uint64_t count);
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "It is shared between processes.");

/// The file is made when it is not there. Ends the process when that fails.
SinkCount& map_sink_count(const std::string& path);

}  // namespace vsnat::load
