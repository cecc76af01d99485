// SPDX-License-Identifier: Apache-2.0
//
// Cutting a superpacket into segments ourselves, for the kernels that accept IFF_VNET_HDR and then refuse a
// GSO write with EINVAL (6.6.44 and some vendors' did). Slow and rare; pure, so that it can be tested against
// a reference.
#pragma once

#include <cstdint>
#include <span>

#include "wire/packet.h"

namespace vsnat::io {

/**
 * Call `emit(vnet, bytes)` for each segment of the superpacket `packet` describes, as the kernel would cut
 * it: IPv4 IDs count up, sequence numbers advance, FIN and PSH stay with the last, CWR with the first;
 * checksums are left partial and the metadata says so. `scratch` holds one segment (headers plus gso_size
 * bytes).
 */
template <class Emit>
void segment(const wire::PacketView& packet, const wire::vnet_hdr& vnet, std::span<uint8_t> scratch,
             Emit&& emit);

namespace detail {
/** Make segment number `index` in `scratch`; returns its length. */
uint32_t build_segment(const wire::PacketView& packet, const wire::vnet_hdr& vnet, std::span<uint8_t> scratch,
                       uint32_t index);
uint32_t segment_count(const wire::PacketView& packet, const wire::vnet_hdr& vnet);
}  // namespace detail

template <class Emit>
void segment(const wire::PacketView& packet, const wire::vnet_hdr& vnet, std::span<uint8_t> scratch,
             Emit&& emit) {
  wire::vnet_hdr plain = vnet;
  plain.gso_type = wire::vnet_hdr::kGsoNone;
  plain.gso_size = 0;
  const uint32_t count = detail::segment_count(packet, vnet);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t length = detail::build_segment(packet, vnet, scratch, i);
    emit(plain, scratch.first(length));
  }
}

}  // namespace vsnat::io
