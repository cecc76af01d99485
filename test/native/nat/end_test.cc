// SPDX-License-Identifier: Apache-2.0
//
// Connections that an operator ends, and servers that are withdrawn.
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

nat::EndSpec of_server(uint32_t slot, bool silence = false) {
  nat::EndSpec spec;
  spec.server_slot = slot;
  spec.silence = silence;
  return spec;
}

uint32_t first_slot(int family) {
  return family == 4 ? 0 : 16;
}

/** The RST as the code writes it: bare, and from a host one hop away. */
Packet reset(int family, Endpoint from, Endpoint to, uint32_t seq) {
  return tcp(family).from(from).to(to).flags(kRst).seq(seq).ack(0).window(0).ip_id(0).ttl(65).build();
}

TEST("both ends of a connection get a RST with the very number they expect, and it is forgotten") {
  for (const int f : {4, 6}) {
    NatLab lab;
    CHECK_EQ(Handshake::open(lab, f), 0);
    CHECK(lab.send(to_vip(f, kAck | kPsh)
                       .seq(Handshake::kClientNext)
                       .ack(Handshake::kServerNext)
                       .payload_bytes(100))
              .forwarded());
    CHECK(lab.send(from_server(f, kAck | kPsh).seq(Handshake::kServerNext).ack(1101).payload_bytes(700))
              .forwarded());
    const auto said = lab.end(of_server(first_slot(f)));
    if (!CHECK_EQ(said.size(), size_t{2})) return;
    CHECK(said[0].bytes == reset(f, virtual_endpoint(f), client_endpoint(f), 5701).bytes);
    CHECK(said[1].bytes == reset(f, client_endpoint(f), web_server(f, 0), 1101).bytes);
    CHECK_EQ(lab.flows(), uint64_t{0});
    CHECK_EQ(lab.active(first_slot(f)) + lab.inactive(first_slot(f)), 0u);
    // Whoever has missed it is told when it asks.
    lab.refused(to_vip(f, kAck).seq(1101).ack(5001), DropReason::no_flow);
  }
}

TEST("a SYN without an answer is refused as a closed port would") {
  NatLab lab;
  CHECK(lab.send(to_vip(4, kSyn).seq(1000)).forwarded());
  const auto said = lab.end(of_server(0));
  if (!CHECK_EQ(said.size(), size_t{2})) return;
  const Packet want = tcp4()
                          .from(virtual_endpoint(4))
                          .to(client_endpoint(4))
                          .flags(kRst | kAck)
                          .seq(0)
                          .ack(1001)
                          .window(0)
                          .ip_id(0)
                          .ttl(65)
                          .build();
  CHECK(said[0].bytes == want.bytes);
  CHECK(said[1].bytes == reset(4, client_endpoint(4), web_server(4, 0), 1001).bytes);
}

TEST("connections that are closed already, and flows without connections, end without a word") {
  NatLab lab;
  Handshake::open(lab, 4);
  CHECK(lab.send(to_vip(4, kRst).seq(Handshake::kClientNext)).forwarded());
  CHECK(lab.send(udp4().to(dns_endpoint(4))).forwarded());
  CHECK_EQ(lab.flows(), uint64_t{2});
  CHECK_EQ(lab.end({}).size(), size_t{0});
  CHECK_EQ(lab.flows(), uint64_t{0});
}

TEST("of many connections those end that all of the selection fits, over several looks") {
  NatLab lab(1024);
  for (uint16_t port = 1; port <= 300; ++port) {
    const Endpoint client{client_endpoint(4).address, uint16_t(2000 + port)};
    CHECK_EQ(Handshake::open(lab, 4, client, virtual_endpoint(4)), (port - 1) % 3);
  }
  CHECK_EQ(Handshake::open(lab, 6), 0);
  CHECK_EQ(lab.end(of_server(1)).size(), size_t{200});
  CHECK_EQ(lab.flows(), uint64_t{201});
  nat::EndSpec one;
  one.protocol = kTcp;
  one.client = ip_address(client_endpoint(4).address);
  one.client_port = 2001;
  one.virt = ip_address(virtual_endpoint(4).address);
  one.virtual_port = virtual_endpoint(4).port;
  CHECK_EQ(lab.end(one).size(), size_t{2});
  CHECK_EQ(lab.end(one).size(), size_t{0});
  one.client_port = 2004;
  one.virtual_port = 81;
  CHECK_EQ(lab.end(one).size(), size_t{0});
  nat::EndSpec six;
  six.real = ip_address(web_server(6, 0).address);
  six.real_port = web_server(6, 0).port;
  CHECK_EQ(lab.end(six).size(), size_t{2});
  nat::EndSpec service;
  service.service_slot = 0;
  CHECK_EQ(lab.end(service).size(), size_t{2 * 199});
  CHECK_EQ(lab.flows(), uint64_t{0});
}

