// SPDX-License-Identifier: Apache-2.0
//
// Frames out, by any interface: an AF_PACKET socket that only sends. packet_socket.cc is, beside
// packet_tap.cc, the only file that knows <linux/if_packet.h>.
//
// The socket takes what a TUN queue takes: a virtio header with a checksum to be completed and a segment size, here
// counted from the link header on. What it sends goes through the interface's queueing discipline and egress hooks like
// everybody's; PACKET_QDISC_BYPASS would save their nanoseconds and lose superpackets on interfaces that cannot cut them
// themselves (net/core/dev.c, __dev_direct_xmit drops what it would have to segment; Linux 6.12).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/next_hops.h"
#include "wire/vnet_hdr.h"

namespace vsnat::io {

inline constexpr uint32_t kEthernetHeader = 14;

class PacketSocket {
 public:
  /** In front of the IP packet: the Ethernet header, and before that the metadata. */
  static constexpr size_t kHeadroom = kEthernetHeader + sizeof(wire::vnet_hdr);
  static constexpr unsigned kMost = 32;

  struct Frame {
    uint8_t* begin = nullptr;  // of the metadata
    uint32_t length = 0;       // with it
    uint32_t interface = 0;
    uint16_t ethertype = 0;
  };

  static Result<PacketSocket> open();

  /**
   * Writes what has to stand before the IP packet at `ip`, which has kHeadroom bytes of room there. `vnet` is the packet's
   * as parse() left it.
   */
  static Frame frame(uint8_t* ip, uint32_t length, const wire::vnet_hdr& vnet, int family,
                     const NextHop& hop);

  /** Sends from the first on; how many went. `error` is why the next one did not, 0 when all did. One system call. */
  unsigned send(std::span<const Frame> frames, int& error);

 private:
  explicit PacketSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace vsnat::io
