// SPDX-License-Identifier: Apache-2.0
#include "io/segment.h"

#include <algorithm>
#include <cstring>

namespace vsnat::io {

using namespace wire;

namespace {

uint32_t headers_of(const PacketView& packet) {
  return packet.l4_offset + uint32_t(packet.is_tcp() ? packet.tcp().header_len() : sizeof(udp_hdr));
}

/** The uncomplemented pseudo-header sum of a segment: what NEEDS_CSUM wants in the field. */
uint16_t partial_sum(const PacketView& segment) {
  const uint64_t addresses = segment.family == 4
                                 ? sum_bytes(reinterpret_cast<const uint8_t*>(&segment.v4().saddr), 8)
                                 : sum_bytes(reinterpret_cast<const uint8_t*>(&segment.v6().saddr), 32);
  return fold(addresses + segment.protocol + segment.l4_length());
}

}  // namespace

uint32_t detail::segment_count(const PacketView& packet, const vnet_hdr& vnet) {
  const uint32_t payload = packet.length - headers_of(packet);
  return std::max<uint32_t>(1, (payload + vnet.gso_size - 1) / vnet.gso_size);
}

uint32_t detail::build_segment(const PacketView& packet, const vnet_hdr& vnet, std::span<uint8_t> scratch,
                               uint32_t index) {
  const uint32_t headers = headers_of(packet);
  const uint32_t begin = index * vnet.gso_size;
  const uint32_t payload = std::min<uint32_t>(vnet.gso_size, packet.length - headers - begin);
  const bool first = index == 0, last = headers + begin + payload == packet.length;
  std::memcpy(scratch.data(), packet.ip, headers);
  std::memcpy(scratch.data() + headers, packet.ip + headers + begin, payload);

  PacketView out = packet;
  out.ip = scratch.data();
  out.length = headers + payload;
  if (out.family == 4) {
    ipv4_hdr& ip = out.v4();
    ip.total_len = be16::from_host(uint16_t(out.length));
    ip.id = be16::from_host(uint16_t(ip.id.host() + index));
    ip.check = be16{};
    ip.check = be16::from_host(checksum(out.ip, ip.header_len()));
  } else {
    out.v6().payload_len = be16::from_host(uint16_t(out.length - sizeof(ipv6_hdr)));
  }
  if (out.is_tcp()) {
    tcp_hdr& tcp = out.tcp();
    tcp.seq = be32::from_host(tcp.seq.host() + begin);
    if (!last) tcp.flags &= uint8_t(~(tcp_hdr::kFin | tcp_hdr::kPsh));
    if (!first) tcp.flags &= uint8_t(~tcp_hdr::kCwr);
    tcp.check = be16::from_host(partial_sum(out));
  } else {
    out.udp().len = be16::from_host(uint16_t(sizeof(udp_hdr) + payload));
    out.udp().check = be16::from_host(partial_sum(out));
  }
  return out.length;
}

}  // namespace vsnat::io
