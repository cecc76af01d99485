// SPDX-License-Identifier: Apache-2.0
//
// What the director says itself, byte by byte where RFCs fix the bytes: RST, unreachable, echo reply, time exceeded;
// and how often it says anything.
#include "nat/answer.h"

#include <algorithm>

#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

/** An answer from `from` to the client that arrives, after one hop, like a host's own. */
void check_answer(const Result& result, int family, const Endpoint& from) {
  CHECK(result.answered());
  const auto& bytes = result.packet.bytes;
  CHECK_EQ(complaint(bytes, false), std::string());
  const Anatomy a = *dissect(bytes);
  CHECK(a.source == from.address);
  CHECK(a.destination == client_endpoint(family).address);
  CHECK_EQ(int(bytes[family == 4 ? 8 : 7]), 65);
  CHECK_EQ(int(result.packet.vnet.flags), 0);
  CHECK_EQ(int(result.packet.vnet.gso_type), 0);
}

TEST("a closed port answers with the RST of RFC 9293 section 3.10.7.1") {
  const struct {
    const char* name;
    uint8_t flags;
    size_t payload;
    uint32_t seq, ack;
    uint8_t want_flags;
  } cases[] = {
      {"SYN", kSyn, 0, 0, 1001, kRst | kAck},
      {"SYN with data", kSyn, 30, 0, 1031, kRst | kAck},
      {"FIN", kFin, 0, 0, 1001, kRst | kAck},
      {"no flags, data", 0, 10, 0, 1010, kRst | kAck},
      {"SYN at the end of the sequence space", kSyn, 0, 0, 1001, kRst | kAck},
      {"ACK", kAck, 0, 0x77665544, 0, kRst},
      {"FIN-ACK with data", kFin | kAck, 99, 0x77665544, 0, kRst},
      {"SYN-ACK", kSyn | kAck, 0, 0x77665544, 0, kRst},
  };
  for (const int family : {4, 6}) {
    for (const auto& c : cases) {
      ROW(c.name);
      NatLab lab;
      const Endpoint closed{virtual_endpoint(family).address, 81};
      const Result result =
          lab.send(tcp(family).to(closed).flags(c.flags).payload_bytes(c.payload).seq(1000).ack(0x77665544));
      CHECK_EQ(result.outcome.reason, DropReason::no_service);
      CHECK(result.outcome.generated == Generated::tcp_reset);
      check_answer(result, family, closed);
      const Packet want = tcp(family)
                              .from(closed)
                              .to(client_endpoint(family))
                              .flags(c.want_flags)
                              .seq(c.seq)
                              .ack(c.ack)
                              .window(0)
                              .ip_id(0)
                              .ttl(65)
                              .build();
      CHECK(result.packet.bytes == want.bytes);
    }
  }
}

TEST("the RST to a superpacket acknowledges all of it") {
  NatLab lab;
  const Result result =
      lab.send(tcp4().destination_port(81).flags(0).seq(0xfffffff0).payload_bytes(5000).gso(1000));
  check_answer(result, 4, {virtual_endpoint(4).address, 81});
  CHECK_EQ(get32(result.packet.bytes, 28), uint32_t(0xfffffff0 + 5000));
}

TEST("a RST is never answered, nor is anything a host would keep silent about") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const struct {
      const char* name;
      PacketBuilder packet;
      DropReason reason;
    } cases[] = {
        {"RST to a closed port", tcp(family).destination_port(81).flags(kRst), DropReason::no_service},
        {"RST-ACK to a closed port", tcp(family).destination_port(81).flags(kRst | kAck),
         DropReason::no_service},
        {"RST to a service", tcp(family).flags(kRst), DropReason::no_flow},
        {"RST-ACK to a service", tcp(family).flags(kRst | kAck), DropReason::no_flow},
        {"null scan", tcp(family).flags(0), DropReason::no_flow},
        {"FIN scan", tcp(family).flags(kFin), DropReason::no_flow},
        {"Xmas scan", tcp(family).flags(kFin | kPsh | kUrg), DropReason::no_flow},
        {"SYN-FIN", tcp(family).flags(kSyn | kFin), DropReason::tcp_flags},
        {"SYN-RST", tcp(family).flags(kSyn | kRst), DropReason::tcp_flags},
    };
    for (const auto& c : cases) {
      ROW(c.name);
      CHECK(!lab.refused(c.packet, c.reason).answered());
    }
    CHECK_EQ(lab.flows(), uint64_t{0});
  }
}

