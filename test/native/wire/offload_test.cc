// SPDX-License-Identifier: Apache-2.0
//
// What came with the packet: the virtio header's claims about checksums and segments, every one of them
// doubted.
#include <vector>

#include "test/native/check.h"
#include "test/native/support/parse_tables.h"
#include "test/native/support/reference.h"
#include "test/native/support/views.h"

namespace vsnat::test {
namespace {

using wire::CsumState;
using wire::kNoDrop;
using wire::vnet_hdr;

TEST("checksum metadata must name the field the parse found") {
  struct Lie {
    const char* name;
    PacketBuilder packet;
    int start, offset;
  };
  const std::vector<Lie> lies = {
      {"start 0", tcp4(), 0, 16},
      {"start one before the header", tcp4(), 19, 16},
      {"start one behind the header", tcp4(), 21, 16},
      {"start four behind the header", tcp4(), 24, 16},
      {"start 65535", tcp4(), 65535, 16},
      {"offset 0 in TCP", tcp4(), 20, 0},
      {"offset 6 in TCP", tcp4(), 20, 6},
      {"offset 65535", tcp4(), 20, 65535},
      {"offset 16 in UDP", udp4().payload_bytes(64), 20, 16},
      {"start of IPv4 in an IPv6 packet", tcp6(), 20, 16},
      {"start at an extension header", tcp6().extension(60), 40, 16},
      {"in an ICMP packet, which no sender offloads", icmp4(), 20, 2},
      {"in a fragment", tcp4().fragment_field(0x2000), 20, 16},
      {"one byte behind a packet of an unknown protocol", protocol(4, 132).payload_bytes(12), 20, 11},
      {"in the IP header of an unknown protocol", protocol(4, 132).payload_bytes(12), 0, 10},
  };
  for (const Lie& lie : lies) {
    ROW(lie.name);
    Packet packet = lie.packet.build();
    packet.vnet.flags = vnet_hdr::kNeedsCsum;
    packet.vnet.csum_start = uint16_t(lie.start);
    packet.vnet.csum_offset = uint16_t(lie.offset);
    CHECK_EQ(parsed(packet).reason, DropReason::csum_meta);
  }
}

TEST("the right checksum metadata passes behind options and extension headers, and for SCTP's field") {
  check_accepted({
      {"IPv4 options", tcp4().ip_options(Bytes(12, 1)).checksum(Csum::partial)},
      {"extension headers", udp6().extension(0).extension(60).checksum(Csum::partial)},
      {"atomic fragment", tcp6().fragment_header(0).checksum(Csum::partial)},
  });
  Packet sctp = protocol(4, 132).payload_bytes(12).build();
  sctp.vnet.flags = vnet_hdr::kNeedsCsum;
  sctp.vnet.csum_start = 20;
  sctp.vnet.csum_offset = 8;
  CHECK_EQ(parsed(sctp).reason, kNoDrop);
}

TEST("of the kernel's flags only NEEDS_CSUM is passed on, and no stale offset without it") {
  for (int flags = 0; flags < 256; ++flags) {
    Packet packet = tcp4().checksum(Csum::partial).build();
    packet.vnet.flags = uint8_t(flags);
    const Parsed p = parsed(packet);
    if (!CHECK_EQ(p.reason, kNoDrop)) return;
    if (!CHECK_EQ(int(p.vnet.flags), flags & vnet_hdr::kNeedsCsum)) return;
    if (!CHECK_EQ(int(p.vnet.csum_start), flags & 1 ? 20 : 0)) return;
    if (!CHECK_EQ(int(p.vnet.csum_offset), flags & 1 ? 16 : 0)) return;
  }
}

TEST("a segmentation kind that does not fit the packet is refused") {
  std::vector<Refused> cases;
  for (int kind = 1; kind < 256; ++kind) {
    const bool tcp_kind = kind == 1 || kind == 4 || kind == 0x81 || kind == 0x84;
    if (kind != 1 && kind != 0x81) {
      cases.push_back(
          {"not TCP over IPv4", tcp4().payload_bytes(4000).gso(1000, uint8_t(kind)), DropReason::gso_meta});
    }
    if (kind != 4 && kind != 0x84) {
      cases.push_back(
          {"not TCP over IPv6", tcp6().payload_bytes(4000).gso(1000, uint8_t(kind)), DropReason::gso_meta});
    }
    if (kind != 5) {
      cases.push_back({"not UDP", udp4().payload_bytes(4000).gso(1000, uint8_t(kind)), DropReason::gso_meta});
    }
    if (tcp_kind) continue;
    cases.push_back(
        {"of a kind that was not negotiated", tcp4().gso(1000, uint8_t(kind)), DropReason::gso_meta});
  }
  Packet icmp_packet = icmp4().payload_bytes(4000).build();
  icmp_packet.vnet.gso_type = vnet_hdr::kGsoTcp4;
  icmp_packet.vnet.gso_size = 1000;
  CHECK_EQ(parsed(icmp_packet).reason, DropReason::gso_meta);
  check_refused(cases);
}

TEST("a superpacket that contradicts itself is refused") {
  check_refused({
      {"segment size 0", tcp4().payload_bytes(4000).gso(0, vnet_hdr::kGsoTcp4), DropReason::gso_size},
      {"segment size 1: one write would become 4000 packets", tcp4().payload_bytes(4000).gso(1),
       DropReason::gso_size},
      {"segment size 87", tcp4().payload_bytes(4000).gso(87), DropReason::gso_size},
      {"segment size 65535", tcp4().payload_bytes(4000).gso(65535), DropReason::gso_size},
      {"SYN", tcp4().payload_bytes(4000).flags(kSyn).gso(1000), DropReason::gso_flags},
      {"RST", tcp4().payload_bytes(4000).flags(kRst | kAck).gso(1000), DropReason::gso_flags},
      {"URG", tcp6().payload_bytes(4000).flags(kUrg | kAck).gso(1000), DropReason::gso_flags},
      {"data offset 4", tcp4().payload_bytes(4000).gso(1000).data_offset(4), DropReason::tcp_doff},
      {"longer than its IP length", tcp4().payload_bytes(4000).gso(1000).trailer(1), DropReason::gso_meta},
      {"longer than its IP length", tcp6().payload_bytes(4000).gso(1000).trailer(1), DropReason::gso_meta},
      {"shorter than its IP length", tcp4().payload_bytes(4000).gso(1000).truncate(4039),
       DropReason::truncated},
      {"IP length 0", tcp4().payload_bytes(4000).gso(1000).length_field(0), DropReason::total_len},
      {"more fragments", tcp4().payload_bytes(4000).gso(1000).fragment_field(0x2000), DropReason::csum_meta},
      {"a fragment offset", tcp4().payload_bytes(4000).gso(1000).fragment_field(0x0064),
       DropReason::csum_meta},
      {"UDP length shorter than the payload", udp4().payload_bytes(4000).gso(1000).udp_length(3000),
       DropReason::udp_len},
      {"UDP with the ECN bit", udp4().payload_bytes(4000).gso(1000, vnet_hdr::kGsoUdpL4 | vnet_hdr::kGsoEcn),
       DropReason::gso_meta},
  });
  Packet finished = tcp4().payload_bytes(4000).gso(1000).build();
  finished.vnet.flags = 0;
  ROW("without NEEDS_CSUM");
  CHECK_EQ(parsed(finished).reason, DropReason::gso_meta);
}

TEST("every segment size amplifies too much, segments, or is one plain packet") {
  for (const int family : {4, 6}) {
    Packet packet = tcp(family).tcp_options(Bytes(12, 1)).payload_bytes(3000).gso(1).build();
    const unsigned headers = (family == 4 ? 20u : 40u) + 32;
    for (unsigned size = 1; size <= 65535; ++size) {
      packet.vnet.gso_size = uint16_t(size);
      const Parsed p = parsed(packet);
      const DropReason want = size < 88 || size + headers > 65535 ? DropReason::gso_size : kNoDrop;
      if (!CHECK_EQ(p.reason, want)) return;
      if (want != kNoDrop) continue;
      if (!CHECK_EQ(p.vnet.is_gso(), size < 3000)) return;
      if (!CHECK_EQ(unsigned(p.vnet.gso_size), size < 3000 ? size : 0)) return;
      if (!CHECK_EQ(p.vnet.needs_csum(), true)) return;
    }
  }
}

TEST("the kernel's header length is ignored and replaced by the real one") {
  for (const unsigned hint : {0u, 1u, 20u, 54u, 4040u, 65535u}) {
    Packet packet = tcp4().tcp_options(Bytes(12, 1)).payload_bytes(4000).gso(1448).build();
    packet.vnet.hdr_len = uint16_t(hint);
    const Parsed p = parsed(packet);
    CHECK_EQ(p.reason, kNoDrop);
    CHECK_EQ(int(p.vnet.hdr_len), 52);
  }
}

TEST("superpackets of every legal shape pass with their metadata") {
  struct Super {
    const char* name;
    PacketBuilder packet;
    uint8_t type;
    uint16_t size;
  };
  const std::vector<Super> cases = {
      {"TCP over IPv4", tcp4().payload_bytes(4000).gso(1448), vnet_hdr::kGsoTcp4, 1448},
      {"TCP over IPv6", tcp6().payload_bytes(4000).gso(1428), vnet_hdr::kGsoTcp6, 1428},
      {"TCP with congestion notification", tcp4().flags(kAck | kCwr).payload_bytes(4000).gso(1448, 0x81),
       0x81, 1448},
      {"UDP", udp4().payload_bytes(4000).gso(1200), vnet_hdr::kGsoUdpL4, 1200},
      {"UDP over IPv6 with extension headers", udp6().extension(60).payload_bytes(4000).gso(1200),
       vnet_hdr::kGsoUdpL4, 1200},
      {"65535 bytes", tcp4().payload_bytes(65535 - 40).gso(1460), vnet_hdr::kGsoTcp4, 1460},
      {"full TCP options", tcp4().tcp_options(Bytes(40, 1)).payload_bytes(4000).gso(1400), vnet_hdr::kGsoTcp4,
       1400},
  };
  for (const Super& c : cases) {
    ROW(c.name);
    const Parsed p = parsed(c.packet.build());
    CHECK_EQ(p.reason, kNoDrop);
    CHECK_EQ(p.vnet.gso_type, c.type);
    CHECK_EQ(p.vnet.gso_size, c.size);
    CHECK(p.view.csum == CsumState::partial);
  }
}

}  // namespace
}  // namespace vsnat::test
