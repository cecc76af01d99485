// SPDX-License-Identifier: Apache-2.0
//
// Health checks through a VIP: led to the server under test, counted nowhere else, and closed to strangers.
#include "nat/health_check.h"

#include <map>
#include <random>
#include <string>

#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

constexpr uint8_t kOwn = 255;

class CheckLab : public NatLab {
 public:
  CheckLab() {
    for (const int family : {4, 6}) spec.check_sources.push_back(ip_address(source(family).address));
    publish();
  }

  static Endpoint source(int family, uint16_t port = 40001) {
    return {family == 4 ? ip4(203, 0, 113, 9) : ip6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 9}), port};
  }
  static PacketBuilder syn(int family, uint16_t port = 40001) {
    return to_vip(family, kSyn).from(source(family, port)).ttl(kOwn);
  }
  static PacketBuilder query(int family, uint16_t port = 40001) {
    return udp(family).from(source(family, port)).to(dns_endpoint(family)).payload_bytes(11).ttl(kOwn);
  }

  service::ServiceSpec& web(int family) { return spec.services[family == 4 ? 0 : 3]; }
  /** The slot of web_server(family, n), or of dns_server. */
  static uint32_t web_slot(int family, uint32_t n) { return (family == 4 ? 0 : 16) + n; }
  static uint32_t dns_slot(int family, uint32_t n) { return (family == 4 ? 4 : 20) + n; }
  bool lead_web(int family, uint32_t n, uint16_t port = 40001) {
    return check_ports.open(port, {family == 4 ? 0u : 4u, web_slot(family, n)});
  }
  bool lead_dns(int family, uint32_t n, uint16_t port = 40001) {
    return check_ports.open(port, {family == 4 ? 1u : 5u, dns_slot(family, n)});
  }
  void end(int family, uint8_t protocol, const Endpoint& virt, uint16_t port = 40001) {
    nat::end_check(*tables, loads.data(), kTestLimits.check_slot(),
                   {protocol, ip_address(source(family).address), ip_address(virt.address), port, virt.port});
    check_ports.close(port);
    check_books();
  }
};

TEST("a check reaches the server it asks for, and the reply comes back as the VIP's") {
  for (const int f : {4, 6}) {
    CheckLab lab;
    for (const int n : {2, 0, 1, 1}) {
      const auto port = uint16_t(40000 + lab.rx);
      CHECK(lab.lead_web(f, uint32_t(n), port));
      const Packet before = CheckLab::syn(f, port).build();
      const Result there = lab.send(before);
      CHECK(there.forwarded());
      CHECK(there.packet.bytes ==
            reference_nat(before, {CheckLab::source(f, port), web_server(f, n), 0}).bytes);
      const Packet reply = from_server(f, kSyn | kAck, n).to(CheckLab::source(f, port)).build();
      const Result back = lab.send(reply);
      CHECK(back.forwarded());
      CHECK(back.packet.bytes ==
            reference_nat(reply, {virtual_endpoint(f), CheckLab::source(f, port), 1}).bytes);
    }
  }
}

TEST("it counts under a slot of its own, and the clients' turns go on as if it had not been there") {
  for (const int f : {4, 6}) {
    CheckLab lab;
    const uint32_t check_slot = kTestLimits.check_slot();
    CHECK_EQ(Handshake::open(lab, f, {client_endpoint(f).address, 1001}, virtual_endpoint(f)), 0);
    for (uint16_t i = 0; i < 4; ++i) {
      CHECK(lab.lead_web(f, 2, uint16_t(41000 + i)));
      CHECK(lab.send(CheckLab::syn(f, uint16_t(41000 + i))).forwarded());
    }
    CHECK_EQ(Handshake::open(lab, f, {client_endpoint(f).address, 1002}, virtual_endpoint(f)), 1);
    for (uint32_t n = 0; n < 3; ++n)
      CHECK_EQ(lab.tally.connections(CheckLab::web_slot(f, n)).read(), uint64_t{n < 2});
    CHECK_EQ(lab.tally.service(f == 4 ? 0 : 4).connections.read(), uint64_t{2});
    CHECK_EQ(lab.active(CheckLab::web_slot(f, 2)) + lab.inactive(CheckLab::web_slot(f, 2)), 0u);
    CHECK_EQ(lab.tally.connections(check_slot).read(), uint64_t{4});
    CHECK_EQ(lab.active(check_slot) + lab.inactive(check_slot), 4u);
    CHECK_EQ(lab.tally.signals(CheckLab::web_slot(f, 2)).syn_repeated.read(), uint64_t{0});
  }
}

