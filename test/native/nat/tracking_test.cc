// SPDX-License-Identifier: Apache-2.0
//
// What packets do to their flow: state, timeout, load, and which RST is believed.
#include "nat/track.h"

#include <cstring>
#include <string>
#include <vector>

#include "nat/measure.h"
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

constexpr uint32_t kC = Handshake::kClientNext, kS = Handshake::kServerNext;

PacketBuilder client_says(int family, uint8_t flags, uint32_t seq, uint32_t ack, size_t payload = 0) {
  return tcp(family).flags(flags).seq(seq).ack(ack).payload_bytes(payload);
}
PacketBuilder server_says(int family, uint8_t flags, uint32_t seq, uint32_t ack, size_t payload = 0) {
  return from_server(family, flags).seq(seq).ack(ack).payload_bytes(payload);
}

/** "ES900a": state, seconds until it is forgotten, active or inactive. */
std::string status(NatLab& lab, int family) {
  const auto describe_flow = [&](const auto* flow) {
    constexpr const char* kShort[] = {"NO", "ES", "SS", "SR", "FW", "TW", "CL", "CW", "LA", "LI", "SA", "UD"};
    if (flow == nullptr) return std::string("-");
    const uint32_t slot = flow->server_slot;
    const bool active = lab.active(slot) == 1 && lab.inactive(slot) == 0;
    CHECK(active || (lab.active(slot) == 0 && lab.inactive(slot) == 1));
    return std::string(kShort[size_t(flow->state)]) +
           std::to_string(flow->expires_at.since(lab.now.tick()) / int(kTicksPerSecond)) +
           (active ? "a" : "i");
  };
  return family == 4 ? describe_flow(lab.flow_of<wire::Addr4>(kTcp, client_endpoint(4), virtual_endpoint(4)))
                     : describe_flow(lab.flow_of<wire::Addr6>(kTcp, client_endpoint(6), virtual_endpoint(6)));
}

struct Step {
  PacketBuilder packet;
  const char* after;
};
void check_trace(const char* name, int family, const std::vector<Step>& steps, NatLab* lab = nullptr) {
  ROW(name);
  NatLab fresh;
  NatLab& in = lab ? *lab : fresh;
  for (const Step& step : steps) {
    CHECK(in.send(step.packet).forwarded());
    CHECK_EQ(status(in, family), std::string(step.after));
    in.now.ms += 500;
  }
}

TEST("connections pass through IPVS's states, timeouts and activity, driven by real segments") {
  for (const int f : {4, 6}) {
    const std::vector<Step> opening = {{client_says(f, kSyn, kC - 1, 0), "SR60a"},
                                       {server_says(f, kSyn | kAck, kS - 1, kC), "SR60a"},
                                       {client_says(f, kAck, kC, kS), "ES900a"},
                                       {server_says(f, kAck | kPsh, kS, kC, 10), "ES900a"}};
    const auto opened = [&](std::vector<Step> rest) {
      rest.insert(rest.begin(), opening.begin(), opening.end());
      return rest;
    };
    check_trace("client closes first", f,
                opened({{client_says(f, kFin | kAck, kC, kS + 10), "CW60i"},
                        {server_says(f, kAck, kS + 10, kC + 1), "CW60i"},
                        {server_says(f, kFin | kAck, kS + 10, kC + 1), "TW120i"},
                        {client_says(f, kAck, kC + 1, kS + 11), "TW120i"}}));
    check_trace("server closes first", f,
                opened({{server_says(f, kFin | kAck, kS + 10, kC), "FW120i"},
                        {client_says(f, kAck, kC, kS + 11), "FW120i"},
                        {client_says(f, kFin | kAck, kC, kS + 11), "TW120i"},
                        {server_says(f, kAck, kS + 11, kC + 1), "TW120i"}}));
    check_trace("refused", f,
                {{client_says(f, kSyn, kC - 1, 0), "SR60a"}, {server_says(f, kRst | kAck, 0, kC), "CL10i"}});
    check_trace("abort by the client", f, opened({{client_says(f, kRst | kAck, kC, kS + 10), "CL10i"}}));
    check_trace("abort by the server", f, opened({{server_says(f, kRst, kS + 10, 0), "CL10i"}}));
    check_trace("client RST during the handshake changes nothing, as in IPVS", f,
                {{client_says(f, kSyn, kC - 1, 0), "SR60a"}, {client_says(f, kRst, kC, 0), "SR60a"}});
    check_trace("data after both FINs is still translated", f,
                opened({{client_says(f, kFin | kAck, kC, kS + 10), "CW60i"},
                        {server_says(f, kFin | kAck, kS + 10, kC + 1), "TW120i"},
                        {server_says(f, kAck, kS + 11, kC + 1, 5), "TW120i"}}));
    check_trace("a segment without any flag closes, as in IPVS", f,
                opened({{client_says(f, 0, kC, 0, 1), "CL10i"}}));
  }
}

