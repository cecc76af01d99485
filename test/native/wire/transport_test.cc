// SPDX-License-Identifier: Apache-2.0
//
// TCP, UDP and ICMP headers at the one checked door, as tables.
#include <vector>

#include "test/native/check.h"
#include "test/native/support/parse_tables.h"
#include "test/native/support/reference.h"
#include "test/native/support/views.h"

namespace vsnat::test {
namespace {

using wire::CsumState;
using wire::kNoDrop;

TEST("a TCP header that is not whole, or lies about itself, is refused") {
  std::vector<Refused> cases;
  for (const int family : {4, 6}) {
    for (uint8_t words = 0; words < 5; ++words) {
      cases.push_back({"data offset below 5", tcp(family).data_offset(words), DropReason::tcp_doff});
    }
    cases.push_back({"data offset beyond the segment", tcp(family).data_offset(6), DropReason::tcp_doff});
    cases.push_back(
        {"data offset 15 of 59 bytes", tcp(family).payload_bytes(39).data_offset(15), DropReason::tcp_doff});
    cases.push_back({"source port 0", tcp(family).source_port(0), DropReason::port0});
    cases.push_back({"destination port 0", tcp(family).destination_port(0), DropReason::port0});
  }
  check_refused(cases);
}

TEST("a TCP header cut at any of its 20 bytes is refused") {
  for (const int family : {4, 6}) {
    const Packet whole = tcp(family).build();
    const size_t header = family == 4 ? 20 : 40;
    for (size_t length = family == 4 ? 0 : 1; length < 20; ++length) {
      Packet packet = whole;
      packet.bytes.resize(header + length);
      put16(packet.bytes, family == 4 ? 2 : 4, uint16_t(family == 4 ? header + length : length));
      if (family == 4) reseal(packet.bytes);
      if (!CHECK_EQ(parsed(packet).reason, DropReason::l4_short)) return;
    }
  }
}

TEST("whatever is legal in a TCP segment is read, flags and options included") {
  std::vector<Accepted> cases;
  for (const int family : {4, 6}) {
    cases.insert(
        cases.end(),
        {
            {"40 bytes of options", tcp(family).tcp_options(Bytes(40, 1))},
            {"an option of length 0", tcp(family).tcp_options({2, 0, 0, 0})},
            {"data on a SYN", tcp(family).flags(kSyn).payload_bytes(1400)},
            {"an urgent pointer behind the segment", tcp(family).flags(kUrg).urgent(65535)},
            {"window 0", tcp(family).window(0)},
            {"no flags: nothing to do with the header", tcp(family).flags(0)},
            {"all flags", tcp(family).flags(0xff)},
            {"reserved bits", tcp(family).reserved_bits(0x0f)},
            {"a wrong checksum, which is the receiver's business", tcp(family).checksum(Csum::wrong)},
            {"no payload", tcp(family)},
        });
  }
  check_accepted(cases);
}

TEST("TCP payload is what lies behind the options, and nothing of a trailer") {
  Packet packet = tcp4().tcp_options(Bytes(12, 1)).payload_bytes(77).trailer(5).build();
  wire::PacketView view;
  if (!CHECK_EQ(wire::parse(packet.span(), packet.vnet, view), kNoDrop)) return;
  CHECK_EQ(view.tcp_payload(), 77u);
  CHECK_EQ(view.l4_length(), 109u);
}

// ---- UDP ----

TEST("a UDP header that is not whole, or lies about its length, is refused") {
  std::vector<Refused> cases;
  for (const int family : {4, 6}) {
    for (uint16_t length = 0; length < 8; ++length) {
      cases.push_back(
          {"length field below 8", udp(family).payload_bytes(4).udp_length(length), DropReason::udp_len});
    }
    cases.push_back({"length field one beyond the packet", udp(family).payload_bytes(4).udp_length(13),
                     DropReason::udp_len});
    cases.push_back({"length field 65535", udp(family).udp_length(65535), DropReason::udp_len});
    cases.push_back({"source port 0", udp(family).source_port(0), DropReason::port0});
    cases.push_back({"destination port 0", udp(family).destination_port(0), DropReason::port0});
    for (uint16_t length = 1; length < 8; ++length) {
      cases.push_back({"cut inside the header",
                       protocol(family, 17).payload(Bytes(length, 1)).udp_length(length),
                       DropReason::l4_short});
    }
  }
  for (Refused& c : cases) {
    // The builder writes a UDP header for protocol 17; what is meant is only the start of one.
    if (c.reason != DropReason::l4_short) continue;
    Packet packet = c.packet.build();
    const size_t header = packet.bytes[0] >> 4 == 4 ? 20 : 40;
    const size_t length = packet.bytes.size() - header - 8;
    packet.bytes.resize(header + length);
    put16(packet.bytes, header == 20 ? 2 : 4, uint16_t(header == 20 ? header + length : length));
    if (header == 20) reseal(packet.bytes);
    ROW(c.name);
    CHECK_EQ(parsed(packet).reason, DropReason::l4_short);
  }
  std::erase_if(cases, [](const Refused& c) { return c.reason == DropReason::l4_short; });
  check_refused(cases);
}

TEST("a UDP datagram may be empty, huge, or shorter than its packet") {
  check_accepted({
      {"empty", udp4()},
      {"empty", udp6()},
      {"65507 bytes", udp4().payload_bytes(65507)},
      {"shorter than the IP payload", udp4().payload_bytes(20).udp_length(12)},
      {"shorter than the IP payload", udp6().payload_bytes(20).udp_length(12)},
  });
}

TEST("what a checksum field holds is known on arrival") {
  CHECK(parsed(tcp4().build()).view.csum == CsumState::full);
  CHECK(parsed(tcp4().checksum(Csum::partial).build()).view.csum == CsumState::partial);
  CHECK(parsed(tcp4().checksum(Csum::absent).build()).view.csum ==
        CsumState::full);  // zero is a TCP checksum
  CHECK(parsed(udp4().build()).view.csum == CsumState::full);
  CHECK(parsed(udp4().checksum(Csum::absent).build()).view.csum == CsumState::absent);
  CHECK(parsed(udp6().checksum(Csum::absent).build()).view.csum == CsumState::absent);  // RFC 6935 tunnels
  CHECK(parsed(udp4().checksum(Csum::partial).build()).view.csum == CsumState::partial);
  CHECK(parsed(icmp4().build()).view.csum == CsumState::full);
}

TEST("a partial UDP checksum whose sum happens to be zero is partial, not absent") {
  Packet packet = udp4().checksum(Csum::partial).build();
  put16(packet.bytes, 26, 0);
  CHECK(parsed(packet).view.csum == CsumState::partial);
}

// ---- ICMP ----

TEST("an ICMP header cut at any of its 8 bytes is refused") {
  for (const int family : {4, 6}) {
    const size_t header = family == 4 ? 20 : 40;
    for (size_t length = 1; length < 8; ++length) {
      Packet packet = icmp(family).build();
      packet.bytes.resize(header + length);
      put16(packet.bytes, family == 4 ? 2 : 4, uint16_t(family == 4 ? header + length : length));
      if (family == 4) reseal(packet.bytes);
      if (!CHECK_EQ(parsed(packet).reason, DropReason::l4_short)) return;
    }
  }
}

TEST("the ICMP of the other family is just an unknown protocol") {
  const Parsed in4 = parsed(protocol(4, 58).payload_bytes(2).build());
  CHECK_EQ(in4.reason, kNoDrop);
  CHECK_EQ(in4.view.is_icmp(), false);
  const Parsed in6 = parsed(protocol(6, 1).payload_bytes(2).build());
  CHECK_EQ(in6.reason, kNoDrop);
  CHECK_EQ(in6.view.is_icmp(), false);
}

}  // namespace
}  // namespace vsnat::test
