// SPDX-License-Identifier: Apache-2.0
//
// SCTP through the director: associations from INIT to SHUTDOWN COMPLETE, checksums that stay right or stay wrong, and
// what is said to packets of no association. No kernel with SCTP is needed.
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"
#include "test/native/support/views.h"
#include "wire/headers.h"

namespace vsnat::test {
namespace {

using wire::sctp_chunk_hdr;

constexpr uint8_t kData = 0, kInit = 1, kInitAck = 2, kSack = 3, kAbort = 6, kShutdown = 7, kShutdownAck = 8,
                  kError = 9, kCookieEcho = 10, kCookieAck = 11, kShutdownComplete = 14;

PacketBuilder request(int family, uint8_t chunk) {
  return sctp(family).to(sctp_endpoint(family)).chunk(chunk, Bytes(16, 0x5a));
}
PacketBuilder reply(int family, uint8_t chunk, int n = 0) {
  return sctp(family)
      .from(sctp_server(family, n))
      .to(client_endpoint(family))
      .vtag(0x7e57)
      .chunk(chunk, Bytes(12, 0xa5));
}

/** The four packets of a handshake with server `n`, whose turn it is. */
void associate(NatLab& lab, int family, int n = 0) {
  CHECK(lab.send(request(family, kInit).vtag(0)).forwarded());
  CHECK(lab.send(reply(family, kInitAck, n)).forwarded());
  CHECK(lab.send(request(family, kCookieEcho)).forwarded());
  CHECK(lab.send(reply(family, kCookieAck, n)).forwarded());
}

TEST("an association is translated both ways, byte for byte as by the reference") {
  for (const int family : {4, 6}) {
    NatLab lab;
    associate(lab, family);
    for (const size_t bytes : {1u, 4u, 63u, 1400u, 60000u}) {
      for (const Csum kind : {Csum::full, Csum::wrong, Csum::partial}) {
        ROW("IPv" + std::to_string(family) + ", " + std::to_string(bytes) + " bytes, checksum " +
            std::to_string(int(kind)));
        const Packet up = sctp(family).to(sctp_endpoint(family)).payload_bytes(bytes).checksum(kind).build();
        const Result there = lab.send(up);
        if (!CHECK(there.forwarded())) continue;
        CHECK(there.packet.bytes == reference_nat(up, {{}, sctp_server(family, 0), 1}).bytes);
        CHECK(!there.packet.vnet.needs_csum());
        CHECK(judge_transport(there.packet.bytes, false) ==
              (kind == Csum::wrong ? L4Sum::wrong : L4Sum::right));
        const Packet down = sctp(family)
                                .from(sctp_server(family, 0))
                                .to(client_endpoint(family))
                                .payload_bytes(bytes)
                                .checksum(kind)
                                .build();
        const Result back = lab.send(down);
        if (!CHECK(back.forwarded())) continue;
        CHECK(back.packet.bytes == reference_nat(down, {sctp_endpoint(family), {}, 1}).bytes);
      }
    }
  }
}

TEST("an unfinished checksum is finished in a packet that only passes, too") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const Packet packet = reply(family, kData).destination_port(7).checksum(Csum::partial).build();
    const Result result = lab.send(packet);
    CHECK(result.passed());
    CHECK(!result.packet.vnet.needs_csum());
    CHECK(judge_transport(result.packet.bytes, false) == L4Sum::right);
  }
}

TEST("the states of a whole life are the kernel's, and only the established one is active") {
  for (const int family : {4, 6}) {
    const struct {
      bool from_client;
      uint8_t chunk;
      const char* state;
    } life[] = {{true, kInit, "INIT1"},
                {false, kInitAck, "C-SENT"},
                {true, kCookieEcho, "C-REPLIED"},
                {false, kCookieAck, "ESTABLISHED"},
                {true, kData, "ESTABLISHED"},
                {false, kSack, "ESTABLISHED"},
                {true, kShutdown, "S-RECEIVED"},
                {false, kShutdownAck, "S-ACK-SENT"},
                {true, kShutdownComplete, "CLOSED"}};
    NatLab lab;
    for (const auto& step : life) {
      ROW("IPv" + std::to_string(family) + " " + step.state);
      CHECK(lab.send(step.from_client ? request(family, step.chunk) : reply(family, step.chunk)).forwarded());
      CHECK_EQ(lab.state(family, kSctp), std::string(step.state));
      const uint32_t slot = family == 4 ? 12 : 28;
      CHECK_EQ(lab.active(slot), uint32_t(std::string(step.state) == "ESTABLISHED"));
      CHECK_EQ(lab.active(slot) + lab.inactive(slot), 1u);
    }
  }
}

