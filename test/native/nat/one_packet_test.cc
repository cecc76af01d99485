// SPDX-License-Identifier: Apache-2.0
//
// One-packet scheduling: every datagram on its own, and replies that nobody remembers.
#include "nat/one_packet.h"

#include <string>

#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

class OnePacketLab : public NatLab {
 public:
  OnePacketLab() {
    for (const int family : {4, 6}) dns(family).one_packet = true;
    publish();
  }
  service::ServiceSpec& dns(int family) { return spec.services[family == 4 ? 1 : 4]; }
};

TEST(
    "datagrams of one client port take the servers in turn, count as connections, and leave nothing behind") {
  for (const int f : {4, 6}) {
    OnePacketLab lab;
    for (int i = 0; i < 7; ++i) {
      const Packet before = udp(f).to(dns_endpoint(f)).payload_bytes(11).build();
      const Result result = lab.send(before);
      CHECK(result.forwarded());
      CHECK(endpoint_of(result.packet, true) == dns_server(f, i % 3));
      CHECK(result.packet.bytes ==
            reference_nat(before, {client_endpoint(f), dns_server(f, i % 3), 1}).bytes);
    }
    CHECK_EQ(lab.flows(), uint64_t{0});
    const uint32_t base = f == 4 ? 4 : 20;
    CHECK_EQ(lab.tally.connections(base).read(), uint64_t{3});
    CHECK_EQ(lab.tally.volume(base, flow::Direction::request).packets, uint64_t{3});
    CHECK_EQ(lab.tally.service(f == 4 ? 1 : 5).connections.read(), uint64_t{7});
    CHECK_EQ(lab.inactive(base), 0u);
  }
}

TEST("a reply goes out with the VIP, whatever checksum it carries, and so does an error about a request") {
  for (const int f : {4, 6}) {
    OnePacketLab lab;
    for (const Csum kind : {Csum::full, Csum::partial, Csum::wrong}) {
      const Packet before =
          udp(f).from(dns_server(f, 2)).to(client_endpoint(f)).payload_bytes(33).checksum(kind).build();
      const Result result = lab.send(before);
      CHECK(result.forwarded());
      CHECK(result.packet.bytes == reference_nat(before, {dns_endpoint(f), client_endpoint(f), 1}).bytes);
    }
    CHECK_EQ(lab.tally.volume(f == 4 ? 6 : 22, flow::Direction::reply).packets, uint64_t{3});
    const PacketBuilder quoted = udp(f).to(dns_server(f, 1));
    const Result error = lab.send(icmp(f)
                                      .icmp(f == 4 ? 3 : 1, f == 4 ? 3 : 4)
                                      .from(dns_server(f, 1))
                                      .to(client_endpoint(f))
                                      .payload(quoted.bytes()));
    CHECK(error.forwarded());
    CHECK(endpoint_of(error.packet, false).address == dns_endpoint(f).address);
    CHECK_EQ(complaint(error.packet.bytes, false), std::string());
    CHECK_EQ(lab.flows(), uint64_t{0});
  }
}

TEST("what else a server sends passes: TCP, other ports, and everything once replies are to be left alone") {
  for (const int f : {4, 6}) {
    OnePacketLab lab;
    const PacketBuilder reply = udp(f).from(dns_server(f, 0)).to(client_endpoint(f));
    CHECK(lab.send(PacketBuilder(reply).source_port(5354)).passed());
    CHECK(lab.send(tcp(f).from(dns_server(f, 0)).to(client_endpoint(f)).flags(kAck)).passed());
    CHECK(lab.send(reply).forwarded());
    lab.spec.translate_one_packet_replies = false;
    lab.publish();
    CHECK(lab.send(reply).passed());
    CHECK_EQ(lab.tally.ambiguous_replies.read(), uint64_t{0});
  }
}

TEST("a reply of a server that two one-packet services have passes, and is counted") {
  for (const int f : {4, 6}) {
    OnePacketLab lab;
    service::ServiceSpec second = lab.dns(f);
    second.slot = 9;
    second.listen[0].port = 54;
    for (auto& server : second.servers) server.slot += 30;
    second.servers.resize(1);
    second.plan.steps = {0};
    lab.spec.services.push_back(second);
    lab.publish();
    CHECK(lab.send(udp(f).from(dns_server(f, 0)).to(client_endpoint(f))).passed());
    CHECK(lab.send(udp(f).from(dns_server(f, 1)).to(client_endpoint(f))).forwarded());
    CHECK_EQ(lab.tally.ambiguous_replies.read(), uint64_t{1});
  }
}

TEST("a connection that another service remembers comes before the guess") {
  NatLab lab;
  auto second = lab.spec.services[1];
  second.slot = 9;
  second.listen[0].port = 54;
  second.one_packet = true;
  for (auto& server : second.servers) server.slot += 30;
  lab.spec.services.push_back(second);
  lab.publish();
  lab.send(udp4().to(dns_endpoint(4)));
  const Result result = lab.send(udp4().from(dns_server(4, 0)).to(client_endpoint(4)));
  CHECK(endpoint_of(result.packet, false) == dns_endpoint(4));
  const Result guess = lab.send(udp4().from(dns_server(4, 0)).to({client_endpoint(4).address, 9}));
  CHECK_EQ(endpoint_of(guess.packet, false).port, uint16_t{54});
}

TEST("with persistence a client's datagrams stay with one server, and its template counts none of them") {
  for (const int f : {4, 6}) {
    OnePacketLab lab;
    lab.dns(f).persistence = {300, uint8_t(f == 4 ? 32 : 128)};
    lab.publish();
    for (int i = 0; i < 5; ++i) {
      const Result result = lab.send(udp(f).to(dns_endpoint(f)).source_port(uint16_t(1000 + i)));
      CHECK(endpoint_of(result.packet, true) == dns_server(f, 0));
      lab.advance_seconds(100);
    }
    CHECK_EQ(lab.template_of(f == 4 ? 4 : 20), std::string("NONE 200 0"));
    lab.advance_seconds(200);
    lab.expire();
    CHECK_EQ(lab.templates(), uint64_t{0});
  }
}

TEST("without a server a datagram is refused as any other") {
  OnePacketLab lab;
  for (auto& server : lab.dns(4).servers) server.weight = 0;
  lab.publish();
  lab.refused(udp4().to(dns_endpoint(4)), DropReason::no_server);
}

TEST("the pieces of a datagram stay together") {
  for (const int f : {4, 6}) {
    OnePacketLab lab;
    const auto piece = [&](int number) {
      PacketBuilder packet = udp(f).to(dns_endpoint(f)).payload_bytes(80);
      if (f == 4) return packet.fragment_field(number == 0 ? 0x2000 : 11);
      return packet.fragment_header(number == 0 ? 1 : 11 << 3);
    };
    const Result first = lab.send(piece(0)), second = lab.send(piece(1));
    CHECK(first.forwarded());
    CHECK(second.forwarded());
    CHECK(dissect(first.packet.bytes)->destination == dissect(second.packet.bytes)->destination);
  }
}

}  // namespace
}  // namespace vsnat::test