TEST("a segment that acknowledges something and belongs to no flow gets a RST from the service") {
  for (const int family : {4, 6}) {
    for (const uint8_t flags : {kAck, uint8_t(kAck | kPsh), uint8_t(kFin | kAck), uint8_t(kSyn | kAck)}) {
      NatLab lab;
      const Result result = lab.refused(tcp(family).flags(flags).ack(42), DropReason::no_flow);
      check_answer(result, family, virtual_endpoint(family));
      CHECK_EQ(lab.flows(), uint64_t{0});
    }
  }
}

TEST("an unreachable quotes as much as its family's limit allows, at every size around it") {
  for (const int family : {4, 6}) {
    const size_t ip = family == 4 ? 20 : 40, limit = family == 4 ? 576 : 1280;
    for (size_t payload = 0; payload < 1400; payload += payload < 40 || payload > 480 ? 1 : 37) {
      NatLab lab;
      const PacketBuilder datagram = udp(family).destination_port(54).payload_bytes(payload);
      const Packet sent = PacketBuilder(datagram).ttl(65).build();  // as it reached this host
      const Result result = lab.send(PacketBuilder(datagram).ttl(64));
      if (!CHECK_EQ(result.outcome.reason, DropReason::no_service)) return;
      check_answer(result, family, {virtual_endpoint(family).address, 54});
      const auto& bytes = result.packet.bytes;
      if (!CHECK_EQ(bytes.size(), std::min(limit, ip + 8 + sent.bytes.size()))) return;
      CHECK_EQ(int(bytes[ip]), family == 4 ? 3 : 1);
      CHECK_EQ(int(bytes[ip + 1]), family == 4 ? 3 : 4);
      if (!CHECK(std::equal(bytes.begin() + long(ip) + 8, bytes.end(), sent.bytes.begin()))) return;
    }
  }
}

TEST("the quote leaves out what the length field leaves out, and keeps options and extension headers") {
  NatLab lab;
  const PacketBuilder packets[] = {
      udp4().destination_port(54).ip_options(Bytes(40, 1)).payload_bytes(8),
      udp6().destination_port(54).extension(0).extension(60).payload_bytes(8),
      udp4().destination_port(54).payload_bytes(3),
  };
  for (const PacketBuilder& builder : packets) {
    const Bytes quoted = PacketBuilder(builder).ttl(65).bytes();
    const Result result = lab.send(PacketBuilder(builder).ttl(64).trailer(50));
    const size_t ip = builder.family() == 4 ? 20 : 40;
    CHECK(Bytes(result.packet.bytes.begin() + long(ip) + 8, result.packet.bytes.end()) == quoted);
  }
}

TEST("a protocol no service can have is unreachable, and ICMPv6 points at the field that names it") {
  for (int number = 0; number < 256; ++number) {
    if (number == 1 || number == 6 || number == 17 || number == 132) continue;
    NatLab lab;
    const Result result = lab.refused(protocol(4, uint8_t(number)).payload_bytes(20), DropReason::proto);
    check_answer(result, 4, virtual_endpoint(4));
    CHECK_EQ(int(result.packet.bytes[20]), 3);
    CHECK_EQ(int(result.packet.bytes[21]), 2);
  }
  NatLab lab;
  const Result plain = lab.refused(protocol(6, 136).payload_bytes(20), DropReason::proto);
  check_answer(plain, 6, virtual_endpoint(6));
  CHECK_EQ(int(plain.packet.bytes[40]), 4);
  CHECK_EQ(int(plain.packet.bytes[41]), 1);
  CHECK_EQ(get32(plain.packet.bytes, 44), 6u);
  const Result chained =
      lab.refused(protocol(6, 136).extension(0).extension(60).payload_bytes(20), DropReason::proto);
  CHECK_EQ(get32(chained.packet.bytes, 44), 48u);
}

