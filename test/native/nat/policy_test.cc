// SPDX-License-Identifier: Apache-2.0
//
// Whose packet is it, and may it: services, servers that leave or are full, two VIPs with one server, spoofed sources,
// and everything that is none of the director's business.
#include <vector>

#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

TEST("a packet to an address that is no VIP passes, whatever it is, one hop richer") {
  for (const int family : {4, 6}) {
    const Endpoint outside{family == 4 ? ip4(203, 0, 113, 5) : ip6({0x2001, 0xdb8, 5, 0, 0, 0, 0, 5}), 443};
    const Endpoint server = web_server(family, 0);
    NatLab lab;
    std::vector<PacketBuilder> packets = {
        tcp(family).from(server).to(outside).flags(kSyn),
        tcp(family).from(server).to(outside).flags(kRst),
        tcp(family).from(server).to(outside).payload_bytes(9).trailer(9),
        tcp(family).from(server).to(outside).payload_bytes(4000).gso(1000),
        udp(family).from(server).to(outside).checksum(Csum::absent),
        icmp(family).from(server).to(outside),
        protocol(family, 47).from(server).to(outside).payload_bytes(40),
        protocol(family, 50).from(server).to(outside).payload_bytes(1),
    };
    packets.push_back(family == 4 ? udp4().from(server).to(outside).fragment_field(0x2000).payload_bytes(80)
                                  : udp6().from(server).to(outside).fragment_header(1).payload_bytes(80));
    for (const PacketBuilder& builder : packets) {
      const Packet before = builder.build();
      const Result result = lab.send(before);
      CHECK(result.passed());
      CHECK(result.packet.bytes == reference_nat(before, {{}, {}, 1}).bytes);
      CHECK_EQ(int(result.packet.vnet.gso_type), int(before.vnet.gso_type));
    }
    CHECK_EQ(lab.flows(), uint64_t{0});
  }
}

TEST("a reply without its flow, or from the wrong port, passes untranslated") {
  NatLab lab;
  Handshake::open(lab, 4);
  CHECK(lab.send(from_server(4, kAck, 1)).passed());
  CHECK(lab.send(from_server(4, kAck).source_port(8081)).passed());
  CHECK(lab.send(from_server(4, kAck).destination_port(1)).passed());
  CHECK(lab.send(udp4().from(web_server(4, 0)).to(client_endpoint(4))).passed());
  CHECK(lab.send(from_server(4, kAck)).forwarded());
}

TEST("a service is protocol, address and port together, in its own family") {
  NatLab lab;
  for (const int family : {4, 6}) {
    lab.refused(udp(family), DropReason::no_service);                                       // TCP only
    lab.refused(tcp(family).to(dns_endpoint(family)).flags(kSyn), DropReason::no_service);  // UDP only
    lab.refused(tcp(family).destination_port(9191).flags(kSyn), DropReason::no_service);
  }
  lab.spec.services.resize(3);  // the IPv4 ones
  lab.publish();
  CHECK(lab.send(tcp6().flags(kSyn)).passed());  // no longer a VIP
}

TEST(
    "a VIP as source is refused, for a request, a reply and a stranger's packet; a ping of it is not "
    "answered twice") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const Endpoint vip = virtual_endpoint(family), other = other_virtual_endpoint(family);
    lab.refused(tcp(family).from({other.address, 1234}).flags(kSyn), DropReason::vip_loop);
    lab.refused(udp(family).from({vip.address, 53}).to({other.address, 53}), DropReason::vip_loop);
    lab.refused(udp(family).from({vip.address, 53}).to(client_endpoint(family)), DropReason::vip_loop);
    lab.refused(tcp(family).from(vip).flags(kSyn), DropReason::land);
    // Ping from VIP to VIP: one answer, which is then nobody's.
    const Result pong = lab.send(icmp(family).from({vip.address, 0}).to({other.address, 0}));
    CHECK(pong.answered());
    CHECK(!lab.send(pong.packet).answered());
  }
}