TEST("a half-closed connection lives as long as the other half has something to say") {
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    lab.send(client_says(family, kFin | kAck, kC, kS));
    for (uint32_t second = 0; second < 600; second += 50) {
      if (!CHECK(lab.send(server_says(family, kAck, kS + second, kC + 1, 50)).forwarded())) return;
      lab.expire();
      lab.advance_seconds(50);
    }
    CHECK_EQ(lab.state(family), std::string("CLOSE_WAIT"));
    lab.advance_seconds(10);
    lab.expire();
    CHECK_EQ(lab.state(family), std::string("-"));
  }
}

TEST("an idle connection is kept to the last tick of its timeout, and not one more") {
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    lab.now.ms += 900 * 1000 - 125;
    lab.expire();
    CHECK_EQ(lab.flows(), uint64_t{1});
    lab.now.ms += 125;
    // Also without a sweep nobody may find it any more.
    CHECK(lab.send(server_says(family, kAck, kS, kC)).passed());
    CHECK_EQ(lab.flows(), uint64_t{0});
  }
}

TEST("a service's own timeouts count, also over the wrap of the 32-bit tick") {
  NatLab lab;
  lab.spec.services[0].timeouts.seconds[size_t(flow::State::established)] = 7;
  lab.publish();
  lab.now.ms = (uint64_t{1} << 32) * 125 - 3000;  // three seconds before the wrap
  Handshake::open(lab, 4);
  CHECK_EQ(status(lab, 4), std::string("ES7a"));
  lab.advance_seconds(6);
  lab.expire();
  CHECK_EQ(lab.state(4), std::string("ESTABLISHED"));
  lab.advance_seconds(1);
  lab.expire();
  CHECK_EQ(lab.state(4), std::string("-"));
}

// ---- RST ----

TEST("a RST at the exact next sequence number ends the flow, from either side") {
  for (const int family : {4, 6}) {
    for (const bool from_client : {true, false}) {
      NatLab lab;
      Handshake::open(lab, family);
      const auto rst = from_client ? client_says(family, kRst, kC, 0) : server_says(family, kRst, kS, 0);
      CHECK(lab.send(rst).forwarded());
      CHECK_EQ(lab.state(family), std::string("CLOSE"));
      CHECK_EQ(lab.tally.suspect_resets.read(), uint64_t{0});
    }
  }
}

TEST("a RST with a guessed sequence number is forwarded, counted, and changes nothing") {
  Random random("blind reset");
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    const uint64_t before = lab.tally.suspect_resets.read();
    for (uint32_t i = 0; i < uint32_t(scaled(10000)); ++i) {
      uint32_t guess = uint32_t(random.next());
      if (guess == kC || guess == kS) ++guess;
      const bool from_client = random.one_in(2);
      const auto rst = from_client
                           ? client_says(family, kRst | (i % 2 ? kAck : 0), guess, uint32_t(random.next()))
                           : server_says(family, kRst | (i % 2 ? kAck : 0), guess, uint32_t(random.next()));
      if (!CHECK(lab.send(rst).forwarded())) return;
      if (!CHECK_EQ(status(lab, family), std::string("ES900a"))) return;
    }
    CHECK_EQ(lab.tally.suspect_resets.read() - before, uint64_t(scaled(10000)));
    CHECK(lab.send(server_says(family, kAck, kS, kC, 100)).forwarded());
  }
}

TEST("65536 RSTs that sweep the sequence space in steps of a window miss the flow") {
  NatLab lab;
  Handshake::open(lab, 4);
  for (uint32_t i = 0; i < 65536; ++i) {
    if (!CHECK(lab.send(client_says(4, kRst, i * 65536 + 7, 0)).forwarded())) return;
  }
  CHECK_EQ(lab.state(4), std::string("ESTABLISHED"));
  // An idle connection must not be kept alive by them either.
  lab.advance_seconds(899);
  lab.send(client_says(4, kRst, 77, 0));
  lab.advance_seconds(1);
  lab.expire();
  CHECK_EQ(lab.state(4), std::string("-"));
}