TEST("\"no next header\" says nothing, and nothing is said about it (RFC 8200 section 4.7)") {
  NatLab lab;
  CHECK(!lab.refused(protocol(6, 59).payload_bytes(8), DropReason::proto).answered());
}

TEST("a packet to a VIP without a hop left is answered with time exceeded, but never an ICMP packet") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const Result result = lab.refused(tcp(family).flags(kSyn).ttl(0), DropReason::ttl);
    check_answer(result, family, virtual_endpoint(family));
    CHECK(result.outcome.generated == Generated::time_exceeded);
    CHECK(!lab.refused(icmp(family).ttl(0), DropReason::ttl).answered());
    CHECK(!lab.refused(from_server(family, kAck).ttl(0), DropReason::ttl).answered());
    CHECK_EQ(lab.flows(), uint64_t{0});
  }
}

TEST("a ping of a VIP comes back with its identifier, number and data, at every size and parity") {
  for (const int family : {4, 6}) {
    for (size_t size = 0; size <= 1500; size += size < 70 ? 1 : 101) {
      NatLab lab;
      const Result result =
          lab.send(icmp(family).icmp(family == 4 ? 8 : 128, 0, 0xabcd0005).payload_bytes(size));
      CHECK_EQ(result.outcome.reason, DropReason::answered);
      check_answer(result, family, virtual_endpoint(family));
      const Packet want = icmp(family)
                              .icmp(family == 4 ? 0 : 129, 0, 0xabcd0005)
                              .payload_bytes(size)
                              .from(virtual_endpoint(family))
                              .to(client_endpoint(family))
                              .fragment_field(0)
                              .ttl(65)
                              .build();
      if (!CHECK(result.packet.bytes == want.bytes)) return;
    }
  }
}

TEST("a ping of 65000 bytes, one with options and one with extension headers come back bare") {
  NatLab lab;
  const PacketBuilder pings[] = {
      icmp4().payload_bytes(65000), icmp4().ip_options(Bytes(40, 1)).payload_bytes(7),
      icmp6().extension(0).extension(60).payload_bytes(7), icmp4().payload_bytes(9).trailer(30)};
  for (const PacketBuilder& ping : pings) {
    const Packet sent = ping.build();
    const Anatomy a = *dissect(sent.bytes);
    const Result result = lab.send(sent);
    check_answer(result, ping.family(), virtual_endpoint(ping.family()));
    CHECK_EQ(result.packet.bytes.size(), (ping.family() == 4 ? 20 : 40) + a.length - a.l4);
  }
}

TEST("a segment or datagram with a wrong checksum is not answered, whatever its length") {
  for (const int family : {4, 6}) {
    for (const size_t payload : {0, 1, 33, 1200}) {
      NatLab lab;
      for (const PacketBuilder& builder : {tcp(family).destination_port(81).flags(kSyn),
                                           tcp(family).flags(kAck), udp(family).destination_port(54)}) {
        const PacketBuilder sized = PacketBuilder(builder).payload_bytes(payload);
        CHECK(!lab.refused(PacketBuilder(sized).checksum(Csum::wrong), DropReason::l4_csum).answered());
        CHECK(lab.send(sized).answered());
      }
    }
  }
}

TEST("a ping with a wrong checksum is not answered") {
  NatLab lab;
  for (const int family : {4, 6})
    CHECK(!lab.refused(icmp(family).checksum(Csum::wrong), DropReason::icmp_csum).answered());
}