TEST("an ABORT bundled behind a cookie counts, one behind anything else does not") {
  NatLab lab;
  associate(lab, 4);
  CHECK(lab.send(sctp(4).to(sctp_endpoint(4)).chunk(kData, Bytes(5)).chunk(kAbort)).forwarded());
  CHECK_EQ(lab.state(4, kSctp), std::string("ESTABLISHED"));
  CHECK(lab.send(sctp(4).to(sctp_endpoint(4)).chunk(kCookieEcho, Bytes(5)).chunk(kAbort)).forwarded());
  CHECK_EQ(lab.state(4, kSctp), std::string("CLOSED"));
}

TEST("a cookie whose length leads out of the packet is only a cookie") {
  for (const uint16_t length : {uint16_t(0), uint16_t(3), uint16_t(5000), uint16_t(65535)}) {
    ROW("length " + std::to_string(length));
    NatLab lab;
    CHECK(lab.send(request(4, kInit)).forwarded());
    CHECK(lab.send(reply(4, kInitAck)).forwarded());
    Packet cookie = sctp(4).to(sctp_endpoint(4)).chunk(kCookieEcho, Bytes(4)).build();
    put16(cookie.bytes, 20 + 12 + 2, length);
    CHECK(lab.send(cookie).forwarded());
    CHECK_EQ(lab.state(4, kSctp), std::string("C-REPLIED"));
  }
}

TEST("INIT begins an association anew only where the old one is closed") {
  NatLab lab;
  associate(lab, 4);
  const Result again = lab.send(request(4, kInit));
  CHECK(endpoint_of(again.packet, true) == sctp_server(4, 0));
  CHECK_EQ(lab.state(4, kSctp), std::string("ESTABLISHED"));
  CHECK(lab.send(request(4, kAbort)).forwarded());
  const Result anew = lab.send(request(4, kInit));
  CHECK(endpoint_of(anew.packet, true) == sctp_server(4, 1));
  CHECK_EQ(lab.state(4, kSctp), std::string("INIT1"));
  CHECK_EQ(lab.flows(), uint64_t{1});
}

TEST("an association that ends is forgotten after 61 seconds, an opened one that stays silent after 4") {
  NatLab lab;
  CHECK(lab.send(request(4, kInit)).forwarded());
  lab.advance_seconds(5);
  lab.expire();
  CHECK_EQ(lab.flows(), uint64_t{0});
  associate(lab, 4, 1);
  lab.advance_seconds(899);
  lab.expire();
  CHECK_EQ(lab.flows(), uint64_t{1});
  CHECK(lab.send(request(4, kAbort)).forwarded());
  lab.advance_seconds(62);
  lab.expire();
  CHECK_EQ(lab.flows(), uint64_t{0});
}

TEST("what does not begin an association is answered as an SCTP host would") {
  for (const int family : {4, 6}) {
    const struct {
      const char* name;
      uint8_t chunk;
      int answer;  // -1: none
    } cases[] = {{"DATA", kData, kAbort},
                 {"INIT ACK", kInitAck, kAbort},
                 {"COOKIE ECHO", kCookieEcho, kAbort},
                 {"SHUTDOWN ACK", kShutdownAck, kShutdownComplete},
                 {"SHUTDOWN COMPLETE", kShutdownComplete, -1},
                 {"COOKIE ACK", kCookieAck, -1},
                 {"ERROR", kError, -1},
                 {"ABORT", kAbort, -1}};
    for (const auto& c : cases) {
      ROW("IPv" + std::to_string(family) + " " + c.name);
      NatLab lab;
      const Result result = lab.refused(request(family, c.chunk), DropReason::no_flow);
      if (!CHECK_EQ(result.answered(), c.answer >= 0) || c.answer < 0) continue;
      CHECK_EQ(result.outcome.generated, Generated::sctp_abort);
      CHECK(endpoint_of(result.packet, false) == sctp_endpoint(family));
      CHECK(endpoint_of(result.packet, true) == client_endpoint(family));
      CHECK_EQ(complaint(result.packet.bytes, false), std::string());
      CHECK(judge_transport(result.packet.bytes, false) == L4Sum::right);
      const size_t l4 = family == 4 ? 20 : 40;
      CHECK_EQ(result.packet.bytes.size(), l4 + 16);
      CHECK_EQ(get32(result.packet.bytes, l4 + 4), uint32_t{0x5c7b0001});  // the tag, reflected
      CHECK_EQ(int(result.packet.bytes[l4 + 12]), c.answer);
      CHECK_EQ(int(result.packet.bytes[l4 + 13]), 1);  // and said so
      NatLab other;
      const Result damaged = other.send(request(family, c.chunk).checksum(Csum::wrong));
      CHECK(!damaged.answered());
    }
  }
}

