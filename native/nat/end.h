// SPDX-License-Identifier: Apache-2.0
//
// Connections that an operator ends: all of a drained server's, one that is in the way, those of one client. `reset`
// tells both ends of TCP; `silence` tells nobody, and the flow stays for a while to have its packets dropped, where a
// stranger's would be answered. UDP and SCTP flows are forgotten: the next datagram is scheduled anew, and the next SCTP
// packet gets the ABORT that a host without the association sends.
//
// A RST counts only at the next sequence number its receiver expects (RFC 5961 section 3.2). What a flow knows of both
// directions (nat/track.h) is that number once everything that passed here has arrived, and RSTs travel behind it. One
// that comes too early makes its receiver ask with an ACK, which finds no flow any more and gets the exact RST.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "nat/step.h"

namespace vsnat::nat {

/** Which: those that all of what is given fits. */
struct EndSpec {
  bool silence = false;
  uint8_t protocol = 0;  // 0: any
  std::optional<service::IpAddress> client, virt, real;
  std::optional<uint16_t> client_port, virtual_port, real_port;
  std::optional<uint32_t> service_slot, server_slot;
};

/** Packets made under the guard of a shard, to be sent after it. */
class Goodbyes {
 public:
  static constexpr uint32_t kMostFlows = 128;
  static constexpr size_t kLongest = 64;
  /** Room in front of each packet, as io/tun_queue.h asks for. */
  static constexpr size_t kFront = 16;

  void clear() { count_ = 0; }
  uint32_t count() const { return count_; }
  std::span<uint8_t> at(uint32_t i) { return {packets_[i].data() + kFront, lengths_[i]}; }
  std::span<uint8_t, kLongest> add() {
    return std::span<uint8_t, kLongest>{packets_[count_].data() + kFront, kLongest};
  }
  void keep(size_t length) { lengths_[count_++] = uint8_t(length); }

 private:
  std::array<std::array<uint8_t, kFront + kLongest>, 2 * size_t{kMostFlows}> packets_;
  std::array<uint8_t, 2 * size_t{kMostFlows}> lengths_{};
  uint32_t count_ = 0;
};

/** Shards that hold connections; they come first in the numbering of expirable_shards(). */
inline uint32_t flow_shards(const FlowTables& tables) {
  return tables.v4.shard_count() + tables.v6.shard_count();
}

/**
 * End what fits in up to Goodbyes::kMostFlows records of one shard from `first` on. `goodbyes` gets what is to be said, and
 * `ended` how many it were. False when that was the end of the shard.
 */
bool end_flows(Core& core, const service::Snapshot& snapshot, const EndSpec& spec, uint32_t shard, Tick now,
               uint32_t first, Goodbyes& goodbyes, uint32_t& ended);

/** How long a silenced flow stays after its last packet: as long as a host may wait before it tries again. */
inline constexpr uint32_t kSilentSeconds = 120;

}  // namespace vsnat::nat