TEST(
    "a RST between what was acknowledged and what was sent is believed, one outside is not, across the wrap "
    "as well") {
  for (const uint32_t base : {1000u, 0xffffff00u, 0xfffffffeu, 0x7fffff80u}) {
    ROW("client numbers from " + std::to_string(base));
    const struct {
      const char* name;
      int32_t offset;
      bool believed;
    } cases[] = {{"one before the acknowledged", 99, false},
                 {"the acknowledged", 100, true},
                 {"in flight", 300, true},
                 {"the next to be sent", 600, true},
                 {"one beyond", 601, false},
                 {"half the space away", INT32_MIN + 100, false}};
    for (const auto& c : cases) {
      ROW(c.name);
      NatLab lab;
      lab.send(client_says(4, kSyn, base - 1, 0));
      lab.send(server_says(4, kSyn | kAck, kS - 1, base));
      lab.send(client_says(4, kAck, base, kS, 100));
      lab.send(server_says(4, kAck, kS, base + 100));
      lab.send(client_says(4, kAck, base + 100, kS, 500));  // not acknowledged yet
      CHECK(lab.send(client_says(4, kRst, base + uint32_t(c.offset), 0)).forwarded());
      CHECK_EQ(lab.state(4), std::string(c.believed ? "CLOSE" : "ESTABLISHED"));
    }
  }
}

TEST("a forged segment far from anything sent does not make a RST beside it believable") {
  const struct {
    const char* name;
    PacketBuilder forged;
  } cases[] = {
      {"a SYN with another number", client_says(4, kSyn, kC + 0x40000000, 0)},
      {"data", client_says(4, kAck, kC + 0x40000000, kS, 10)},
      {"data behind", client_says(4, kAck, kC - 0x10000000, kS, 10)},
      {"an acknowledgment of what was never sent", server_says(4, kAck, kS, kC + 0x40000000)},
  };
  for (const auto& c : cases) {
    ROW(c.name);
    NatLab lab;
    Handshake::open(lab, 4);
    CHECK(lab.send(c.forged).forwarded());
    for (const uint32_t seq : {kC + 0x40000000, kC + 0x40000001, kC + 0x4000000a, kC - 0x10000000 + 10}) {
      CHECK(lab.send(client_says(4, kRst, seq, 0)).forwarded());
    }
    CHECK_EQ(lab.state(4), std::string("ESTABLISHED"));
    CHECK(lab.send(client_says(4, kRst, kC, 0)).forwarded());
    CHECK_EQ(lab.state(4), std::string("CLOSE"));
  }
}

TEST("a refusal must acknowledge the SYN") {
  for (const bool right : {true, false}) {
    NatLab lab;
    lab.send(client_says(4, kSyn, kC - 1, 0));
    CHECK(lab.send(server_says(4, kRst | kAck, 0, right ? kC : kC + 1)).forwarded());
    CHECK_EQ(lab.state(4), std::string(right ? "CLOSE" : "SYN_RECV"));
  }
}

// ---- SYN again ----

TEST("a SYN in an established flow goes to the same server and changes neither state nor what is known") {
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    const Result result = lab.send(client_says(family, kSyn, 0xdeadbeef, 0));
    CHECK(result.forwarded());
    CHECK(endpoint_of(result.packet, true) == web_server(family, 0));
    CHECK_EQ(lab.state(family), std::string("ESTABLISHED"));
    CHECK_EQ(lab.flows(), uint64_t{1});
  }
}

TEST("a retransmitted SYN goes to the same server") {
  NatLab lab;
  for (int i = 0; i < 5; ++i) {
    const Result result = lab.send(client_says(4, kSyn, kC - 1, 0));
    CHECK(endpoint_of(result.packet, true) == web_server(4, 0));
    lab.advance_seconds(1);
  }
  CHECK_EQ(lab.flows(), uint64_t{1});
  CHECK_EQ(lab.tally.service(0).connections.read(), uint64_t{1});
}