TEST("answers carry the traffic class of what they answer, as the kernel's do") {
  const auto traffic_class = [](const Result& result, int family) {
    const auto& bytes = result.packet.bytes;
    return int(family == 4 ? bytes[1] : get32(bytes, 0) >> 20 & 0xff);
  };
  for (const int family : {4, 6}) {
    NatLab lab;
    CHECK_EQ(traffic_class(lab.send(icmp(family).tos(0xbb)), family), 0xbb);
    CHECK_EQ(traffic_class(lab.send(tcp(family).destination_port(81).flags(kSyn).tos(0xbb)), family), 0xb8);
    CHECK_EQ(traffic_class(lab.send(udp(family).destination_port(54).tos(0x1e)), family),
             family == 4 ? 0xde : 0);
  }
}

TEST("no answer is longer than its cause by more than the headers it needs (no amplification)") {
  for (const int family : {4, 6}) {
    NatLab lab;
    for (const PacketBuilder& builder :
         {tcp(family).destination_port(81).flags(kSyn), udp(family).destination_port(54), icmp(family),
          protocol(family, 47).payload_bytes(1), tcp(family).flags(kAck),
          udp(family).destination_port(54).payload_bytes(1400)}) {
      const Packet sent = builder.build();
      const Result result = lab.send(sent);
      CHECK(result.answered());
      CHECK(result.packet.bytes.size() <= sent.bytes.size() + (family == 4 ? 28 : 48));
    }
  }
}

// ---- how often ----

TEST("one client gets its burst and then its rate, and the rest is counted as rate limited") {
  using nat::AnswerBudget;
  NatLab lab;
  const auto knock = [&](uint32_t n) {
    return tcp4().source_port(uint16_t(1 + n % 60000)).destination_port(81).flags(kSyn);
  };
  uint32_t answers = 0;
  for (uint32_t n = 0; n < 2000; ++n) answers += lab.send(knock(n)).answered();
  CHECK_EQ(answers, AnswerBudget::kBurstPerClient);
  CHECK_EQ(lab.dropped[size_t(DropReason::rate_limited)], uint64_t(2000 - answers));
  lab.now.ms += 1000;
  answers = 0;
  for (uint32_t n = 0; n < 2000; ++n) answers += lab.send(knock(n)).answered();
  CHECK_EQ(answers, AnswerBudget::kPerSecondPerClient);
}

TEST("all clients together get the whole budget, and silence never saves up more than one burst") {
  using nat::AnswerBudget;
  AnswerBudget budget;
  const auto storm = [&](uint64_t now_ms, uint64_t clients = 2000) {
    uint32_t allowed = 0;
    for (uint64_t client = 0; client < clients; ++client) allowed += budget.allow(now_ms, client);
    return allowed;
  };
  CHECK_EQ(storm(10), AnswerBudget::kBurst);
  CHECK_EQ(storm(10), 0u);
  CHECK_EQ(storm(11), AnswerBudget::kPerSecond / 1000);
  CHECK_EQ(storm(111), AnswerBudget::kPerSecond / 10);
  CHECK_EQ(storm(111 + uint64_t{366} * 86400 * 1000), AnswerBudget::kBurst);
  uint32_t in_ten_seconds = 0;
  const uint64_t start = 111 + uint64_t{366} * 86400 * 1000;
  for (uint64_t ms = 1; ms <= 10'000; ++ms) in_ten_seconds += storm(start + ms, 20);
  CHECK_EQ(in_ten_seconds, 10 * AnswerBudget::kPerSecond);
}

TEST("one client's scan leaves the others their answers") {
  NatLab lab;
  for (uint32_t n = 0; n < 20000; ++n)
    lab.send(tcp4().source_port(uint16_t(1 + n)).destination_port(81).flags(kSyn));
  Endpoint other = client_endpoint(4);
  uint32_t answers = 0;
  for (uint8_t n = 1; n <= 50; ++n) {
    other.address.bytes[3] = uint8_t(100 + n);
    answers += lab.send(tcp4().from(other).destination_port(81).flags(kSyn)).answered();
  }
  CHECK(answers >= 45);  // a few may share a bucket with somebody
}

}  // namespace
}  // namespace vsnat::test
