// SPDX-License-Identifier: Apache-2.0
//
// IP headers at the one checked door, as tables: a packet, and why it is refused or what is read from it.
// What is let through on purpose because a later step answers it (a used-up TTL, a fragment, an unknown
// protocol) stands here as accepted, and in nat/ as answered.
#include <vector>

#include "test/native/check.h"
#include "test/native/support/parse_tables.h"
#include "test/native/support/reference.h"
#include "test/native/support/views.h"

namespace vsnat::test {
namespace {

using wire::kNoDrop;

TEST("an IPv4 header that cannot be is refused for its first fault") {
  std::vector<Refused> cases = {
      {"version 0", tcp4().version(0), DropReason::version},
      {"version 1", tcp4().version(1), DropReason::version},
      {"version 5", tcp4().version(5), DropReason::version},
      {"version 15", tcp4().version(15), DropReason::version},
      {"version 6 with 39 bytes", tcp4().version(6).truncate(39), DropReason::short_frame},
      {"IHL 15 with 59 bytes", tcp4().ip_options(Bytes(40, 1)).truncate(59), DropReason::ihl},
      {"total length below the header", tcp4().length_field(19), DropReason::total_len},
      {"total length below a header with options", tcp4().ip_options(Bytes(4, 1)).length_field(23),
       DropReason::total_len},
      {"total length 0", tcp4().length_field(0), DropReason::total_len},
      {"total length one more than there is", tcp4().payload_bytes(9).truncate(48), DropReason::truncated},
      {"total length 65535 of 40 bytes", tcp4().length_field(65535), DropReason::truncated},
      {"header checksum off by one", tcp4().ip_checksum_off_by(1), DropReason::ip_csum},
      {"an option of length 0", tcp4().ip_options({7, 0, 0, 0}), DropReason::ip_opt},
      {"an option of length 1", tcp4().ip_options({7, 1, 0, 0}), DropReason::ip_opt},
      {"an option beyond the header", tcp4().ip_options({7, 5, 4, 0}), DropReason::ip_opt},
      {"an option type in the last byte, without a length", tcp4().ip_options({1, 1, 1, 7}),
       DropReason::ip_opt},
      {"loose source route", tcp4().ip_options(ip_option(131, 7)), DropReason::src_route},
      {"strict source route", tcp4().ip_options(ip_option(137, 7)), DropReason::src_route},
      {"loose source route behind padding", tcp4().ip_options({1, 1, 131, 3, 4}), DropReason::src_route},
      {"source and destination the same", tcp4().from(virtual_endpoint(4)), DropReason::land},
      {"source 0.0.0.0", tcp4().from({ip4(0, 0, 0, 0), 1}), DropReason::martian},
      {"source 127.0.0.1", tcp4().from({ip4(127, 0, 0, 1), 1}), DropReason::martian},
      {"source multicast", tcp4().from({ip4(224, 0, 0, 1), 1}), DropReason::martian},
      {"source class E", tcp4().from({ip4(240, 0, 0, 1), 1}), DropReason::martian},
      {"destination broadcast", tcp4().to({ip4(255, 255, 255, 255), 80}), DropReason::martian},
      {"destination multicast", tcp4().to({ip4(239, 1, 2, 3), 80}), DropReason::martian},
  };
  for (uint8_t words = 0; words < 5; ++words)
    cases.push_back({"IHL below 5", tcp4().header_words(words), DropReason::ihl});
  check_refused(cases);
}

TEST("no bytes, and up to 19 of them, are not a packet, whatever they say") {
  CHECK_EQ(parsed(std::span<const uint8_t>{}).reason, DropReason::short_frame);
  Bytes bytes = tcp4().bytes();
  for (int first = 0; first < 256; ++first) {
    bytes[0] = uint8_t(first);
    for (size_t length = 1; length < 20; ++length) {
      if (!CHECK_EQ(parsed({bytes.data(), length}).reason, DropReason::short_frame)) return;
    }
  }
}

TEST("an IPv4 header checksum of zero is wrong where another one is right") {
  Packet packet = tcp4().build();
  put16(packet.bytes, 10, 0);
  CHECK_EQ(parsed(packet).reason, DropReason::ip_csum);
}

TEST("both names of a zero IPv4 header checksum are accepted (R2)") {
  Packet packet = tcp4().build();
  for (uint32_t id = 0; id <= 0xffff; ++id) {
    put16(packet.bytes, 4, uint16_t(id));
    reseal(packet.bytes);
    if (get16(packet.bytes, 10) == 0) break;
  }
  if (!CHECK_EQ(get16(packet.bytes, 10), uint16_t{0})) return;
  CHECK_EQ(parsed(packet).reason, kNoDrop);
  put16(packet.bytes, 10, 0xffff);
  CHECK_EQ(parsed(packet).reason, kNoDrop);
}

TEST("every single-bit error in an IPv4 header is noticed") {
  const Packet good = tcp4().ip_options({1, 1, 1, 0}).build();
  for (size_t bit = 0; bit < 24 * 8; ++bit) {
    Packet packet = good;
    packet.bytes[bit / 8] ^= uint8_t(1 << bit % 8);
    if (!CHECK(parsed(packet).reason != kNoDrop)) return;
  }
}

TEST("unusual but legal IPv4 headers are read") {
  std::vector<Accepted> cases = {
      {"the reserved flag", tcp4().fragment_field(0x8000)},
      {"neither DF nor MF", tcp4().fragment_field(0)},
      {"no-operation options", tcp4().ip_options({1, 1, 1, 1})},
      {"end of options, then rubbish", tcp4().ip_options({0, 7, 0, 99})},
      {"record route", tcp4().ip_options(ip_option(7, 39))},
      {"timestamp", tcp4().ip_options(ip_option(68, 12))},
      {"router alert", tcp4().ip_options({148, 4, 0, 0})},
      {"40 bytes of options", tcp4().ip_options(ip_option(7, 40))},
      {"TTL 255", tcp4().ttl(255)},
      {"TTL 1: its hop is judged after the one that is given back", tcp4().ttl(1)},
      {"TTL 0: likewise not this function's business", tcp4().ttl(0)},
      {"all type-of-service bits", tcp4().tos(0xff)},
  };
  for (size_t words = 0; words <= 10; ++words)
    cases.push_back({"options of every length", tcp4().ip_options(Bytes(words * 4, 1))});
  check_accepted(cases);
}

TEST("bytes behind the IP length field are cut off, from one to a thousand of them") {
  for (const int family : {4, 6}) {
    for (size_t trailer = 1; trailer <= 1000; ++trailer) {
      const Packet packet = tcp(family).payload_bytes(33).trailer(trailer).build();
      const Parsed p = parsed(packet);
      if (!CHECK_EQ(p.reason, kNoDrop)) return;
      if (!CHECK_EQ(size_t(p.view.length), packet.bytes.size() - trailer)) return;
    }
  }
}

TEST("a protocol that is neither TCP, UDP nor ICMP is described by its number and not looked into") {
  for (int number = 0; number < 256; ++number) {
    if (number == 1 || number == 6 || number == 17) continue;
    const Parsed p = parsed(protocol(4, uint8_t(number)).payload({0x45, 0xff}).build());
    if (!CHECK_EQ(p.reason, kNoDrop) || !CHECK_EQ(int(p.view.protocol), number)) return;
  }
}

TEST("a fragment is recognised and its transport header left alone") {
  check_accepted({
      {"first fragment", tcp4().fragment_field(0x2000).payload_bytes(64)},
      {"later fragment, whose bytes are no header", udp4().fragment_field(0x0001).payload_bytes(64)},
      {"last fragment", udp4().fragment_field(0x00b9).payload_bytes(64)},
      {"DF together with MF", tcp4().fragment_field(0x6000)},
      {"tiny first fragment: 8 bytes of TCP", protocol(4, 6).fragment_field(0x2000)},
      {"IPv6 first fragment", tcp6().fragment_header(0x0001)},
      {"IPv6 later fragment", tcp6().fragment_header(0x0b50)},
  });
}

TEST("an atomic IPv6 fragment is a whole datagram (RFC 6946)") {
  const Parsed p = parsed(tcp6().fragment_header(0).build());
  CHECK_EQ(p.reason, kNoDrop);
  CHECK_EQ(p.view.fragment, false);
  CHECK_EQ(int(p.view.l4_offset), 48);
}

TEST("what lies behind a later IPv6 fragment's header is payload, not a chain of headers") {
  const Parsed p = parsed(protocol(6, 60).fragment_header(0x0b50).payload(Bytes(16, 0xff)).build());
  CHECK_EQ(p.reason, kNoDrop);
  CHECK_EQ(p.view.fragment, true);
}

// ---- IPv6 ----

TEST("an IPv6 header or chain that cannot be is refused") {
  PacketBuilder nine = tcp6(), hop_by_hop_twice = tcp6(), late = tcp6();
  for (int i = 0; i < 9; ++i) nine.extension(60);
  hop_by_hop_twice.extension(0).extension(0);
  late.extension(60).extension(0);
  PacketBuilder long_chain = tcp6();
  for (int i = 0; i < 3; ++i) long_chain.extension(60, Bytes(254, 0));
  check_refused({
      {"39 bytes", tcp6().truncate(39), DropReason::short_frame},
      {"payload length one more than there is", tcp6().payload_bytes(5).truncate(64), DropReason::truncated},
      {"payload length 0", tcp6().length_field(0), DropReason::total_len},
      {"hop-by-hop not first", late, DropReason::ext_order},
      {"two hop-by-hop headers", hop_by_hop_twice, DropReason::ext_order},
      {"the jumbo payload option", tcp6().extension(0, {0xc2, 4, 0, 1, 0, 0}), DropReason::jumbo},
      {"the jumbo payload option behind padding", tcp6().extension(0, {1, 1, 0, 0, 0xc2, 4, 0, 1, 0, 0}),
       DropReason::jumbo},
      {"a hop-by-hop option beyond the header", tcp6().extension(0, {5, 5, 0, 0, 0, 0}), DropReason::ext_len},
      {"a hop-by-hop option without a length", tcp6().extension(0, {1, 3, 0, 0, 0, 5}), DropReason::ext_len},
      {"nine destination-options headers", nine, DropReason::ext_limit},
      {"768 bytes of extension headers", long_chain, DropReason::ext_limit},
      {"2048 bytes in one extension header", tcp6().extension(60, Bytes(2046, 0)), DropReason::ext_limit},
      {"routing type 0 with a segment left", tcp6().extension(43, {0, 1, 0, 0, 0, 0}), DropReason::routing},
      {"routing type 2 with a segment left", tcp6().extension(43, {2, 1, 0, 0, 0, 0}), DropReason::routing},
      {"routing type 4 with segments left", tcp6().extension(43, {4, 255, 0, 0, 0, 0}), DropReason::routing},
      {"source and destination the same", tcp6().from(virtual_endpoint(6)), DropReason::land},
      {"source ::", tcp6().from({ip6({}), 1}), DropReason::martian},
      {"source ::1", tcp6().from({ip6({0, 0, 0, 0, 0, 0, 0, 1}), 1}), DropReason::martian},
      {"source multicast", tcp6().from({ip6({0xff02, 0, 0, 0, 0, 0, 0, 1}), 1}), DropReason::martian},
      {"source link-local", tcp6().from({ip6({0xfe80, 0, 0, 0, 0, 0, 0, 1}), 1}), DropReason::martian},
      {"source IPv4-mapped", tcp6().from({ip6({0, 0, 0, 0, 0, 0xffff, 1, 1}), 1}), DropReason::martian},
      {"destination ff02::1", tcp6().to({ip6({0xff02, 0, 0, 0, 0, 0, 0, 1}), 80}), DropReason::martian},
      {"destination link-local", tcp6().to({ip6({0xfe80, 0, 0, 0, 0, 0, 0, 1}), 80}), DropReason::martian},
  });
}

TEST("an extension header that runs beyond the packet is refused at every length") {
  Packet packet = tcp6().extension(60, Bytes(14, 0)).build();
  for (int length = 0; length < 256; ++length) {
    packet.bytes[41] = uint8_t(length);
    const DropReason reason = parsed(packet).reason;
    // 16 bytes are the truth; 8 puts the TCP header into padding, whose data offset is 0; 24 and 32 run into
    // TCP; 40 bytes of extension would be longer than the 36 there are.
    const DropReason want = length == 1                ? kNoDrop
                            : length == 0              ? DropReason::tcp_doff
                            : length * 8 + 8 > 16 + 20 ? DropReason::ext_len
                                                       : DropReason::l4_short;
    if (!CHECK_EQ(reason, want)) return;
  }
}

TEST("extension headers in legal order are walked to the transport header") {
  PacketBuilder eight = tcp6();
  eight.extension(0);
  for (int i = 0; i < 7; ++i) eight.extension(60);
  check_accepted({
      {"an empty hop-by-hop header", tcp6().extension(0)},
      {"a hop-by-hop header of padding", tcp6().extension(0, {0, 0, 1, 2, 0, 0})},
      {"router alert", tcp6().extension(0, {5, 2, 0, 0, 1, 0})},
      {"destination options before and after routing", tcp6().extension(60).extension(43).extension(60)},
      {"routing type 0 with no segment left", tcp6().extension(43, {0, 0, 0, 0, 0, 0})},
      {"routing type 4 with no segment left", tcp6().extension(43, {4, 0, 0, 0, 0, 0})},
      {"eight headers", eight},
      {"512 bytes of them", tcp6().extension(60, Bytes(254, 0)).extension(60, Bytes(254, 0))},
      {"UDP behind them", udp6().extension(0).extension(60).payload_bytes(3)},
      {"ICMPv6 behind them", icmp6().extension(60)},
      {"any flow label and traffic class", tcp6().flow_label(0xfffff).tos(0xff)},
      {"hop limit 0: not this function's business", tcp6().ttl(0)},
      {"no next header", protocol(6, 59).payload_bytes(4)},
      {"authentication header: a protocol no service can have", protocol(6, 51).payload_bytes(24)},
      {"ESP", protocol(6, 50).payload_bytes(24)},
  });
}

TEST("every next-header number ends the walk or is an extension header") {
  for (int number = 0; number < 256; ++number) {
    // 40 zero bytes: an extension header of 8 bytes with next header 0, hop-by-hop, which may only be first.
    const Parsed p = parsed(protocol(6, uint8_t(number)).payload(Bytes(40, 0)).build());
    ROW("next header " + std::to_string(number));
    if (number == 0 || number == 43 || number == 44 || number == 60) {
      CHECK_EQ(p.reason, DropReason::ext_order);
    } else if (number == 6 || number == 17) {
      continue;  // the builder writes real headers for these
    } else {
      CHECK_EQ(p.reason, kNoDrop);
      CHECK_EQ(int(p.view.protocol), number);
    }
  }
}

}  // namespace
}  // namespace vsnat::test
