// SPDX-License-Identifier: Apache-2.0
//
// Persistence in packets: who goes where, what a template outlives, and services of every port or of a mark.
#include "nat/persist.h"

#include <set>
#include <string>

#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

constexpr uint32_t kC = Handshake::kClientNext, kS = Handshake::kServerNext;

/** The n-th client of network `net`: 198.51.net.n, 2001:db8:c:net::n. */
Endpoint client(int family, uint8_t net, uint8_t n, uint16_t port = 40000) {
  return {family == 4 ? ip4(198, 51, net, n) : ip6({0x2001, 0xdb8, 0xc, net, 0, 0, 0, n}), port};
}

/** The lab with its TCP service of each family persistent. */
class PersistentLab : public NatLab {
 public:
  explicit PersistentLab(uint32_t seconds = 360, int bits4 = 32, int bits6 = 128, uint32_t capacity = 64)
      : NatLab(capacity) {
    for (const int family : {4, 6}) web(family).persistence = {seconds, uint8_t(family == 4 ? bits4 : bits6)};
    publish();
  }
  service::ServiceSpec& web(int family) { return spec.services[family == 4 ? 0 : 3]; }
  service::ServiceSpec& dns(int family) { return spec.services[family == 4 ? 1 : 4]; }
};

/** The number of the real server a SYN reaches, from 0; -1 when it goes nowhere. */
int connect(NatLab& lab, const Endpoint& from, const Endpoint& to) {
  const Result result = lab.send(tcp(from.address.family).from(from).to(to).flags(kSyn));
  if (!result.forwarded()) return -1;
  return endpoint_of(result.packet, true).address.bytes[from.address.family == 4 ? 3 : 15] - 1;
}
int connect(NatLab& lab, const Endpoint& from) {
  return connect(lab, from, virtual_endpoint(from.address.family));
}

TEST("a client's connections all go to the server of its first, other clients' in turn") {
  for (const int f : {4, 6}) {
    PersistentLab lab;
    CHECK_EQ(connect(lab, client(f, 1, 1, 1000)), 0);
    CHECK_EQ(connect(lab, client(f, 1, 2, 1000)), 1);
    for (uint16_t port = 1001; port < 1010; ++port) {
      CHECK_EQ(connect(lab, client(f, 1, 1, port)), 0);
      CHECK_EQ(connect(lab, client(f, 1, 2, port)), 1);
    }
    CHECK_EQ(connect(lab, client(f, 1, 3)), 2);
    const uint32_t base = f == 4 ? 0 : 16;
    CHECK_EQ(lab.persistent(base), 1u);
    CHECK_EQ(lab.template_of(base), std::string("NONE 360 10"));
    CHECK_EQ(lab.tally.connections(base).read(), uint64_t{10});
    CHECK_EQ(lab.tally.service(f == 4 ? 0 : 4).connections.read(), uint64_t{21});
  }
}

TEST("a netmask makes one client of a whole network, to the bit") {
  PersistentLab lab(360, 23, 61);
  CHECK_EQ(connect(lab, client(4, 2, 1)), 0);
  CHECK_EQ(connect(lab, client(4, 3, 250)), 0);
  CHECK_EQ(connect(lab, client(4, 4, 1)), 1);
  CHECK_EQ(connect(lab, client(6, 8, 1)), 0);
  CHECK_EQ(connect(lab, client(6, 15, 77)), 0);
  CHECK_EQ(connect(lab, client(6, 16, 1)), 1);
}