TEST("with sloppy_sctp anything but an ABORT begins an association") {
  for (const int chunk : {int(kData), int(kCookieEcho), int(kShutdown), int(kAbort)}) {
    ROW("chunk " + std::to_string(chunk));
    NatLab lab;
    lab.spec.policy.sloppy_sctp = true;
    lab.publish();
    CHECK_EQ(lab.send(request(4, uint8_t(chunk))).forwarded(), chunk != kAbort);
  }
}

TEST(
    "a port of the VIP that is no SCTP service's answers protocol unreachable, as a host without SCTP does") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const Result result =
        lab.refused(sctp(family).destination_port(99).chunk(kInit, Bytes(16)), DropReason::no_service);
    CHECK(result.answered());
    CHECK_EQ(result.outcome.generated, Generated::proto_unreachable);
    const size_t l4 = family == 4 ? 20 : 40;
    CHECK_EQ(int(result.packet.bytes[l4]), family == 4 ? 3 : 4);
    CHECK_EQ(int(result.packet.bytes[l4 + 1]), family == 4 ? 2 : 1);
    CHECK_EQ(complaint(result.packet.bytes, false), std::string());
  }
}

TEST("an association whose server was removed is aborted, and its INIT goes to another") {
  NatLab lab;
  associate(lab, 4);
  for (auto& service : lab.spec.services) {
    if (service.listen[0].port != 2905 || service.listen[0].address.family != 4) continue;
    service.servers.erase(service.servers.begin());
    service.plan.steps = {0, 1};
  }
  lab.publish();
  const Result data = lab.send(request(4, kData));
  CHECK_EQ(data.outcome.reason, DropReason::server_gone);
  CHECK(data.answered());
  CHECK(lab.send(request(4, kInit)).forwarded());
}

TEST("errors about SCTP packets are translated both ways") {
  for (const int family : {4, 6}) {
    NatLab lab;
    associate(lab, family);
    const auto error = [&](const PacketBuilder& quoted) {
      return icmp(family).icmp(family == 4 ? 3 : 1, family == 4 ? 1 : 3, 0).payload(quoted.bytes());
    };
    const Result to_client = lab.send(error(request(family, kData).to(sctp_server(family, 0)))
                                          .from(sctp_server(family, 0))
                                          .to(client_endpoint(family)));
    CHECK(to_client.forwarded());
    CHECK(endpoint_of(to_client.packet, false).address == sctp_endpoint(family).address);
    const size_t quote = (family == 4 ? 20 : 40) + 8;
    const Packet inner{Bytes(to_client.packet.bytes.begin() + long(quote), to_client.packet.bytes.end()), {}};
    CHECK(endpoint_of(inner, true) == sctp_endpoint(family));
    const Result to_server = lab.send(error(reply(family, kData).from(sctp_endpoint(family)))
                                          .from(client_endpoint(family))
                                          .to(sctp_endpoint(family)));
    CHECK(to_server.forwarded());
    CHECK(endpoint_of(to_server.packet, true).address == sctp_server(family, 0).address);
  }
}

TEST("half an SCTP header, or one without a chunk, is not a packet; nor is port 0") {
  for (const int family : {4, 6}) {
    const size_t l4 = family == 4 ? 20 : 40;
    for (size_t length = 0; length < 16; ++length) {
      const Bytes whole = sctp(family).chunk(kInit).bytes();
      Bytes cut(whole.begin(), whole.begin() + long(l4 + length));
      put16(cut, family == 4 ? 2 : 4, uint16_t(family == 4 ? l4 + length : length));
      if (family == 4) reseal(cut);
      CHECK_EQ(parsed(cut).reason, family == 6 && length == 0 ? DropReason::total_len : DropReason::l4_short);
    }
    CHECK_EQ(parsed(sctp(family).source_port(0).build()).reason, DropReason::port0);
    CHECK_EQ(parsed(sctp(family).destination_port(0).build()).reason, DropReason::port0);
  }
}

}  // namespace
}  // namespace vsnat::test
