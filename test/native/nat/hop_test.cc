// SPDX-License-Identifier: Apache-2.0
//
// The hop that is given back to a packet the kernel routes again, and taken from one it does not.
#include "nat/rewrite.h"
#include "test/native/check.h"

namespace vsnat {
namespace {

TEST("taking a hop undoes giving one, for every TTL a forwarded packet has, checksum included") {
  for (unsigned ttl = 1; ttl < 255; ++ttl) {
    wire::ipv4_hdr header{};
    auto* bytes = reinterpret_cast<uint8_t*>(&header);
    bytes[0] = 0x45;
    header.ttl = uint8_t(ttl);
    header.protocol = wire::kProtoTcp;
    header.check = wire::be16::from_host(0x1234);
    const wire::ipv4_hdr before = header;
    wire::PacketView view;
    view.ip = bytes;
    view.family = 4;
    nat::give_back_hop(view);
    CHECK_EQ(unsigned(header.ttl), ttl + 1);
    nat::take_hop(view);
    CHECK_EQ(unsigned(header.ttl), ttl);
    CHECK(before.check == header.check);
  }
}

TEST("a packet of this host leaves with one hop less, whichever way it goes") {
  wire::ipv6_hdr header{};
  header.hop_limit = 255;
  wire::PacketView view;
  view.ip = reinterpret_cast<uint8_t*>(&header);
  view.family = 6;
  nat::give_back_hop(view);  // it never lost one
  nat::take_hop(view);
  CHECK_EQ(int(header.hop_limit), 254);
}

}  // namespace
}  // namespace vsnat