TEST(
    "a server that is withdrawn, drained or full is asked all the same, and again when its SYN is repeated") {
  for (const int f : {4, 6}) {
    CheckLab lab;
    service::ServerSpec& server = lab.web(f).servers[1];
    server.withdrawn = true;
    server.weight = 0;
    server.upper_threshold = 1;
    lab.publish();
    CHECK(lab.lead_web(f, 1));
    for (int i = 0; i < 2; ++i) {
      const Result result = lab.send(CheckLab::syn(f));
      CHECK(result.forwarded());
      CHECK(endpoint_of(result.packet, true) == web_server(f, 1));
    }
    CHECK_EQ(lab.flows(), uint64_t{1});
  }
}

TEST("who forges the source picks no server: forwarded packets have less than 255 hops left") {
  for (const int f : {4, 6}) {
    CheckLab lab;
    CHECK(lab.lead_web(f, 1));
    for (const int hops : {1, 63, 64, 128, 254}) {
      lab.refused(CheckLab::syn(f).ttl(uint8_t(hops)), DropReason::check_source);
    }
    CHECK_EQ(lab.flows(), uint64_t{0});
    CHECK(lab.send(CheckLab::syn(f)).forwarded());
  }
}

TEST(
    "nobody else begins a connection from the source either: no port, another service, no SYN, an ICMP "
    "error") {
  for (const int f : {4, 6}) {
    CheckLab lab;
    lab.refused(CheckLab::syn(f), DropReason::check_source);  // no check is under way
    CHECK(lab.lead_dns(f, 0));
    lab.refused(CheckLab::syn(f), DropReason::check_source);  // one of another service is
    lab.check_ports.close(40001);
    CHECK(lab.lead_web(f, 0));
    lab.refused(CheckLab::syn(f).flags(kAck), DropReason::no_flow);
    lab.spec.policy.schedule_icmp = true;
    lab.publish();
    const Result error = lab.send(icmp(f)
                                      .icmp(f == 4 ? 3 : 1, f == 4 ? 3 : 4)
                                      .from(CheckLab::source(f))
                                      .to(virtual_endpoint(f))
                                      .payload(CheckLab::syn(f).bytes()));
    CHECK(!error.forwarded());
    CHECK_EQ(lab.flows(), uint64_t{0});
  }
}

TEST("a server that has left the configuration, or another's slot, is not asked") {
  for (const int f : {4, 6}) {
    CheckLab lab;
    CHECK(lab.check_ports.open(40001, {f == 4 ? 0u : 4u, CheckLab::dns_slot(f, 0)}));
    lab.refused(CheckLab::syn(f), DropReason::check_source);
    lab.check_ports.close(40001);
    CHECK(lab.lead_web(f, 2));
    lab.web(f).servers.pop_back();
    lab.web(f).plan.steps = {0, 1};
    lab.publish();
    lab.refused(CheckLab::syn(f), DropReason::check_source);
  }
}

TEST("a check that is under way outlives its server's removal, and new snapshots") {
  for (const int f : {4, 6}) {
    CheckLab lab;
    lab.spec.policy.expire_nodest = true;
    CHECK(lab.lead_web(f, 2));
    CHECK(lab.send(CheckLab::syn(f).seq(1)).forwarded());
    lab.web(f).servers.pop_back();
    lab.web(f).plan.steps = {0, 1};
    lab.publish();
    CHECK(lab.send(CheckLab::syn(f).seq(1)).forwarded());
    CHECK_EQ(lab.flows(), uint64_t{1});
  }
}