TEST("a SYN on a closed or waiting flow is a new connection at once, with a new pick") {
  for (const int family : {4, 6}) {
    for (const bool reset : {true, false}) {
      NatLab lab;
      Handshake::open(lab, family);
      if (reset) {
        lab.send(client_says(family, kRst, kC, 0));
      } else {
        lab.send(client_says(family, kFin | kAck, kC, kS));
        lab.send(server_says(family, kFin | kAck, kS, kC + 1));
        lab.send(client_says(family, kAck, kC + 1, kS + 1));
      }
      const Result again = lab.send(client_says(family, kSyn, 77, 0));
      CHECK(again.forwarded());
      CHECK(endpoint_of(again.packet, true) == web_server(family, 1));
      CHECK_EQ(lab.state(family), std::string("SYN_RECV"));
      CHECK_EQ(lab.flows(), uint64_t{1});
      CHECK_EQ(lab.tally.service(family == 4 ? 0 : 4).connections.read(), uint64_t{2});
      // What was known of the old sequence numbers is forgotten with it.
      lab.send(tcp(family)
                   .from(web_server(family, 1))
                   .to(client_endpoint(family))
                   .flags(kRst | kAck)
                   .seq(0)
                   .ack(78));
      CHECK_EQ(lab.state(family), std::string("CLOSE"));
    }
  }
}

TEST(
    "the closed connection of a client port still counts when its successor's server is picked, as in the "
    "kernel") {
  for (const int family : {4, 6}) {
    NatLab lab;
    for (service::ServiceSpec& service : lab.spec.services) {
      service.plan = {};
      service.plan.kind = service::PlanKind::least;
      service.plan.steps = {0, 1, 2};
      service.plan.active_cost = service.plan.inactive_cost = 1;
    }
    lab.publish();
    CHECK_EQ(Handshake::open(lab, family), 0);
    lab.send(client_says(family, kRst, kC, 0));
    const Result again = lab.send(client_says(family, kSyn, 77, 0));
    CHECK(endpoint_of(again.packet, true) == web_server(family, 1));  // forgotten first, it would be 0 again
    CHECK_EQ(lab.flows(), uint64_t{1});
  }
}

TEST("one client port used ten thousand times never waits and leaves one flow") {
  NatLab lab;
  for (uint32_t i = 0; i < 10000; ++i) {
    const Result syn = lab.send(client_says(4, kSyn, i * 7, 0));
    if (!CHECK(syn.forwarded())) return;
    const Endpoint server = endpoint_of(syn.packet, true);
    lab.send(tcp4().from(server).to(client_endpoint(4)).flags(kRst | kAck).seq(0).ack(i * 7 + 1));
    if (!CHECK_EQ(lab.state(4), std::string("CLOSE"))) return;
  }
  CHECK_EQ(lab.flows(), uint64_t{1});
  CHECK_EQ(lab.tally.service(0).connections.read(), uint64_t{10000});
}

TEST("both sides of a UDP flow keep it alive, for its timeout after the last datagram") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const PacketBuilder query = udp(family).to(dns_endpoint(family));
    const PacketBuilder answer = udp(family).from(dns_server(family, 0)).to(client_endpoint(family));
    CHECK(lab.send(query).forwarded());
    for (int i = 0; i < 5; ++i) {
      lab.advance_seconds(299);
      lab.expire();
      CHECK(lab.send(i % 2 ? query : answer).forwarded());
    }
    CHECK_EQ(lab.flows(), uint64_t{1});
    CHECK_EQ(lab.active(family == 4 ? 4 : 20), 0u);  // UDP is never active
    lab.advance_seconds(300);
    lab.expire();
    CHECK_EQ(lab.flows(), uint64_t{0});
    CHECK(lab.send(answer).passed());
  }
}

TEST("a sweep of forged segments and one RST do not end a flow: only what is in line teaches") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const int server = Handshake::open(lab, family);
    const uint32_t step = 1 << 20;
    for (uint32_t i = 0; i < 4200; ++i) {
      const uint32_t seq = i * step + 77;
      lab.send(
          from_server(family, kAck, server).seq(seq).ack(Handshake::kClientNext).payload_bytes(10).build());
      lab.send(to_vip(family, kAck).seq(seq).ack(seq).payload_bytes(10).build());
    }
    for (uint32_t i = 0; i < 4200; ++i) {
      lab.send(from_server(family, kRst, server).seq(i * step + 87).build());
    }
    CHECK_EQ(lab.state(family), std::string("ESTABLISHED"));
    CHECK_EQ(lab.tally.suspect_resets.read(), uint64_t{4200});
    lab.send(from_server(family, kRst, server).seq(Handshake::kServerNext).build());
    CHECK_EQ(lab.state(family), std::string("CLOSE"));
  }
}

