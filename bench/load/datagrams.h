// SPDX-License-Identifier: Apache-2.0
//
// Two ways to send datagrams in bulk: packets of any number of flows through one packet socket (a socket for each
// of 100,000 flows would measure sockets), and superpackets that the kernel is to cut late or never (UDP_SEGMENT).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "net.h"

namespace vsnat::load {

struct DatagramPlan {
  Address to;
  uint64_t flows = 1;
  uint64_t size = 0;      // of one datagram's payload, which begins with the token
  uint64_t segments = 1;  // datagrams in a superpacket
  uint64_t token = 0;
  // Where packets of many flows leave by, and the address of whom they are for there.
  std::string device;
  std::array<uint8_t, 6> next_hop{};
};

class Sender {
 public:
  static constexpr uint64_t kBatch = 64;
  virtual ~Sender() = default;
  /// Sends up to `datagrams`, kBatch at most. How many were, or 0 and errno.
  virtual uint64_t send(uint64_t datagrams) = 0;
};

std::unique_ptr<Sender> make_packets(const DatagramPlan& plan);
std::unique_ptr<Sender> make_superpackets(const DatagramPlan& plan);

}  // namespace vsnat::load