TEST("a network is what the mask leaves of an address, bit by bit") {
  using nat::network_of;
  const auto four = ip4(255, 255, 255, 255).v4();
  for (unsigned bits = 1; bits <= 32; ++bits) {
    PersistentLab lab(360, int(bits));
    const uint64_t want = (0xffffffffull << (32 - bits)) & 0xffffffff;
    CHECK_EQ(uint64_t(network_of(four, *lab.snapshot->services[0]).fold()), want);
  }
  const auto six = ip6({0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff}).v6();
  service::Service service{};
  for (unsigned bits = 0; bits <= 128; ++bits) {
    service.persistence_bits = uint8_t(bits);
    unsigned ones = 0;
    const auto masked = network_of(six, service);
    for (const uint8_t byte : masked.bytes) ones += unsigned(__builtin_popcount(byte));
    CHECK_EQ(ones, bits);
    if (bits < 128) CHECK_EQ(masked.bytes[bits / 8] & (0x80 >> bits % 8), 0);
  }
  Random random("masks with holes");
  for (int i = 0; i < 10'000; ++i) {
    const auto mask = uint32_t(random.below(0xffffffff)), address = uint32_t(random.below(0xffffffff));
    service.persistence_mask = mask;
    const wire::Addr4 masked = network_of(wire::Addr4{wire::be32::from_host(address)}, service);
    uint32_t want = 0;
    for (uint32_t bit = 1; bit != 0; bit <<= 1) want += (mask & bit) != 0 ? address & bit : 0;
    if (!CHECK_EQ(masked.fold(), want)) return;
  }
}

TEST("clients are one where the bits of a mask with holes agree, all of them under an empty one") {
  PersistentLab lab;
  const auto masked = [&](const Address& mask) {
    lab.web(4).persistence = {360, 0, mask.v4()};
    lab.publish();
  };
  masked(ip4(255, 255, 0, 255));
  CHECK_EQ(connect(lab, client(4, 1, 7)), 0);
  CHECK_EQ(connect(lab, client(4, 200, 7)), 0);
  CHECK_EQ(connect(lab, client(4, 1, 8)), 1);
  CHECK_EQ(connect(lab, client(4, 9, 8)), 1);
  CHECK_EQ(connect(lab, client(4, 9, 9)), 2);
  CHECK_EQ(lab.persistent(0), 1u);
  masked(ip4(0, 0, 0, 0));
  const int any = connect(lab, client(4, 50, 1));
  CHECK(any >= 0);
  for (uint8_t n = 2; n < 9; ++n) CHECK_EQ(connect(lab, client(4, uint8_t(50 + n), n)), any);
}

TEST(
    "weight, thresholds and drains do not matter to a client that has a server, unless quiescent ones "
    "expire") {
  for (const int f : {4, 6}) {
    PersistentLab lab;
    CHECK_EQ(connect(lab, client(f, 1, 1, 1)), 0);
    lab.web(f).servers[0].weight = 0;
    lab.web(f).servers[0].upper_threshold = 1;
    lab.publish();
    CHECK_EQ(connect(lab, client(f, 1, 1, 2)), 0);
    lab.spec.expire_quiescent_template = true;
    lab.publish();
    CHECK_EQ(connect(lab, client(f, 1, 1, 3)), 1);
    const uint32_t base = f == 4 ? 0 : 16;
    CHECK_EQ(lab.template_of(base), std::string("STALE 360 2"));
    CHECK_EQ(lab.template_of(base + 1), std::string("NONE 360 1"));
    // Its old connections stay where they are.
    CHECK_EQ(connect(lab, client(f, 1, 1, 1)), 0);
    // And the stale template is not found again, although its server is back.
    lab.web(f).servers[0].weight = 1;
    lab.publish();
    CHECK_EQ(connect(lab, client(f, 1, 1, 4)), 1);
  }
}

TEST("a withdrawn server is exchanged at the next connection, and what is established there goes on") {
  for (const int f : {4, 6}) {
    PersistentLab lab;
    CHECK_EQ(connect(lab, client(f, 1, 1, 1)), 0);
    lab.web(f).servers[0].weight = 0;
    lab.web(f).servers[0].withdrawn = true;
    lab.publish();
    CHECK_EQ(connect(lab, client(f, 1, 1, 2)), 1);
    lab.web(f).servers[0].weight = 1;
    lab.web(f).servers[0].withdrawn = false;
    lab.publish();
    CHECK_EQ(connect(lab, client(f, 1, 1, 3)), 1);
  }
}