TEST("an established connection goes on when its server's address becomes a VIP, and nothing begins there") {
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    lab.spec.lingering_vips.push_back(ip_address(web_server(family, 0).address));
    lab.publish();
    const auto reply = [family](uint8_t flags) {
      return from_server(family, flags).seq(Handshake::kServerNext).ack(Handshake::kClientNext);
    };
    CHECK(lab.send(reply(kAck).payload_bytes(10)).forwarded());
    lab.refused(reply(kSyn | kAck), DropReason::vip_loop);
    lab.refused(reply(kAck).ttl(1).source_port(1), DropReason::vip_loop);
    lab.refused(udp(family).from(web_server(family, 0)).to(client_endpoint(family)), DropReason::vip_loop);
    CHECK(lab.send(reply(kAck | kFin).seq(Handshake::kServerNext + 10)).forwarded());
  }
}

TEST("a service without a usable server says port unreachable, even for TCP, and keeps its connections") {
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    for (auto& service : lab.spec.services) {
      for (auto& server : service.servers) server.weight = 0;
    }
    lab.publish();
    const Result refused = lab.refused(tcp(family).source_port(5).flags(kSyn), DropReason::no_server);
    CHECK(refused.outcome.generated == Generated::port_unreachable);
    CHECK_EQ(complaint(refused.packet.bytes, false), std::string());
    CHECK_EQ(lab.tally.service(family == 4 ? 0 : 4).schedule_failures.read(), uint64_t{1});
    CHECK(lab.send(to_vip(family, kAck)).forwarded());
    CHECK(lab.send(from_server(family, kAck)).forwarded());
  }
}

TEST("a full server is skipped from its upper threshold on, and comes back below its lower one") {
  NatLab lab;
  auto& servers = lab.spec.services[0].servers;
  servers.resize(1);
  servers[0].upper_threshold = 4;
  lab.spec.services[0].plan.steps = {0};
  lab.publish();
  for (uint16_t port = 1; port <= 4; ++port)
    CHECK(lab.send(tcp4().source_port(port).flags(kSyn)).forwarded());
  lab.refused(tcp4().source_port(5).flags(kSyn), DropReason::no_server);
  const auto end = [&](uint16_t port) {
    auto* flow = lab.flow_of<wire::Addr4>(kTcp, {client_endpoint(4).address, port}, virtual_endpoint(4));
    lab.tables->v4.touch(flow, lab.now.tick());
    lab.expire();
  };
  end(1);  // three left, the default lower threshold of four
  lab.refused(tcp4().source_port(5).flags(kSyn), DropReason::no_server);
  end(2);
  CHECK(lab.send(tcp4().source_port(5).flags(kSyn)).forwarded());
}

TEST("two VIPs that share a server keep one client port's connections apart, on different servers") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const Endpoint client = client_endpoint(family), first = virtual_endpoint(family),
                   second = other_virtual_endpoint(family);
    const int a = Handshake::open(lab, family, client, first);
    const int b = Handshake::open(lab, family, client, second);
    CHECK(a != b);
    for (const auto& [server, vip] : {std::pair(a, first), std::pair(b, second)}) {
      const Result result = lab.send(from_server(family, kAck, server));
      CHECK(endpoint_of(result.packet, false) == vip);
    }
  }
}

TEST(
    "when every server already talks to this client port for another VIP, the connection is refused, not "
    "mixed up") {
  NatLab lab;
  for (auto& service : lab.spec.services) {
    service.servers.resize(1);
    service.plan.steps = {0};
  }
  lab.publish();
  const Endpoint client = client_endpoint(4);
  Handshake::open(lab, 4, client, virtual_endpoint(4));
  lab.refused(tcp4().to(other_virtual_endpoint(4)).flags(kSyn), DropReason::reply_taken);
  CHECK_EQ(lab.state(4), std::string("ESTABLISHED"));
  // Once the first is over, its place is free.
  lab.send(tcp4().flags(kRst).seq(Handshake::kClientNext));
  CHECK(lab.send(tcp4().to(other_virtual_endpoint(4)).flags(kSyn)).forwarded());
  CHECK_EQ(lab.flows(), uint64_t{1});
}

