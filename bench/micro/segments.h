// SPDX-License-Identifier: Apache-2.0
//
// TCP segments and UDP datagrams as they lie in a queue's buffers: both families, headers without options, the payload
// whatever was there. Transport checksums are any number: a middlebox updates them and does not look (wire/packet.h).
#pragma once

#include <cstdint>

#include "nat/step.h"

namespace vsnat::bench {

template <class Addr>
struct End {
  Addr address;
  uint16_t port;
};

struct Segment {
  uint32_t seq = 0, ack = 0;
  uint8_t flags = 0;
  uint32_t payload = 0;
};

template <class Addr>
constexpr uint32_t kIpHeader = Addr::kFamily == 4 ? sizeof(wire::ipv4_hdr) : sizeof(wire::ipv6_hdr);

/** The IP header, and the packet's length. Returns where the transport header goes. */
template <class Addr>
uint8_t* write_ip(nat::Packet& packet, uint8_t protocol, const Addr& from, const Addr& to, uint32_t behind) {
  packet.length = kIpHeader<Addr> + behind;
  packet.vnet = wire::vnet_hdr{};
  if constexpr (Addr::kFamily == 4) {
    auto& ip = *reinterpret_cast<wire::ipv4_hdr*>(packet.data);
    ip = {};
    ip.version_ihl = 0x45;
    ip.total_len = wire::be16::from_host(uint16_t(packet.length));
    ip.ttl = 64;
    ip.protocol = protocol;
    ip.saddr = from;
    ip.daddr = to;
    ip.check = wire::be16::from_host(wire::checksum(packet.data, sizeof(ip)));
  } else {
    auto& ip = *reinterpret_cast<wire::ipv6_hdr*>(packet.data);
    ip = {};
    packet.data[0] = 0x60;
    ip.payload_len = wire::be16::from_host(uint16_t(behind));
    ip.next_header = protocol;
    ip.hop_limit = 64;
    ip.saddr = from;
    ip.daddr = to;
  }
  return packet.data + kIpHeader<Addr>;
}

template <class Addr>
void write_tcp(nat::Packet& packet, const End<Addr>& from, const End<Addr>& to, const Segment& segment) {
  const uint32_t behind = sizeof(wire::tcp_hdr) + segment.payload;
  auto& tcp =
      *reinterpret_cast<wire::tcp_hdr*>(write_ip(packet, wire::kProtoTcp, from.address, to.address, behind));
  tcp = {};
  tcp.sport = wire::be16::from_host(from.port);
  tcp.dport = wire::be16::from_host(to.port);
  tcp.seq = wire::be32::from_host(segment.seq);
  tcp.ack_seq = wire::be32::from_host(segment.ack);
  tcp.doff_reserved = 0x50;
  tcp.flags = segment.flags;
  tcp.window = wire::be16::from_host(0xffff);
}

template <class Addr>
void write_udp(nat::Packet& packet, const End<Addr>& from, const End<Addr>& to, uint32_t payload) {
  const uint32_t behind = sizeof(wire::udp_hdr) + payload;
  auto& udp =
      *reinterpret_cast<wire::udp_hdr*>(write_ip(packet, wire::kProtoUdp, from.address, to.address, behind));
  udp = {};
  udp.sport = wire::be16::from_host(from.port);
  udp.dport = wire::be16::from_host(to.port);
  udp.len = wire::be16::from_host(uint16_t(behind));
  udp.check = wire::be16::from_host(0xbeef);  // 0 would mean that there is none
}

}  // namespace vsnat::bench