TEST("a silenced connection drops the packets of both ends for as long as they come, and a SYN begins anew") {
  for (const int f : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, f);
    CHECK_EQ(lab.end(of_server(first_slot(f), true)).size(), size_t{0});
    CHECK_EQ(lab.state(f), std::string("CLOSE"));
    CHECK_EQ(lab.active(first_slot(f)), 0u);
    CHECK_EQ(lab.end(of_server(first_slot(f), true)).size(), size_t{0});
    for (int i = 0; i < 3; ++i) {
      lab.advance_seconds(100);
      lab.expire();
      lab.refused(to_vip(f, kAck).seq(Handshake::kClientNext).ack(Handshake::kServerNext),
                  DropReason::silenced);
      lab.refused(from_server(f, kAck).seq(Handshake::kServerNext).ack(Handshake::kClientNext),
                  DropReason::silenced);
    }
    CHECK(lab.send(to_vip(f, kSyn).seq(90'000)).forwarded());
    CHECK_EQ(lab.state(f), std::string("SYN_RECV"));
  }
}

TEST("a silenced connection is forgotten when nobody has said anything for two minutes") {
  NatLab lab;
  Handshake::open(lab, 4);
  lab.end(of_server(0, true));
  lab.advance_seconds(nat::kSilentSeconds + 1);
  lab.expire();
  CHECK_EQ(lab.flows(), uint64_t{0});
  CHECK_EQ(lab.inactive(0), 0u);
}

TEST("silence is for connections; UDP flows are forgotten and begin anew") {
  NatLab lab;
  CHECK(lab.send(udp4().to(dns_endpoint(4))).forwarded());
  lab.end(of_server(4, true));
  CHECK_EQ(lab.flows(), uint64_t{0});
  CHECK(lab.send(udp4().to(dns_endpoint(4))).forwarded());
}

void withdraw(NatLab& lab, size_t service) {
  lab.spec.services[service].servers[0].weight = 0;
  lab.spec.services[service].servers[0].withdrawn = true;
  lab.publish();
}

TEST("a SYN that a withdrawn server has not answered goes to another server when it comes again") {
  NatLab lab;
  CHECK(endpoint_of(lab.send(to_vip(4, kSyn).seq(1)).packet, true) == web_server(4, 0));
  withdraw(lab, 0);
  const Result again = lab.send(to_vip(4, kSyn).seq(1));
  CHECK(again.forwarded() && endpoint_of(again.packet, true) != web_server(4, 0));
  CHECK_EQ(lab.flows(), uint64_t{1});
}

TEST("what is established with a withdrawn server goes on, and the client port's next connection does not") {
  NatLab lab;
  CHECK_EQ(Handshake::open(lab, 4), 0);
  withdraw(lab, 0);
  const Result on = lab.send(to_vip(4, kAck).seq(Handshake::kClientNext).ack(Handshake::kServerNext));
  CHECK(on.forwarded() && endpoint_of(on.packet, true) == web_server(4, 0));
  CHECK(lab.send(from_server(4, kAck).seq(Handshake::kServerNext).ack(Handshake::kClientNext)).forwarded());
  const Result next = lab.send(to_vip(4, kSyn).seq(77'000));
  CHECK(next.forwarded() && endpoint_of(next.packet, true) != web_server(4, 0));
}

TEST("the next datagram of a withdrawn server's client goes to another server") {
  NatLab lab;
  CHECK(endpoint_of(lab.send(udp4().to(dns_endpoint(4))).packet, true) == dns_server(4, 0));
  withdraw(lab, 1);
  const Result next = lab.send(udp4().to(dns_endpoint(4)));
  CHECK(next.forwarded() && endpoint_of(next.packet, true) != dns_server(4, 0));
  CHECK_EQ(lab.flows(), uint64_t{1});
}

}  // namespace
}  // namespace vsnat::test