TEST(
    "a client that is a real server gets another one, and when there is none but itself, no packet from "
    "itself") {
  for (const int family : {4, 6}) {
    NatLab lab;
    for (int n = 0; n < 9; ++n) {
      const Endpoint server_as_client{web_server(family, n % 3).address, uint16_t(1000 + n)};
      const Result result = lab.send(tcp(family).from(server_as_client).flags(kSyn));
      CHECK(result.forwarded());
      CHECK(endpoint_of(result.packet, true).address != server_as_client.address);
    }
    for (auto& service : lab.spec.services) {
      service.servers.resize(1);
      service.plan.steps = {0};
    }
    lab.publish();
    lab.refused(tcp(family).from({web_server(family, 0).address, 5}).flags(kSyn), DropReason::land);
  }
}

// ---- servers and services that leave ----

void remove_first_server(NatLab& lab) {
  for (auto& service : lab.spec.services) {
    service.servers.erase(service.servers.begin());
    service.plan.steps = {0, 1};
  }
  lab.publish();
}

TEST(
    "a removed server's TCP clients get a RST, its UDP clients another server, and its replies still go "
    "out") {
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    lab.send(udp(family).to(dns_endpoint(family)));
    remove_first_server(lab);
    CHECK(lab.send(from_server(family, kAck)).forwarded());
    const Result reset =
        lab.refused(to_vip(family, kAck | kPsh).ack(4242).payload_bytes(5), DropReason::server_gone);
    CHECK(reset.outcome.generated == Generated::tcp_reset);
    CHECK_EQ(get32(reset.packet.bytes, (family == 4 ? 20 : 40) + 4), 4242u);
    CHECK_EQ(lab.state(family), std::string("-"));
    CHECK(lab.send(from_server(family, kAck)).passed());  // the flow went with the RST

    const Result datagram = lab.send(udp(family).to(dns_endpoint(family)));
    CHECK(datagram.forwarded());
    CHECK(endpoint_of(datagram.packet, true).address != dns_server(family, 0).address);
    CHECK_EQ(lab.flows(), uint64_t{1});
  }
}

TEST("a removed server's client that begins anew is scheduled, one that resets is believed silently") {
  NatLab lab;
  Handshake::open(lab, 4);
  remove_first_server(lab);
  const Result syn = lab.send(to_vip(4, kSyn).seq(9));
  CHECK(syn.forwarded());
  CHECK(endpoint_of(syn.packet, true).address != web_server(4, 0).address);

  NatLab other;
  Handshake::open(other, 4);
  remove_first_server(other);
  CHECK(!other.refused(to_vip(4, kRst).seq(Handshake::kClientNext), DropReason::server_gone).answered());
  CHECK_EQ(other.flows(), uint64_t{0});
}

TEST("with the kernel's silence a removed server's clients hear nothing, and the flow stays until its time") {
  NatLab lab;
  lab.spec.removed_server = service::RemovedServer::silent;
  lab.publish();
  Handshake::open(lab, 4);
  lab.send(udp4().to(dns_endpoint(4)));
  remove_first_server(lab);
  CHECK(!lab.refused(to_vip(4, kAck), DropReason::server_gone).answered());
  CHECK(!lab.refused(udp4().to(dns_endpoint(4)), DropReason::server_gone).answered());
  CHECK(lab.send(from_server(4, kAck)).forwarded());
  CHECK_EQ(lab.flows(), uint64_t{2});
  lab.advance_seconds(900);
  lab.expire();
  CHECK_EQ(lab.flows(), uint64_t{0});
}

TEST("a server that comes back finds its connections") {
  NatLab lab;
  Handshake::open(lab, 4);
  const service::SnapshotSpec before = lab.spec;
  remove_first_server(lab);
  lab.spec = before;
  lab.publish();
  CHECK(lab.send(to_vip(4, kAck)).forwarded());
}

TEST("a drained server keeps its connections and gets no new ones") {
  NatLab lab;
  Handshake::open(lab, 4);
  lab.spec.services[0].servers[0].weight = 0;
  lab.publish();
  CHECK(lab.send(to_vip(4, kAck)).forwarded());
  for (uint16_t port = 1; port < 20; ++port) {
    const Result result = lab.send(tcp4().source_port(port).flags(kSyn));
    CHECK(endpoint_of(result.packet, true) != web_server(4, 0));
  }
}

TEST("deleting a service leaves its connections translated as long as they live, and opens none") {
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    lab.spec.services.erase(lab.spec.services.begin() + (family == 4 ? 0 : 3));
    lab.publish();
    CHECK(lab.send(to_vip(family, kAck)).forwarded());  // the address is still the DNS service's
    CHECK(lab.send(from_server(family, kAck)).forwarded());
    lab.refused(to_vip(family, kSyn).source_port(7), DropReason::no_service);
  }
}

