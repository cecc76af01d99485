// SPDX-License-Identifier: Apache-2.0
//
// Every length, every byte value, every size: nothing is read beyond its bytes, and a view keeps its
// promises.
#include <algorithm>
#include <vector>

#include "test/native/check.h"
#include "test/native/support/parse_tables.h"
#include "test/native/support/reference.h"
#include "test/native/support/views.h"

namespace vsnat::test {
namespace {

using wire::kNoDrop;
using wire::vnet_hdr;

std::vector<PacketBuilder> one_of_each_kind() {
  return {
      tcp4().payload_bytes(20),
      tcp4().ip_options(ip_option(7, 23)).tcp_options(Bytes(12, 1)).payload_bytes(5),
      udp4().payload_bytes(31),
      icmp4().payload(tcp4().bytes()).icmp(3, 4, 1400),
      tcp6().payload_bytes(20),
      tcp6().extension(0, {5, 2, 0, 0}).extension(60).extension(43).payload_bytes(5),
      udp6().fragment_header(0).payload_bytes(31),
      icmp6().payload(udp6().bytes()).icmp(2, 0, 1400),
      protocol(4, 47).payload_bytes(40),
      tcp4().fragment_field(0x2000).payload_bytes(16),
      udp6().fragment_header(0x0b51).payload_bytes(16),
  };
}

TEST("no packet cut anywhere is taken for a whole one") {
  for (const PacketBuilder& kind : one_of_each_kind()) {
    const Packet whole = kind.build();
    CHECK_EQ(parsed(whole).reason, kNoDrop);
    for (size_t length = 0; length < whole.bytes.size(); ++length) {
      if (!CHECK(parsed({whole.bytes.data(), length}).reason != kNoDrop)) return;
    }
  }
}

TEST("any prefix with a length field that agrees is read within its bytes or refused") {
  for (const PacketBuilder& kind : one_of_each_kind()) {
    const Packet whole = kind.build();
    const bool v4 = whole.bytes[0] >> 4 == 4;
    for (size_t length = v4 ? 20 : 40; length < whole.bytes.size(); ++length) {
      Packet packet = whole;
      packet.bytes.resize(length);
      put16(packet.bytes, v4 ? 2 : 4, uint16_t(v4 ? length : length - 40));
      if (v4) reseal(packet.bytes);
      parsed(packet);  // checks every promise of the view
    }
  }
}

TEST("every byte of every kind of packet may have any value") {
  for (const PacketBuilder& kind : one_of_each_kind()) {
    Packet packet = kind.build();
    for (size_t at = 0; at < packet.bytes.size(); ++at) {
      const uint8_t before = packet.bytes[at];
      for (int value = 0; value < 256; ++value) {
        packet.bytes[at] = uint8_t(value);
        if (packet.bytes[0] >> 4 == 4 && at != 10 && at != 11) reseal(packet.bytes);
        parsed(packet);
      }
      packet.bytes[at] = before;
      if (packet.bytes[0] >> 4 == 4) reseal(packet.bytes);
    }
  }
}

TEST("random bytes of every length to 120 under every version are read within their bytes or refused") {
  Random random("random bytes");
  for (size_t length = 0; length <= 120; ++length) {
    for (int round = 0; round < 1500; ++round) {
      Packet packet;
      packet.bytes.resize(length);
      for (uint8_t& b : packet.bytes) b = random.one_in(3) ? 0 : random.byte();
      if (length > 0)
        packet.bytes[0] =
            uint8_t((random.one_in(2) ? 4 : 6) << 4 | (random.one_in(2) ? 5 : random.below(16)));
      if (length >= 20 && packet.bytes[0] >> 4 == 4) {
        put16(packet.bytes, 2, uint16_t(length - random.below(8)));
        packet.bytes[9] = uint8_t("\1\6\21\57"[random.below(4)]);
        reseal(packet.bytes);
      }
      if (length >= 40 && packet.bytes[0] >> 4 == 6) {
        put16(packet.bytes, 4, uint16_t(length - 40));
        packet.bytes[6] = uint8_t("\0\6\21\72\53\54\74"[random.below(7)]);
        packet.bytes[8] = packet.bytes[24] = 0x20;
      }
      if (random.one_in(2)) {
        packet.vnet = vnet_hdr{random.byte(),
                               uint8_t(random.below(6)),
                               random.word(),
                               uint16_t(random.below(2000)),
                               uint16_t(random.below(100)),
                               uint16_t(random.below(20))};
      }
      parsed(packet);
    }
  }
}

TEST("every size from the header to 65535 bytes is read to its last byte and no further") {
  for (const int family : {4, 6}) {
    const size_t smallest = family == 4 ? 20 : 41, base = family == 4 ? 0 : 40;
    Bytes prototype = udp(family).payload_bytes(64).bytes();
    for (size_t size = smallest; size <= 65535; size += size < 2100 ? 1 : 61) {
      Bytes bytes(size, 0x5a);
      std::copy_n(prototype.begin(), std::min(size, prototype.size()), bytes.begin());
      put16(bytes, family == 4 ? 2 : 4, uint16_t(size - base));
      if (size >= (family == 4 ? 28u : 48u))
        put16(bytes, family == 4 ? 24 : 44, uint16_t(size - (family == 4 ? 20 : 40)));
      if (family == 4) reseal(bytes);
      const Parsed p = parsed(bytes);
      if (!CHECK_EQ(p.reason, size < (family == 4 ? 28u : 48u) ? DropReason::l4_short : kNoDrop)) return;
    }
  }
}

}  // namespace
}  // namespace vsnat::test