TEST("a server that has left is exchanged at the next connection, and kept if it comes back before that") {
  for (const int f : {4, 6}) {
    PersistentLab lab;
    CHECK_EQ(connect(lab, client(f, 1, 1, 1)), 0);
    const auto before = lab.web(f);
    lab.web(f).servers.erase(lab.web(f).servers.begin());
    lab.web(f).plan.steps = {0, 1};
    lab.publish();
    lab.web(f) = before;
    lab.publish();
    CHECK_EQ(connect(lab, client(f, 1, 1, 2)), 0);
    lab.web(f).servers.erase(lab.web(f).servers.begin());
    lab.web(f).plan.steps = {0, 1};
    lab.publish();
    const int other = connect(lab, client(f, 1, 1, 3));
    CHECK(other > 0);
    lab.web(f) = before;
    lab.publish();
    CHECK_EQ(connect(lab, client(f, 1, 1, 4)), other);
  }
}

TEST("a template runs from the last new connection, and for another 60 s while a connection lives") {
  for (const int f : {4, 6}) {
    const uint32_t base = f == 4 ? 0 : 16;
    PersistentLab lab(100);
    Handshake::open(lab, f, client(f, 1, 1, 1), virtual_endpoint(f));
    CHECK_EQ(lab.template_of(base), std::string("ASSURED 100 1"));
    lab.advance_seconds(90);
    CHECK(lab.send(tcp(f).from(client(f, 1, 1, 1)).flags(kAck).seq(kC).ack(kS)).forwarded());
    CHECK_EQ(lab.template_of(base), std::string("ASSURED 10 1"));  // packets do not set the timer
    lab.advance_seconds(5);
    CHECK_EQ(connect(lab, client(f, 1, 1, 2)), 0);
    CHECK_EQ(lab.template_of(base), std::string("ASSURED 100 2"));
    lab.advance_seconds(130);
    lab.expire();  // the half-open one is over; the other is established
    CHECK_EQ(lab.template_of(base), std::string("ASSURED 30 1"));
    CHECK_EQ(connect(lab, client(f, 1, 1, 3)), 0);
    CHECK_EQ(lab.template_of(base), std::string("ASSURED 60 2"));  // and 60 s it stays
    lab.advance_seconds(900);
    lab.expire();
    lab.expire();  // a template outlives its last connection by what is left of its minute
    CHECK_EQ(lab.flows(), uint64_t{0});
    lab.advance_seconds(60);
    lab.expire();
    CHECK_EQ(lab.templates(), uint64_t{0});
    CHECK_EQ(connect(lab, client(f, 1, 1, 4)), 1);
  }
}

TEST("a template is assured by an established connection or an answered datagram") {
  for (const int f : {4, 6}) {
    const uint32_t base = f == 4 ? 0 : 16;
    PersistentLab lab;
    lab.dns(f).persistence = {300, uint8_t(f == 4 ? 32 : 128)};
    lab.publish();
    connect(lab, client_endpoint(f));
    lab.send(from_server(f, kSyn | kAck).seq(kS - 1).ack(0x11223345));
    CHECK_EQ(lab.template_of(base), std::string("NONE 360 1"));
    lab.send(tcp(f).flags(kAck).seq(0x11223345).ack(kS));
    CHECK_EQ(lab.template_of(base), std::string("ASSURED 360 1"));
    lab.send(udp(f).to(dns_endpoint(f)));
    lab.send(udp(f).to(dns_endpoint(f)));
    CHECK_EQ(lab.template_of(base + 4), std::string("NONE 300 1"));
    CHECK(lab.send(udp(f).from(dns_server(f, 0)).to(client_endpoint(f))).forwarded());
    CHECK_EQ(lab.template_of(base + 4), std::string("ASSURED 300 1"));
  }
}