// ---- a full table ----

TEST("a full table refuses new connections, and every established one goes on") {
  for (const int family : {4, 6}) {
    NatLab lab(32);
    Endpoint client = client_endpoint(family);
    for (uint16_t port = 1; port <= 32; ++port) {
      Handshake::open(lab, family, {client.address, port}, virtual_endpoint(family));
    }
    for (uint16_t port = 1000; port < 1200; ++port) {
      lab.refused(tcp(family).source_port(port).flags(kSyn), DropReason::table_full);
    }
    for (uint16_t port = 1; port <= 32; ++port) {
      CHECK(lab.send(tcp(family).source_port(port).flags(kAck)).forwarded());
    }
    CHECK_EQ(lab.flows(), uint64_t{32});
  }
}

TEST("a SYN flood gives up its own half-open flows and no established one, and new clients still get in") {
  NatLab lab(32);
  for (uint16_t port = 1; port <= 16; ++port) {
    Handshake::open(lab, 4, {client_endpoint(4).address, port}, virtual_endpoint(4));
  }
  Random random("flood");
  for (int i = 0; i < 5000; ++i) {
    const Endpoint source{ip4(45, random.byte(), random.byte(), random.byte()),
                          uint16_t(1 + random.below(60000))};
    lab.send(tcp4().from(source).flags(kSyn));
  }
  // The search is bounded, so now and then it meets established flows only. That must stay rare.
  CHECK(lab.dropped[size_t(DropReason::table_full)] < 500);
  CHECK_EQ(lab.flows(), uint64_t{32});
  for (uint16_t port = 1; port <= 16; ++port) {
    CHECK(lab.send(tcp4().source_port(port).flags(kAck)).forwarded());
  }
}

// ---- the burst form ----

TEST("preparing a whole burst before finishing it gives what one packet at a time gives") {
  Random random("bursts");
  NatLab single, burst;
  for (int round = 0; round < 300; ++round) {
    constexpr size_t kBurst = 16;
    std::array<Packet, kBurst> packets;
    std::array<Bytes, kBurst> buffers;
    std::array<nat::Packet, kBurst> native;
    std::array<nat::Pending, kBurst> pending;
    for (size_t i = 0; i < kBurst; ++i) {
      const int family = random.one_in(2) ? 4 : 6;
      const auto port = uint16_t(1 + random.below(6));
      constexpr uint8_t kFlags[] = {kSyn, kAck, kFin | kAck, kRst, kAck};
      PacketBuilder p = tcp(family).source_port(port).flags(kFlags[random.below(5)]);
      if (random.one_in(3)) {
        p = from_server(family, random.one_in(3) ? kSyn | kAck : kAck, int(random.below(3)))
                .destination_port(port);
      }
      packets[i] = p.build();
      buffers[i] = packets[i].bytes;
      buffers[i].resize(buffers[i].size() + nat::kAnswerHeadroom);
      native[i] = {buffers[i].data(), uint32_t(packets[i].bytes.size()), uint32_t(buffers[i].size()), {}};
    }
    nat::Core core{*burst.tables, burst.loads.data(), burst.tally, burst.budget, burst.fragments, 0};
    for (size_t i = 0; i < kBurst; ++i) nat::prepare(core, *burst.snapshot, native[i], pending[i]);
    nat::seek(pending);
    nat::warm(core, pending);
    nat::heat(core, pending);
    for (size_t i = 0; i < kBurst; ++i) {
      const nat::Outcome outcome = nat::finish(core, *burst.snapshot, burst.now, native[i], pending[i]);
      const Result want = single.send(packets[i]);
      if (!CHECK(outcome.verdict == want.outcome.verdict && outcome.reason == want.outcome.reason)) return;
      if (want.outcome.verdict == nat::Verdict::drop) continue;
      if (!CHECK(Bytes(native[i].data, native[i].data + native[i].length) == want.packet.bytes)) return;
    }
    single.now.ms += 777;
    burst.now.ms += 777;
  }
  CHECK(single.forwarded > 500);
}

}  // namespace
}  // namespace vsnat::test
