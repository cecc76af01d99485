// SPDX-License-Identifier: Apache-2.0
//
// Connections that end before their time: drop_entry against a reference of the kernel's rule, and expire_nodest_conn.
#include "nat/cull.h"

#include <map>
#include <string>

#include "engine/culler.h"
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

using flow::State;

/** ip_vs_random_dropentry and todrop_entry in the words of the specification. */
class ReferenceRule {
 public:
  bool ends(const std::string& state, uint32_t quiet_ticks, int in_packets) {
    if (state == "SYN_RECV" || state == "SYNACK" || state == "INIT1" || state == "INIT") return true;
    if (state != "ESTABLISHED" && state != "UDP") return false;
    if (quiet_ticks < 60 * kTicksPerSecond) return false;
    if (in_packets < 1 || in_packets > 8) return false;
    int& to_go = to_go_[in_packets];
    to_go -= 1;
    if (to_go > 0) return false;
    to_go = in_packets;
    return true;
  }

 private:
  std::map<int, int> to_go_;
};

TEST("drop_entry ends what the kernel's rule ends, over random connections") {
  Random random("drop_entry");
  nat::DropEntryRule rule;
  ReferenceRule reference;
  int ended = 0;
  for (int i = 0; i < scaled(200'000); ++i) {
    const auto state = State(random.below(flow::kStateCount));
    const uint32_t quiet = random.one_in(4) ? random.between(479, 481) : random.below(7200);
    const auto in_packets = uint8_t(random.one_in(8) ? random.byte() : random.below(11));
    const bool ends = rule.ends(state, quiet, in_packets);
    if (!CHECK_EQ(ends, reference.ends(flow::state_name(state), quiet, in_packets))) return;
    ended += ends;
  }
  CHECK(ended > 0);
}

/** A lab, and a culler that has all of its tables. */
struct Scene {
  NatLab lab;
  engine::Culler culler{0, 1};
  nat::Core core{*lab.tables, lab.loads.data(), lab.tally, lab.budget, lab.fragments, 0, Prng(7)};

  explicit Scene(uint32_t capacity = 64) : lab(capacity) { core.defence = &lab.defence; }

  /** `seconds` of a worker's life: packets do not come, time goes by. */
  void live(uint32_t seconds) {
    for (uint32_t i = 0; i < seconds; ++i) {
      lab.advance_seconds(1);
      while (culler.run(core, *lab.snapshot, lab.now)) {
      }
    }
    lab.check_books();
  }
  /** An established connection of this client port that had `packets` of its client. */
  void open(uint16_t port, int packets) {
    Endpoint client = client_endpoint(4);
    client.port = port;
    Handshake::open(lab, 4, client, virtual_endpoint(4));
    for (int i = 2; i < packets; ++i) lab.send(tcp4().source_port(port).flags(kAck));
  }
  std::string state(uint16_t port) {
    Endpoint client = client_endpoint(4);
    client.port = port;
    const auto* flow = lab.flow_of<wire::Addr4>(kTcp, client, virtual_endpoint(4));
    return flow ? flow::state_name(flow->state) : "-";
  }
};

TEST(
    "drop_entry finds handshakes, and few-packet connections that were quiet for a minute, and leaves the "
    "rest") {
  Scene s(1024);
  s.lab.defence.set({.drop_entries = true});
  for (uint16_t port = 1; port <= 64; ++port) {
    s.open(port, 3);
    s.open(uint16_t(1000 + port), 9);
    s.lab.send(tcp4().source_port(uint16_t(2000 + port)).flags(kSyn));
    s.lab.send(udp4().source_port(uint16_t(3000 + port)).to(dns_endpoint(4)));
  }
  const auto count = [&](const char* state) {
    int n = 0;
    for (uint16_t port = 1; port < 2100; ++port) n += s.state(port) == state;
    return n;
  };
  const uint64_t begun = s.lab.flows();
  CHECK_EQ(begun, uint64_t{256});

  s.live(50);  // nobody is quiet for a minute yet
  CHECK(count("SYN_RECV") < 40);
  CHECK_EQ(count("ESTABLISHED"), 128);
  const uint64_t udp_flows = s.lab.flows() - uint64_t(count("ESTABLISHED") + count("SYN_RECV"));
  CHECK_EQ(udp_flows, uint64_t{64});

  s.live(200);
  CHECK_EQ(count("SYN_RECV"), 0);
  int few = 0, many = 0;
  for (uint16_t port = 1; port <= 64; ++port) {
    few += s.state(port) == "ESTABLISHED";
    many += s.state(uint16_t(1000 + port)) == "ESTABLISHED";
  }
  CHECK(few < 50);
  CHECK_EQ(many, 64);
  CHECK_EQ(s.lab.tally.entries_dropped.read(), begun - s.lab.flows());

  s.lab.defence.set({});
  const uint64_t now = s.lab.flows();
  s.live(10);
  CHECK_EQ(s.lab.flows(), now);
}

TEST("drop_entry visits a 32nd of the records a second, however often it is asked") {
  Scene s(3200);
  for (int i = 0; i < 3200; ++i)
    s.lab.send(tcp4().from({ip4(45, 0, uint8_t(i >> 8), uint8_t(i)), 9}).flags(kSyn));
  CHECK_EQ(s.lab.flows(), uint64_t{3200});
  s.lab.defence.set({.drop_entries = true});
  for (int i = 0; i < 1000; ++i) s.culler.run(s.core, *s.lab.snapshot, s.lab.now);
  // A few of the hundred may be drawn twice.
  CHECK(s.lab.flows() >= 3100);
  CHECK(s.lab.flows() <= 3120);
}

TEST("drop_entry visits tables of fewer than 32 records, too") {
  Scene s;
  for (uint16_t port = 1; port <= 16; ++port) s.lab.send(tcp4().source_port(port).flags(kSyn));
  s.lab.defence.set({.drop_entries = true});
  s.live(50);  // less than a handshake's own time: four fifths of them are gone in the mean
  CHECK(s.lab.flows() < 10);
}

TEST("a culler beyond the last shard has nothing to do") {
  Scene s;
  engine::Culler other{7, 8};
  s.lab.send(tcp4().flags(kSyn));
  s.lab.defence.set({.drop_entries = true});
  other.look_for_orphans();
  for (int i = 0; i < 100; ++i) {
    s.lab.advance_seconds(1);
    CHECK(!other.run(s.core, *s.lab.snapshot, s.lab.now));
  }
  CHECK_EQ(s.lab.flows(), uint64_t{1});
}

TEST("expire_nodest_conn ends a deleted server's connections with it, and no others") {
  for (const int family : {4, 6}) {
    Scene s(4096);
    for (uint16_t port = 1; port <= 600; ++port) {
      s.lab.send(tcp(family).source_port(port).flags(kSyn));
      s.lab.send(udp(family).source_port(port).to(dns_endpoint(family)));
    }
    for (auto& service : s.lab.spec.services) {
      service.servers.erase(service.servers.begin());
      service.plan.steps = {0, 1};
    }
    s.lab.spec.policy.expire_nodest = true;
    s.lab.publish();
    s.culler.look_for_orphans();
    int slices = 0;
    while (s.culler.run(s.core, *s.lab.snapshot, s.lab.now)) ++slices;
    CHECK(slices > 2);  // bounded work, so several
    s.lab.check_books();
    CHECK_EQ(s.lab.flows(), uint64_t{800});
    CHECK_EQ(s.lab.tally.orphans_ended.read(), uint64_t{400});
    CHECK_EQ(s.lab.active(family == 4 ? 0 : 16), 0u);
    CHECK(s.lab.active(family == 4 ? 1 : 17) > 0);
    CHECK(!s.culler.run(s.core, *s.lab.snapshot, s.lab.now));
  }
}

TEST("the connections of a deleted service end with it only where they fare as a server's") {
  for (const bool fare_alike : {true, false}) {
    Scene s;
    s.lab.send(tcp4().flags(kSyn));
    s.lab.spec.services.erase(s.lab.spec.services.begin());
    s.lab.spec.policy.expire_nodest = true;
    s.lab.spec.policy.services_take_connections = fare_alike;
    s.lab.publish();
    s.culler.look_for_orphans();
    while (s.culler.run(s.core, *s.lab.snapshot, s.lab.now)) {
    }
    CHECK_EQ(s.lab.flows(), uint64_t(fare_alike ? 0 : 1));
  }
}

Endpoint numbered_client(int n) {
  return {ip4(45, 0, uint8_t(n >> 8), uint8_t(n)), 9};
}

TEST("a template goes with the handshake that drop_entry ends, and stays when it was assured") {
  Scene s(1024);
  s.lab.spec.services[0].persistence = {360, 32};
  s.lab.publish();
  for (int n = 0; n < 200; ++n) s.lab.send(tcp4().from(numbered_client(n)).flags(kSyn));
  Handshake::open(s.lab, 4);
  CHECK_EQ(s.lab.templates(), uint64_t{201});
  s.lab.defence.set({.drop_entries = true});
  s.live(50);
  CHECK(s.lab.templates() < 150);
  CHECK_EQ(s.lab.templates(), s.lab.flows());

  // The assured one outlives its connection.
  s.lab.send(to_vip(4, kRst).seq(Handshake::kClientNext));
  s.live(20);
  s.lab.expire();
  const uint64_t templates = s.lab.templates();
  CHECK(templates >= 1);
  CHECK(s.lab.send(tcp4().source_port(77).flags(kSyn)).forwarded());
  CHECK_EQ(s.lab.templates(), templates);
}

TEST("drop_entry gives up templates that nobody assured and nobody uses") {
  Scene s(1024);
  s.lab.spec.services[0].persistence = {3600, 32};
  s.lab.publish();
  for (int n = 0; n < 200; ++n) s.lab.send(tcp4().from(numbered_client(n)).flags(kSyn));
  s.live(70);
  s.lab.expire();
  CHECK_EQ(s.lab.flows(), uint64_t{0});
  CHECK_EQ(s.lab.templates(), uint64_t{200});
  s.lab.defence.set({.drop_entries = true});
  s.live(50);
  CHECK(s.lab.templates() < 100);
  CHECK(s.lab.templates() > 10);
}

TEST("in_packets counts what the client sent, errors not, and stays at 255") {
  NatLab lab;
  Handshake::open(lab, 4);
  const auto* flow = lab.flow_of<wire::Addr4>(kTcp, client_endpoint(4), virtual_endpoint(4));
  CHECK_EQ(int(flow->in_packets), 2);
  lab.send(from_server(4, kAck));
  CHECK_EQ(int(flow->in_packets), 2);
  for (int i = 0; i < 300; ++i) lab.send(to_vip(4, kAck));
  CHECK_EQ(int(flow->in_packets), 255);
}

}  // namespace
}  // namespace vsnat::test
