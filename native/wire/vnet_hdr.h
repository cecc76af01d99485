// SPDX-License-Identifier: Apache-2.0
//
// virtio_net_hdr (linux/virtio_net.h), the ten bytes before each packet of a TUN opened with IFF_VNET_HDR.
// Host endian on purpose: the legacy header is native-endian unless TUNSETVNETLE is set. Mirrored here so
// that wire/ includes no kernel header; tun_queue.cc asserts the sizes agree.
//
// What the kernel promises is little: csum_start and csum_offset say where a checksum is still to be
// completed, hdr_len is a hint that may be the whole first buffer. Nothing here is ever used as an index
// before wire/packet.cc has compared it with its own parse.
#pragma once

#include <cstdint>

namespace vsnat::wire {

struct vnet_hdr {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t hdr_len = 0;
  uint16_t gso_size = 0;
  uint16_t csum_start = 0;
  uint16_t csum_offset = 0;

  static constexpr uint8_t kNeedsCsum = 1;
  static constexpr uint8_t kDataValid = 2;

  static constexpr uint8_t kGsoNone = 0;
  static constexpr uint8_t kGsoTcp4 = 1;
  static constexpr uint8_t kGsoTcp6 = 4;
  static constexpr uint8_t kGsoUdpL4 = 5;
  static constexpr uint8_t kGsoEcn = 0x80;

  bool needs_csum() const { return (flags & kNeedsCsum) != 0; }
  bool is_gso() const { return gso_type != kGsoNone; }
  uint8_t gso_kind() const { return gso_type & uint8_t(~kGsoEcn); }
};
static_assert(sizeof(vnet_hdr) == 10);

}  // namespace vsnat::wire