TEST("a handshake the client did not finish in line is unconfirmed: the server's RST to it is believed") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const Endpoint client = client_endpoint(family);
    lab.send(to_vip(family, kSyn).seq(1000).build());
    lab.send(from_server(family, kSyn | kAck).seq(5000).ack(1001).build());
    lab.send(from_server(family, kSyn | kAck, 1).seq(5000).ack(1001).build());
    lab.send(from_server(family, kSyn | kAck, 2).seq(5000).ack(1001).build());
    lab.send(to_vip(family, kAck).seq(1001).ack(777).build());  // a guess, as a spoofed client makes it
    CHECK_EQ(lab.state(family), std::string("ESTABLISHED"));
    for (int n = 0; n < 3; ++n) lab.send(from_server(family, kRst, n).seq(777).to(client).build());
    CHECK_EQ(lab.state(family), std::string("CLOSE"));
  }
}

/** A flow of which everything is known, or nearly; numbers lie close together, so that they often meet. */
flow::Flow<wire::Addr4> some_flow(Random& random) {
  using FlowT = flow::Flow<wire::Addr4>;
  FlowT flow{};
  const uint32_t base = random.one_in(2) ? 0xfffffffc : 1000;
  flow.state =
      random.one_in(8) ? flow::State(random.below(uint32_t(flow::kTcpStateCount))) : flow::State::established;
  flow.flags = FlowT::kReplied | FlowT::kRequestSeen | FlowT::kReplySeen | FlowT::kRequestAcked |
               FlowT::kReplyAcked | FlowT::kConfirmed;
  if (random.one_in(4)) flow.flags = uint8_t(flow.flags & ~(1u << random.below(6)));
  flow.timing = random.one_in(4) ? flow::Timing(random.below(7)) : flow::Timing::off;
  for (const int direction : {0, 1}) {
    flow.seq_end[direction] = base + random.below(6);
    flow.acked[direction] = base + random.below(6);
  }
  return flow;
}

TEST("a segment that is tracked the short way leaves the flow as the long way does") {
  Random random("the short way and the long way");
  uint32_t short_ways = 0;
  for (int i = 0; i < scaled(400'000); ++i) {
    using flow::Direction;
    const auto direction = random.one_in(2) ? Direction::request : Direction::reply;
    flow::Flow<wire::Addr4> quick = some_flow(random);
    uint8_t bytes[60] = {};
    wire::PacketView view;
    view.ip = bytes;
    view.family = 4;
    view.protocol = kTcp;
    view.l4_offset = sizeof(wire::ipv4_hdr);
    view.length = uint32_t(sizeof(wire::ipv4_hdr) + sizeof(wire::tcp_hdr) + random.below(4));
    wire::tcp_hdr& tcp = view.tcp();
    tcp.doff_reserved = 0x50;
    tcp.flags = random.one_in(4) ? random.byte() : wire::tcp_hdr::kAck;
    tcp.seq = wire::be32::from_host(quick.seq_end[size_t(direction)] + random.below(3) - 1);
    const auto other = size_t(nat::opposite(direction));
    tcp.ack_seq = wire::be32::from_host(quick.seq_end[other] + random.below(3) - 1);

    flow::Flow<wire::Addr4> slow = quick;
    const flow::Flow<wire::Addr4> before = quick;
    const bool taken = nat::track_next(quick, direction, view);
    if (!taken) {
      CHECK(std::memcmp(&quick, &before, sizeof(quick)) == 0);
      continue;
    }
    ++short_ways;
    const bool repeated = nat::is_retransmission(slow, direction, view);
    nat::ServerSignals signals;
    CHECK(nat::track_tcp(slow, direction, view));
    nat::measure_tcp(slow, direction, view, before.state, repeated, signals, Stamp{5});
    CHECK(!repeated);
    if (!CHECK(std::memcmp(&quick, &slow, sizeof(quick)) == 0)) return;
  }
  CHECK(short_ways > uint32_t(scaled(400'000)) / 100);  // or nothing was compared
}

}  // namespace
}  // namespace vsnat::test