TEST(
    "a persistent client port that is used again goes on with its entry and its server, RSTs believed "
    "afresh") {
  for (const int f : {4, 6}) {
    PersistentLab lab;
    Handshake::open(lab, f);
    lab.send(tcp(f).flags(kRst).seq(kC));
    CHECK_EQ(lab.state(f), std::string("CLOSE"));
    CHECK(lab.send(tcp(f).flags(kSyn).seq(77'000)).forwarded());
    CHECK_EQ(lab.state(f), std::string("SYN_RECV"));
    CHECK_EQ(lab.flows(), uint64_t{1});
    CHECK_EQ(lab.tally.connections(f == 4 ? 0 : 16).read(), uint64_t{1});
    lab.send(from_server(f, kSyn | kAck).seq(88'000).ack(77'001));
    lab.send(tcp(f).flags(kAck).seq(77'001).ack(88'001));
    lab.send(tcp(f).flags(kRst).seq(kC));  // of the connection before
    CHECK_EQ(lab.state(f), std::string("ESTABLISHED"));
    lab.send(tcp(f).flags(kRst).seq(77'001));
    CHECK_EQ(lab.state(f), std::string("CLOSE"));
  }
}

TEST(
    "a table full of templates gives up those of clients that never answered, and refuses when there are "
    "none") {
  PersistentLab lab(360, 32, 128, 2);
  CHECK_EQ(connect(lab, client(4, 1, 1)), 0);
  CHECK_EQ(connect(lab, client(4, 1, 2)), 1);
  // Two half-open connections: the third takes the place of one, and of its template.
  CHECK(connect(lab, client(4, 1, 3)) == -1 || lab.templates() == 2);
  CHECK_EQ(lab.flows() <= 2, true);
  PersistentLab proven(360, 32, 128, 2);
  Handshake::open(proven, 4, client(4, 1, 1), virtual_endpoint(4));
  Handshake::open(proven, 4, client(4, 1, 2), virtual_endpoint(4));
  proven.refused(tcp4().from(client(4, 1, 3)).flags(kSyn), DropReason::table_full);
  CHECK_EQ(proven.templates(), uint64_t{2});
}

TEST("a client whose server cannot tell its connections apart is refused, not sent astray") {
  NatLab lab;
  for (service::ServiceSpec* service : {&lab.spec.services[0], &lab.spec.services[2]}) {
    service->persistence = {300, 32};
    service->servers.resize(1);
    service->plan.steps = {0};
  }
  lab.publish();
  const Endpoint c = client(4, 1, 1);
  CHECK_EQ(connect(lab, {c.address, 5}, other_virtual_endpoint(4)), 0);
  CHECK_EQ(connect(lab, c, virtual_endpoint(4)), 0);
  lab.refused(tcp4().from(c).to(other_virtual_endpoint(4)).flags(kSyn), DropReason::reply_taken);
}

// ---- every port of an address ----

service::ServiceSpec every_port(int f, uint32_t slot, uint8_t protocol, uint32_t server_slot,
                                uint16_t server_port) {
  Endpoint whole = virtual_endpoint(f);
  whole.port = 0;
  auto spec = service_spec(slot, protocol, whole,
                           {server_spec(server_slot, {web_server(f, 0).address, server_port}),
                            server_spec(server_slot + 1, {web_server(f, 1).address, server_port})});
  spec.persistence = {300, uint8_t(f == 4 ? 32 : 128)};
  return spec;
}

TEST("a service on every port keeps the client's port and its server, whatever port the server has") {
  for (const int f : {4, 6}) {
    for (const uint16_t server_port : {uint16_t{0}, uint16_t{8080}}) {
      NatLab lab;
      lab.spec.services = {every_port(f, 0, kTcp, 0, server_port)};
      lab.publish();
      const Endpoint vip = virtual_endpoint(f), c = client(f, 1, 1);
      for (const uint16_t port : {uint16_t{80}, uint16_t{443}, uint16_t{65535}, uint16_t{1}}) {
        const Result there = lab.send(tcp(f).from(c).to({vip.address, port}).flags(kSyn));
        CHECK(endpoint_of(there.packet, true) == (Endpoint{web_server(f, 0).address, port}));
        const Result back =
            lab.send(tcp(f).from({web_server(f, 0).address, port}).to(c).flags(kSyn | kAck).ack(0x11223345));
        CHECK(endpoint_of(back.packet, false) == (Endpoint{vip.address, port}));
        CHECK_EQ(complaint(back.packet.bytes, false), std::string());
      }
      CHECK_EQ(lab.templates(), uint64_t{1});
      CHECK_EQ(lab.template_of(0), std::string("NONE 300 4"));
      lab.refused(udp(f).from(c).to({vip.address, 53}), DropReason::no_service);
      CHECK_EQ(connect(lab, client(f, 1, 2), {vip.address, 7}), 1);
    }
  }
}

TEST("a server without a port is asked on the service's, persistent or not") {
  for (const bool persistent : {false, true}) {
    NatLab lab;
    for (auto& server : lab.spec.services[0].servers) server.port = 0;
    if (persistent) lab.spec.services[0].persistence = {300, 32};
    lab.publish();
    const Result there = lab.send(tcp4().flags(kSyn));
    CHECK(endpoint_of(there.packet, true) == (Endpoint{web_server(4, 0).address, 80}));
    CHECK(
        lab.send(tcp4().from({web_server(4, 0).address, 80}).to(client_endpoint(4)).flags(kAck)).forwarded());
  }
}

// ---- marks ----

TEST("a mark's persistence holds over all its addresses, ports and protocols") {
  for (const int f : {4, 6}) {
    NatLab lab;
    service::ServiceSpec group = lab.spec.services[f == 4 ? 0 : 3];
    group.mark = 7;
    group.persistence = {300, uint8_t(f == 4 ? 24 : 64)};
    const Endpoint other = other_virtual_endpoint(f);
    group.listen.push_back({kTcp, ip_address(other.address), 443});
    group.listen.push_back({kUdp, ip_address(other.address), 53});
    lab.spec.services = {group};
    lab.publish();
    CHECK_EQ(connect(lab, client(f, 1, 1)), 0);
    CHECK_EQ(connect(lab, client(f, 2, 1)), 1);
    const Result https =
        lab.send(tcp(f).from(client(f, 2, f == 4 ? 9 : 1, 7)).to({other.address, 443}).flags(kSyn));
    CHECK(endpoint_of(https.packet, true) == (Endpoint{web_server(f, 1).address, 443}));
    const Result datagram = lab.send(udp(f).from(client(f, 2, 1, 7)).to({other.address, 53}));
    CHECK(endpoint_of(datagram.packet, true) == (Endpoint{web_server(f, 1).address, 53}));
    CHECK_EQ(lab.templates(), uint64_t{2});
    const auto look = [&](const auto& record) {
      CHECK_EQ(int(record.protocol), 255);
      CHECK_EQ(address_of(record.virt).bytes[3], uint8_t{7});
      CHECK_EQ(record.virtual_port.host(), uint16_t{0});
      CHECK_EQ(record.real_port.host(), uint16_t{0});
    };
    lab.tables->templates4.table().walk(0, 100, look);
    lab.tables->templates6.table().walk(0, 100, look);
  }
}

TEST(
    "a mark without persistence translates to the server's port, and takes every port of an address if told "
    "so") {
  NatLab lab;
  service::ServiceSpec group = lab.spec.services[0];
  group.mark = 7;
  group.listen[0].port = 0;
  lab.spec.services[0] = group;
  lab.publish();
  const Endpoint vip = virtual_endpoint(4);
  const Result result = lab.send(tcp4().to({vip.address, 999}).flags(kSyn));
  CHECK(endpoint_of(result.packet, true) == web_server(4, 0));
  CHECK_EQ(lab.templates(), uint64_t{0});
}

}  // namespace
}  // namespace vsnat::test