TEST("once it is over nothing of it is left, and its port may lead elsewhere") {
  for (const int f : {4, 6}) {
    CheckLab lab;
    CHECK(lab.lead_web(f, 0));
    CHECK(!lab.lead_web(f, 1));
    CHECK(lab.send(CheckLab::syn(f)).forwarded());
    CHECK(lab.send(from_server(f, kSyn | kAck).to(CheckLab::source(f))).forwarded());
    lab.end(f, kTcp, virtual_endpoint(f));
    CHECK_EQ(lab.flows(), uint64_t{0});
    CHECK(lab.lead_web(f, 1));
    CHECK(endpoint_of(lab.send(CheckLab::syn(f)).packet, true) == web_server(f, 1));
    lab.end(f, kTcp, virtual_endpoint(f));
    lab.end(f, kTcp, virtual_endpoint(f));  // nothing there: nothing done
    CHECK_EQ(lab.active(kTestLimits.check_slot()) + lab.inactive(kTestLimits.check_slot()), 0u);
  }
}

TEST("ending a check leaves a client's connection alone") {
  for (const int f : {4, 6}) {
    CheckLab lab;
    lab.spec.check_sources.clear();
    lab.publish();
    CHECK(lab.send(CheckLab::syn(f)).forwarded());
    lab.end(f, kTcp, virtual_endpoint(f));
    CHECK_EQ(lab.flows(), uint64_t{1});
  }
}

TEST("UDP is led as TCP is, past one-packet scheduling and persistence") {
  for (const int f : {4, 6}) {
    for (const bool one_packet : {false, true}) {
      CheckLab lab;
      service::ServiceSpec& dns = lab.spec.services[f == 4 ? 1 : 4];
      dns.one_packet = one_packet;
      if (!one_packet) dns.persistence = {360, uint8_t(f == 4 ? 32 : 128), {}, {}};
      lab.publish();
      CHECK(lab.lead_dns(f, 2));
      for (int i = 0; i < 2; ++i) {
        const Result there = lab.send(CheckLab::query(f));
        CHECK(endpoint_of(there.packet, true) == dns_server(f, 2));
      }
      CHECK(lab.send(udp(f).from(dns_server(f, 2)).to(CheckLab::source(f)).payload_bytes(5)).forwarded());
      CHECK_EQ(lab.templates(), uint64_t{0});
      CHECK_EQ(lab.tally.volume(CheckLab::dns_slot(f, 2), flow::Direction::reply).packets, uint64_t{0});
      lab.end(f, kUdp, dns_endpoint(f));
      CHECK_EQ(lab.flows(), uint64_t{0});
    }
  }
}

TEST("the ports are a map from port to slots, whatever is opened and closed in which order") {
  nat::CheckPorts ports;
  std::map<uint16_t, std::pair<uint32_t, uint32_t>> reference;
  std::mt19937 random(20261127);
  const auto below = [&](uint32_t n) { return uint32_t(random() % n); };
  for (int round = 0; round < 20'000; ++round) {
    // Few of them, so that they meet; the first and the last are among them.
    const auto port = uint16_t(below(2) == 0 ? below(8) : 65535 - below(8));
    if (below(3) == 0) {
      ports.close(port);
      reference.erase(port);
    } else {
      const nat::CheckPorts::Lead lead{below(65536), below(2) == 0 ? below(1u << 24) : 0};
      CHECK_EQ(ports.open(port, lead),
               reference.emplace(port, std::pair(lead.service_slot, lead.server_slot)).second);
    }
    const auto probe = uint16_t(below(2) == 0 ? below(8) : 65535 - below(8));
    const auto found = ports.at(probe);
    const auto expected = reference.find(probe);
    CHECK_EQ(found.has_value(), expected != reference.end());
    if (found) CHECK(std::pair(found->service_slot, found->server_slot) == expected->second);
  }
}

}  // namespace
}  // namespace vsnat::test
