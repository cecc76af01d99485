// SPDX-License-Identifier: Apache-2.0
//
// One by one, what the kernel's sysctls change about a packet's fate.
#include <vector>

#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

constexpr uint32_t kClientNext = Handshake::kClientNext, kServerNext = Handshake::kServerNext;

int server_of(const Result& result, int family) {
  return endpoint_of(result.packet, true).address.bytes[family == 4 ? 3 : 15] - 1;
}

void remove_first_server(NatLab& lab) {
  for (auto& service : lab.spec.services) {
    service.servers.erase(service.servers.begin());
    service.plan.steps = {0, 1};
  }
  lab.publish();
}

/** Opened with server 0 and closed by both: TIME_WAIT. */
void open_and_close(NatLab& lab, int family) {
  Handshake::open(lab, family);
  lab.send(to_vip(family, kFin | kAck).seq(kClientNext).ack(kServerNext));
  lab.send(from_server(family, kFin | kAck).seq(kServerNext).ack(kClientNext + 1));
  CHECK_EQ(lab.state(family), std::string("TIME_WAIT"));
}

// ---- conn_reuse_mode ----

TEST("conn_reuse_mode 1 schedules a SYN on a closed connection anew, 0 gives it to the old server") {
  for (const int family : {4, 6}) {
    for (const bool reuse : {true, false}) {
      ROW(reuse ? "1" : "0");
      NatLab lab;
      lab.spec.policy.reuse_closed = reuse;
      lab.publish();
      open_and_close(lab, family);
      const Result syn = lab.send(to_vip(family, kSyn).seq(70'000));
      CHECK(syn.forwarded());
      CHECK_EQ(server_of(syn, family), reuse ? 1 : 0);
      CHECK_EQ(lab.state(family), std::string("SYN_RECV"));
      CHECK_EQ(lab.flows(), uint64_t{1});
    }
  }
}

TEST("the connection that goes on with the old server knows its own sequence numbers, not those before") {
  NatLab lab;
  lab.spec.policy.reuse_closed = false;
  lab.publish();
  open_and_close(lab, 4);
  lab.send(to_vip(4, kSyn).seq(70'000));
  lab.send(from_server(4, kSyn | kAck).seq(90'000).ack(70'001));
  lab.send(to_vip(4, kAck).seq(70'001).ack(90'001));
  CHECK_EQ(lab.state(4), std::string("ESTABLISHED"));
  lab.send(to_vip(4, kRst).seq(kClientNext));  // of the connection before
  CHECK_EQ(lab.state(4), std::string("ESTABLISHED"));
  lab.send(to_vip(4, kRst).seq(70'001));
  CHECK_EQ(lab.state(4), std::string("CLOSE"));
}

// ---- expire_nodest_conn ----

TEST("with expire_nodest_conn a SYN leaves a drained server, and no other packet does") {
  for (const int family : {4, 6}) {
    for (const bool expire : {true, false}) {
      ROW(expire ? "1" : "auto");
      NatLab lab;
      lab.spec.policy.expire_nodest = expire;
      Handshake::open(lab, family);
      for (auto& service : lab.spec.services) service.servers[0].weight = 0;
      lab.publish();
      CHECK_EQ(server_of(lab.send(to_vip(family, kAck).seq(kClientNext)), family), 0);
      const Result syn = lab.send(to_vip(family, kSyn).seq(70'000));
      CHECK(syn.forwarded());
      CHECK_EQ(server_of(syn, family) != 0, expire);
    }
  }
}

TEST("a SYN to a drained server with nobody to take its place is refused, and its connection is gone") {
  NatLab lab;
  lab.spec.policy.expire_nodest = true;
  Handshake::open(lab, 4);
  for (auto& server : lab.spec.services[0].servers) server.weight = 0;
  lab.publish();
  lab.refused(to_vip(4, kSyn).seq(70'000), DropReason::no_server);
  CHECK_EQ(lab.flows(), uint64_t{0});
}

TEST("connections of a deleted service go on, unless they fare as those of a deleted server") {
  for (const int family : {4, 6}) {
    for (const bool fare_alike : {false, true}) {
      ROW(fare_alike ? "alike" : "go on");
      NatLab lab;
      lab.spec.policy.services_take_connections = fare_alike;
      lab.spec.removed_server = service::RemovedServer::silent;
      Handshake::open(lab, family);
      lab.spec.services.erase(lab.spec.services.begin() + (family == 4 ? 0 : 3));
      lab.publish();
      const Result result = lab.send(to_vip(family, kAck).seq(kClientNext));
      CHECK_EQ(result.forwarded(), !fare_alike);
      if (fare_alike) CHECK_EQ(result.outcome.reason, DropReason::server_gone);
      CHECK(lab.send(from_server(family, kAck)).forwarded());
      CHECK_EQ(lab.flows(), uint64_t{1});
    }
  }
}

// ---- sloppy_tcp ----

TEST("sloppy_tcp lets any segment but a RST begin a connection, in the state the kernel's table gives it") {
  const struct {
    const char* name;
    uint8_t flags;
    const char* state;  // "-": refused
  } cases[] = {
      {"ACK", kAck, "ESTABLISHED"},
      {"data", kAck | kPsh, "ESTABLISHED"},
      {"FIN", kFin | kAck, "CLOSE"},
      {"SYN", kSyn, "SYN_RECV"},
      {"SYN+ACK", kSyn | kAck, "SYN_RECV"},
      {"nothing", 0, "CLOSE"},
      {"RST", kRst, "-"},
      {"RST+ACK", kRst | kAck, "-"},
      {"SYN+FIN", kSyn | kFin, "-"},
      {"SYN+RST", kSyn | kRst, "-"},
  };
  for (const int family : {4, 6}) {
    for (const auto& c : cases) {
      ROW(c.name);
      NatLab lab;
      lab.spec.policy.sloppy_tcp = true;
      lab.publish();
      const Result result = lab.send(to_vip(family, c.flags).seq(5).ack(7).payload_bytes(9));
      CHECK_EQ(result.forwarded(), std::string(c.state) != "-");
      CHECK_EQ(lab.state(family), std::string(c.state));
    }
  }
}

TEST("a connection begun in the middle goes on like any other") {
  NatLab lab;
  lab.spec.policy.sloppy_tcp = true;
  lab.publish();
  lab.send(to_vip(4, kAck | kPsh).seq(kClientNext).ack(kServerNext).payload_bytes(5));
  CHECK(lab.send(from_server(4, kAck).seq(kServerNext).ack(kClientNext + 5).payload_bytes(7)).forwarded());
  lab.send(to_vip(4, kFin | kAck).seq(kClientNext + 5).ack(kServerNext + 7));
  CHECK_EQ(lab.state(4), std::string("CLOSE_WAIT"));
  lab.send(from_server(4, kFin | kAck).seq(kServerNext + 7).ack(kClientNext + 6));
  CHECK_EQ(lab.state(4), std::string("TIME_WAIT"));
  // Only a SYN uses a closed connection's port again: the rest of the old one still belongs to it.
  CHECK_EQ(server_of(lab.send(to_vip(4, kAck).seq(kClientNext + 6).ack(kServerNext + 8)), 4), 0);
  CHECK_EQ(lab.state(4), std::string("TIME_WAIT"));
}

TEST("sloppy_tcp gives a removed server's client another one, whatever it sends") {
  NatLab lab;
  lab.spec.policy.sloppy_tcp = true;
  Handshake::open(lab, 4);
  remove_first_server(lab);
  const Result result = lab.send(to_vip(4, kAck | kPsh).seq(kClientNext).payload_bytes(3));
  CHECK(result.forwarded());
  CHECK(server_of(result, 4) != 0);
}

// ---- schedule_icmp ----

/** The client says that a packet of the VIP did not reach it. */
PacketBuilder complaint_about(int family, const Endpoint& virt, bool is_tcp) {
  const Endpoint client = client_endpoint(family);
  const PacketBuilder quoted = (is_tcp ? tcp(family) : udp(family)).from(virt).to(client).payload_bytes(30);
  return icmp(family)
      .icmp(family == 4 ? 3 : 1, family == 4 ? 3 : 4, 0)
      .payload(quoted.bytes())
      .from(client)
      .to(virt);
}

TEST("with schedule_icmp an error about an unknown connection makes one, for three seconds") {
  for (const int family : {4, 6}) {
    for (const bool is_tcp : {true, false}) {
      const Endpoint virt = is_tcp ? virtual_endpoint(family) : dns_endpoint(family);
      NatLab lab;
      lab.given_to_host(complaint_about(family, virt, is_tcp));
      lab.spec.policy.schedule_icmp = true;
      lab.publish();
      const Result result = lab.send(complaint_about(family, virt, is_tcp));
      if (!CHECK(result.forwarded())) continue;
      CHECK_EQ(complaint(result.packet.bytes, false), std::string());
      const int server = server_of(result, family);
      CHECK_EQ(server, 0);
      CHECK_EQ(lab.state(family, is_tcp ? kTcp : kUdp), std::string(is_tcp ? "NONE" : "UDP"));
      // The server must know the packet that is quoted to it.
      const Bytes& bytes = result.packet.bytes;
      const Anatomy outer = *dissect(bytes);
      const Anatomy inner = *dissect(std::span(bytes).subspan(outer.l4 + 8));
      CHECK(inner.source == (is_tcp ? web_server(family, server) : dns_server(family, server)).address);
      const uint32_t slot = (family == 4 ? 0u : 16u) + (is_tcp ? 0 : 4);
      CHECK_EQ(lab.inactive(slot), 1u);
      CHECK_EQ(lab.tally.connections(slot).read(), uint64_t{1});

      lab.advance_seconds(2);
      lab.expire();
      CHECK_EQ(lab.flows(), uint64_t{1});
      // The client's own packets go the same way, whatever they are.
      CHECK_EQ(server_of(lab.send(is_tcp ? to_vip(family, kAck) : udp(family).to(virt)), family), 0);
      lab.advance_seconds(4);
      lab.expire();
      CHECK_EQ(lab.flows(), uint64_t{1});
    }
  }
}

TEST("a connection that an error made ends after three seconds without a packet of its own") {
  NatLab lab;
  lab.spec.policy.schedule_icmp = true;
  lab.publish();
  CHECK(lab.send(complaint_about(4, virtual_endpoint(4), true)).forwarded());
  lab.advance_seconds(3);
  lab.expire();
  CHECK_EQ(lab.flows(), uint64_t{0});
}

TEST("schedule_icmp says nothing where nobody listens or nobody serves, and makes nothing") {
  for (const int family : {4, 6}) {
    NatLab lab;
    lab.spec.policy.schedule_icmp = true;
    lab.publish();
    Endpoint nobody = virtual_endpoint(family);
    nobody.port = 81;
    lab.given_to_host(complaint_about(family, nobody, true));
    for (auto& service : lab.spec.services) {
      for (auto& server : service.servers) server.weight = 0;
    }
    lab.publish();
    CHECK(!lab.refused(complaint_about(family, virtual_endpoint(family), true), DropReason::no_server)
               .answered());
    CHECK_EQ(lab.flows(), uint64_t{0});
  }
}

// ---- nat_icmp_send ----

TEST("with nat_icmp_send a real server hears from its VIP that nobody waits for its packet") {
  for (const int family : {4, 6}) {
    const Endpoint client = client_endpoint(family);
    const std::vector<PacketBuilder> strays = {
        from_server(family, kAck, 1).payload_bytes(100),
        from_server(family, kSyn | kAck, 2),
        udp(family).from(dns_server(family, 0)).to(client).payload_bytes(700),
    };
    for (const PacketBuilder& stray : strays) {
      NatLab lab;
      CHECK(lab.send(stray).passed());
      lab.spec.policy.nat_icmp_send = true;
      lab.publish();
      const Result result = lab.refused(stray, DropReason::stray_reply);
      if (!CHECK(result.outcome.generated == Generated::port_unreachable)) continue;
      const Bytes& bytes = result.packet.bytes;
      const Anatomy outer = *dissect(bytes);
      CHECK(outer.source == virtual_endpoint(family).address);
      CHECK(outer.destination == dissect(stray.bytes())->source);
      CHECK_EQ(int(bytes[outer.l4]), family == 4 ? 3 : 1);
      CHECK_EQ(int(bytes[outer.l4 + 1]), family == 4 ? 3 : 4);
      CHECK_EQ(complaint(bytes, false), std::string());
      const Anatomy quoted = *dissect(std::span(bytes).subspan(outer.l4 + 8));
      CHECK(quoted.destination == client.address);
    }
  }
}

TEST("nat_icmp_send leaves alone what is a reset, another port, another protocol or a known connection") {
  for (const int family : {4, 6}) {
    NatLab lab;
    lab.spec.policy.nat_icmp_send = true;
    lab.publish();
    const Endpoint client = client_endpoint(family), server = web_server(family, 0);
    CHECK(lab.send(from_server(family, kRst)).passed());
    CHECK(lab.send(from_server(family, kAck).source_port(8081)).passed());
    CHECK(lab.send(udp(family).from(server).to(client)).passed());
    CHECK(lab.send(tcp(family).from(dns_server(family, 0)).to(client)).passed());
    CHECK(lab.send(icmp(family).from(server).to(client)).passed());
    Handshake::open(lab, family);
    CHECK(lab.send(from_server(family, kAck)).forwarded());
  }
}

// ---- drop_packet ----

std::string fates_of_newcomers(NatLab& lab, int count, uint16_t first_port) {
  std::string fates;
  for (int i = 0; i < count; ++i) {
    const Result result = lab.send(tcp4().source_port(uint16_t(first_port + i)).flags(kSyn));
    if (!result.forwarded()) CHECK_EQ(result.outcome.reason, DropReason::drop_packet);
    fates += result.forwarded() ? '.' : 'x';
  }
  return fates;
}

TEST("drop_packet drops one new connection in so many, without a word") {
  const struct {
    uint32_t rate;
    bool count_anew;
    const char* fates;
  } cases[] = {
      {0, false, "........"}, {1, false, "xxxxxxxx"}, {2, false, "x.x.x.x."},
      {3, false, "x..x..x."}, {3, true, "..x..x.."},  {8, true, ".......x"},
  };
  for (const auto& c : cases) {
    ROW(std::to_string(c.rate) + (c.count_anew ? " anew" : ""));
    NatLab lab;
    lab.defence.set({.drop_rate = c.rate, .count_anew = c.count_anew});
    CHECK_EQ(fates_of_newcomers(lab, 8, 1), std::string(c.fates));
  }
}

TEST("drop_packet goes on counting while it stays on, and forgives at once when it is off") {
  NatLab lab;
  lab.defence.set({.drop_rate = 4});
  CHECK_EQ(fates_of_newcomers(lab, 3, 1), std::string("x.."));
  lab.defence.set({.drop_rate = 4});
  CHECK_EQ(fates_of_newcomers(lab, 3, 10), std::string(".x."));
  lab.defence.set({});
  CHECK_EQ(fates_of_newcomers(lab, 9, 20), std::string("........."));
}

TEST("drop_packet touches no known connection, and no packet that begins none") {
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    lab.send(udp(family).to(dns_endpoint(family)));
    lab.defence.set({.drop_rate = 1});
    CHECK(lab.send(to_vip(family, kAck).seq(kClientNext)).forwarded());
    CHECK(lab.send(from_server(family, kAck)).forwarded());
    CHECK(lab.send(udp(family).to(dns_endpoint(family))).forwarded());
    lab.refused(tcp(family).destination_port(9).flags(kSyn), DropReason::no_service);
    lab.refused(tcp(family).source_port(9).flags(kAck), DropReason::no_flow);
    lab.refused(udp(family).source_port(9).to(dns_endpoint(family)), DropReason::drop_packet);
    CHECK_EQ(lab.tally.service(family == 4 ? 0 : 4).schedule_failures.read(), uint64_t{0});
  }
}

// ---- secure_tcp ----

TEST("secure_tcp holds for the next segment of every connection") {
  NatLab lab;
  lab.defence.set({.secure_tcp = true});
  lab.send(to_vip(4, kSyn).seq(kClientNext - 1));
  lab.send(to_vip(4, kAck).seq(kClientNext));
  CHECK_EQ(lab.state(4), std::string("SYN_RECV"));
  lab.send(from_server(4, kSyn | kAck).seq(kServerNext - 1).ack(kClientNext));
  CHECK_EQ(lab.state(4), std::string("SYNACK"));
  lab.send(to_vip(4, kAck).seq(kClientNext).ack(kServerNext));
  CHECK_EQ(lab.state(4), std::string("SYNACK"));
  CHECK_EQ(lab.active(0), 1u);
  lab.defence.set({});
  lab.send(to_vip(4, kAck).seq(kClientNext).ack(kServerNext));
  CHECK_EQ(lab.state(4), std::string("ESTABLISHED"));
}

}  // namespace
}  // namespace vsnat::test
