// SPDX-License-Identifier: Apache-2.0
//
// Picking a real server from a plan, against slow twins and against sequences the kernel's schedulers produce.
// Servers A, B, C stand at 0, 1, 2; the kernel's lists run newest first, so orders read C, B, A.
#include "service/dispatch.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/siphash.h"
#include "test/native/support/services.h"

namespace vsnat::test {
namespace {

using service::ClientKey;
using service::HashFunction;
using service::Plan;
using service::PlanKind;
using service::Server;
using service::ServerLoad;
using service::Snapshot;

/** One service with servers of these weights, slots 0, 1, 2, ... */
struct Bench {
  explicit Bench(const std::vector<uint32_t>& weights, Plan plan) : loads(weights.size()) {
    std::vector<service::ServerSpec> servers;
    for (uint32_t i = 0; i < weights.size(); ++i) {
      servers.push_back(server_spec(i, {ip4(10, 0, uint8_t(i >> 8), uint8_t(i + 1)), 8080}, weights[i]));
    }
    service::SnapshotSpec spec;
    spec.services.push_back(service_spec(0, 6, virtual_endpoint(4), std::move(servers)));
    spec.services[0].plan = std::move(plan);
    snapshot = built(spec);
  }

  int pick(ClientKey client = {}) {
    const Server* server = service::pick(*snapshot, *snapshot->services[0], client, loads.data());
    return server == nullptr ? -1 : int(server->slot);
  }
  /** Letters of `n` picks, '-' for none; every pick becomes a connection that never ends. */
  std::string picks(int n, bool active) {
    std::string letters;
    for (int i = 0; i < n; ++i) {
      const int server = pick();
      letters += server < 0 ? '-' : char('A' + server);
      if (server < 0) continue;
      loads[size_t(server)].bound(0);
      if (active) loads[size_t(server)].moved(true);
    }
    return letters;
  }

  std::unique_ptr<Snapshot> snapshot;
  std::vector<ServerLoad> loads;
};

Plan cycle(std::vector<int32_t> lead, std::vector<int32_t> loop) {
  Plan plan;
  plan.lead = std::move(lead);
  plan.steps = std::move(loop);
  return plan;
}

// ---- cycle ----

TEST("a cycle takes its lead once and its loop for ever") {
  Bench bench({1, 1, 1}, cycle({2, 1}, {0, 1, 2}));
  CHECK_EQ(bench.picks(11, true), std::string("CBABCABCABC"));
}

TEST("a cycle skips a drained and an overloaded server without losing its place") {
  Bench bench({1, 1, 1}, cycle({}, {2, 1, 0}));
  CHECK_EQ(bench.picks(2, false), std::string("CB"));
  bench.loads[0].overloaded = true;
  CHECK_EQ(bench.picks(4, false), std::string("CBCB"));
  bench.loads[0].overloaded = false;
  CHECK_EQ(bench.picks(4, false), std::string("ACBA"));
  Bench drained({0, 1, 1}, cycle({}, {2, 1, 0}));
  CHECK_EQ(drained.picks(5, false), std::string("CBCBC"));
}

TEST("a cycle with no usable server picks none and goes on where it was") {
  Bench bench({1, 1}, cycle({0, 0}, {1, 0}));
  CHECK_EQ(bench.picks(3, false), std::string("AAB"));
  for (ServerLoad& load : bench.loads) load.overloaded = true;
  CHECK_EQ(bench.picks(1000, false), std::string(1000, '-'));
  for (ServerLoad& load : bench.loads) load.overloaded = false;
  CHECK_EQ(bench.picks(4, false), std::string("ABAB"));
}

TEST("an empty plan picks none") {
  for (const PlanKind kind : {PlanKind::cycle, PlanKind::hash, PlanKind::least}) {
    Plan plan;
    plan.kind = kind;
    CHECK_EQ(Bench({1, 1}, plan).pick(), -1);
  }
  CHECK_EQ(Bench({}, Plan{}).pick(), -1);
  Bench lead_only({1}, cycle({0, 0}, {}));
  CHECK_EQ(lead_only.picks(4, false), std::string("AA--"));
}

TEST("any cycle is the endless sequence of its steps without the unusable ones") {
  Random random("cycles");
  for (int round = 0; round < 300; ++round) {
    const uint32_t servers = random.between(1, 6);
    std::vector<int32_t> lead(random.below(8)), loop;
    for (int32_t& step : lead) step = int32_t(random.below(servers));
    for (uint32_t i = 0; i < servers; ++i) loop.push_back(int32_t(i));  // everybody has a turn
    for (uint32_t i = random.below(20); i > 0; --i) loop.push_back(int32_t(random.below(servers)));
    Bench bench(std::vector<uint32_t>(servers, 1), cycle(lead, loop));
    size_t turn = 0;
    for (int pick = 0; pick < 200; ++pick) {
      if (random.one_in(10)) bench.loads[random.below(servers)].overloaded = random.one_in(2);
      int want = -1;
      const bool any = std::any_of(bench.loads.begin(), bench.loads.end(),
                                   [](const ServerLoad& load) { return !load.overloaded; });
      while (any && want < 0) {
        const int32_t step = turn < lead.size() ? lead[turn] : loop[(turn - lead.size()) % loop.size()];
        ++turn;
        if (!bench.loads[size_t(step)].overloaded) want = step;
      }
      if (!CHECK_EQ(bench.pick(), want)) return;
    }
  }
}

// ---- least ----

Plan least(uint32_t active, uint32_t inactive, uint32_t constant, bool weighted,
           std::vector<int32_t> order = {2, 1, 0}) {
  Plan plan;
  plan.kind = PlanKind::least;
  plan.steps = std::move(order);
  plan.active_cost = active;
  plan.inactive_cost = inactive;
  plan.constant = constant;
  plan.weighted = weighted;
  return plan;
}

TEST("least plans pick what lc, wlc and sed of Linux 6.12 pick") {
  const Plan lc = least(257, 1, 0, false), wlc = least(257, 1, 0, true), sed = least(1, 0, 1, true);
  const struct {
    const char* name;
    const Plan& plan;
    std::vector<uint32_t> weights;
    bool active;
    const char* picks;
  } cases[] = {
      {"lc, TCP", lc, {3, 2, 1}, true, "CBACBACBACBACBA"},
      {"lc, UDP", lc, {3, 2, 1}, false, "CBACBACBACBACBA"},
      {"lc with a drained server", lc, {0, 2, 5}, true, "CBCBCBCBCBCBCBC"},
      {"wlc of equal weights", wlc, {1, 1, 1}, true, "CBACBACBACBACBA"},
      {"wlc 3 2 1", wlc, {3, 2, 1}, true, "CBAABACBAABACBA"},
      {"wlc 3 2 1, UDP", wlc, {3, 2, 1}, false, "CBAABACBAABACBA"},
      {"wlc 4 3 2", wlc, {4, 3, 2}, true, "CBAABCABACBAABC"},
      {"wlc 0 2 5", wlc, {0, 2, 5}, true, "CBCCBCCCBCCBCCC"},
      {"sed of equal weights", sed, {1, 1, 1}, true, "CBACBACBACBACBA"},
      {"sed 3 2 1", sed, {3, 2, 1}, true, "ABACBAABACBAABA"},
      {"sed 4 3 2", sed, {4, 3, 2}, true, "ABCABACBAABCABA"},
      {"sed 0 2 5", sed, {0, 2, 5}, true, "CCBCCCBCCBCCCBC"},
      {"sed, UDP: never active, so always the heaviest", sed, {3, 2, 1}, false, "AAAAAAAAAAAAAAA"},
      {"sed, UDP, equal weights: always the newest", sed, {1, 1, 1}, false, "CCCCCCCCCCCCCCC"},
  };
  for (const auto& c : cases) {
    ROW(c.name);
    CHECK_EQ(Bench(c.weights, c.plan).picks(15, c.active), std::string(c.picks));
  }
}

TEST("300 inactive connections weigh more than one active one, and 256 do not") {
  Bench bench({1, 1}, least(257, 1, 0, false, {0, 1}));
  bench.loads[0].inactive = 300;
  bench.loads[1].active = 1;
  CHECK_EQ(bench.pick(), 1);
  bench.loads[0].inactive = 256;
  CHECK_EQ(bench.pick(), 0);
  bench.loads[0].inactive = 257;  // a tie stays with the earlier in the order
  CHECK_EQ(bench.pick(), 0);
}

TEST("any least plan picks the smallest fraction, and among equals the earliest in the order") {
  Random random("least");
  for (int round = 0; round < scaled(20000); ++round) {
    const uint32_t servers = random.between(1, 7);
    std::vector<uint32_t> weights(servers);
    std::vector<int32_t> order;
    for (uint32_t i = 0; i < servers; ++i) {
      weights[i] = random.one_in(4) ? 0 : random.one_in(4) ? 65535 : random.between(1, 4);
      order.insert(order.begin() + random.below(i + 1), int32_t(i));
    }
    Plan plan = least(random.below(300), random.below(3), random.below(2), random.one_in(2), order);
    Bench bench(weights, plan);
    int want = -1;
    for (uint32_t i = 0; i < servers; ++i) {
      bench.loads[i].active = random.below(random.one_in(2) ? 4 : 4'000'000);
      bench.loads[i].inactive = random.below(1000);
      bench.loads[i].overloaded = random.one_in(6);
    }
    const auto cost = [&](int s) {
      const ServerLoad& load = bench.loads[size_t(s)];
      const double sum =
          double(load.active) * plan.active_cost + double(load.inactive) * plan.inactive_cost + plan.constant;
      return __int128(sum);  // below 2^53, so exact
    };
    const auto weight = [&](int s) { return __int128(plan.weighted ? weights[size_t(s)] : 1); };
    for (const int32_t s : order) {
      if (weights[size_t(s)] == 0 || bench.loads[size_t(s)].overloaded) continue;
      if (want < 0 || cost(s) * weight(want) < cost(want) * weight(s)) want = s;
    }
    if (!CHECK_EQ(bench.pick(), want)) return;
  }
}

// ---- hash ----

ClientKey client(const Address& address, uint16_t port = 0) {
  return {address.family == 4 ? address.v4().fold() : address.v6().fold(), port};
}

/** ip_vs_sh.c's table by its description: around the list, `weight` buckets each, at least one. */
Plan sh(const std::vector<uint32_t>& weights, bool use_port, bool fallback) {
  Plan plan;
  plan.kind = PlanKind::hash;
  plan.function = HashFunction::golden;
  plan.use_port = use_port;
  plan.fallback = fallback;
  size_t server = weights.size();
  while (plan.steps.size() < 256) {
    server = server == 0 ? weights.size() - 1 : server - 1;
    for (uint32_t i = 0; i < std::max(1u, weights[server]) && plan.steps.size() < 256; ++i) {
      plan.steps.push_back(int32_t(server));
    }
    if (server == 0) server = weights.size();
  }
  return plan;
}

std::string picks_of_clients(Bench& bench, uint16_t port, const std::vector<Address>& clients) {
  std::string letters;
  for (const Address& address : clients) {
    const int server = bench.pick(client(address, port));
    letters += server < 0 ? '-' : char('A' + server);
  }
  return letters;
}

std::vector<Address> sixteen_clients() {
  std::vector<Address> clients;
  for (uint8_t i = 1; i <= 16; ++i) clients.push_back(ip4(198, 51, 100, i));
  for (const Address& other :
       {ip4(10, 1, 2, 3), ip4(127, 0, 0, 1), ip4(255, 255, 255, 255), ip4(0, 0, 0, 1)}) {
    clients.push_back(other);
  }
  return clients;
}

const std::vector<Address>& six_v6_clients() {
  static const std::vector<Address> clients = {
      ip6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1}),    ip6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2}),
      ip6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xff}), ip6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x1234}),
      ip6({0xfe80, 0, 0, 0, 0, 0, 0, 1}),        ip6({0x2001, 0xdb8, 1, 2, 3, 4, 5, 6}),
  };
  return clients;
}

TEST("source hashing picks what ip_vs_sh of Linux 6.12 picks") {
  const auto clients = sixteen_clients();
  const std::vector<uint32_t> equal{1, 1, 1}, drained{3, 0, 2};
  Bench plain(equal, sh(equal, false, false)), with_port(equal, sh(equal, true, false));
  CHECK_EQ(picks_of_clients(plain, 40000, clients), std::string("CAABCBCCABACACACABAB"));
  CHECK_EQ(picks_of_clients(with_port, 40000, clients), std::string("BCBABCBACABBCACABACA"));
  CHECK_EQ(picks_of_clients(plain, 0, six_v6_clients()), std::string("CBABBB"));
  Bench refusing(drained, sh(drained, false, false)), falling(drained, sh(drained, false, true));
  CHECK_EQ(picks_of_clients(refusing, 0, clients), std::string("C-ACACAC-A-AAAAA-A-C"));
  CHECK_EQ(picks_of_clients(falling, 0, clients), std::string("CCACACACAAAAAAAAAACC"));
}

TEST("source hashing works with one bucket and with 65536") {
  for (const size_t size : {size_t{1}, size_t{2}, size_t{65536}}) {
    Plan plan = sh({1, 1, 1}, false, true);
    plan.steps.assign(size, 1);
    Bench bench({1, 1, 1}, plan);
    CHECK_EQ(bench.pick({0xffffffff, 1}), 1);
    CHECK_EQ(bench.pick({0, 0}), 1);
  }
}

/** Maglev's table by ip_vs_mh.c's description: each server in turn takes the next free slot of its own permutation. */
Plan mh(const std::vector<uint32_t>& turns, bool use_port, bool fallback,
        const std::vector<Address>& servers) {
  constexpr uint32_t kSize = 4093;
  Plan plan;
  plan.kind = PlanKind::hash;
  plan.function = HashFunction::siphash;
  plan.use_port = use_port;
  plan.fallback = fallback;
  plan.steps.assign(kSize, -1);
  std::vector<uint32_t> at(servers.size()), skip(servers.size());
  for (size_t s = 0; s < servers.size(); ++s) {
    const uint32_t name = client(servers[s]).folded_address + 8080;
    at[s] = hsiphash_u32(name, {2654435761u, 2654435761u}) % kSize;
    skip[s] = hsiphash_u32(name, {2654446892u, 2654446892u}) % (kSize - 1) + 1;
  }
  for (uint32_t filled = 0; filled < kSize;) {
    for (size_t s = servers.size(); s-- > 0;) {
      for (uint32_t turn = 0; turn < turns[s] && filled < kSize; ++turn, ++filled) {
        while (plan.steps[at[s]] >= 0) at[s] = (at[s] + skip[s]) % kSize;
        plan.steps[at[s]] = int32_t(s);
      }
    }
  }
  return plan;
}

TEST("Maglev hashing picks what ip_vs_mh of Linux 6.12 picks") {
  const std::vector<Address> servers{ip4(10, 0, 0, 1), ip4(10, 0, 0, 2), ip4(10, 0, 0, 3)};
  const std::vector<Address> servers6{ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 1}),
                                      ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 2}),
                                      ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 3})};
  const auto clients = sixteen_clients();
  const Plan plan = mh({1, 1, 1}, false, false, servers);
  std::string first;
  for (int i = 0; i < 32; ++i) first += char('A' + plan.steps[size_t(i)]);
  CHECK_EQ(first, std::string("BCCAACBACCBACBACBAACBACBAACCACBA"));

  Bench plain({1, 1, 1}, plan), with_port({1, 1, 1}, mh({1, 1, 1}, true, false, servers));
  CHECK_EQ(picks_of_clients(plain, 40000, clients), std::string("ABAABBAAACBAAACBAACB"));
  CHECK_EQ(picks_of_clients(with_port, 40000, clients), std::string("BCBCACAABCCCABAAAABC"));
  Bench weighted({3, 2, 1}, mh({3, 2, 1}, false, false, servers));
  CHECK_EQ(picks_of_clients(weighted, 0, clients), std::string("ABAABBAAABBAAACBAABB"));
  Bench six({1, 1, 1}, mh({1, 1, 1}, false, false, servers6));
  CHECK_EQ(picks_of_clients(six, 0, six_v6_clients()), std::string("CCCCCB"));
  Bench refusing({1, 0, 1}, plan), falling({1, 0, 1}, mh({1, 1, 1}, false, true, servers));
  CHECK_EQ(picks_of_clients(refusing, 0, clients), std::string("A-AA--AAAC-AAAC-AAC-"));
  CHECK_EQ(picks_of_clients(falling, 0, clients), std::string("AAAACAAAACAAAACAAACC"));
}

TEST("an empty slot picks none, and with fallback whoever is found further on") {
  Plan plan = sh({1, 1}, false, false);
  std::fill(plan.steps.begin(), plan.steps.end(), -1);
  CHECK_EQ(Bench({1, 1}, plan).pick({7, 7}), -1);
  plan.fallback = true;
  CHECK_EQ(Bench({1, 1}, plan).pick({7, 7}), -1);
  plan.steps[3] = 1;
  CHECK_EQ(Bench({1, 1}, plan).pick({7, 7}), 1);
  plan.function = HashFunction::siphash;
  plan.steps.assign(251, 0);
  plan.fallback = false;
  CHECK_EQ(Bench({1, 1}, plan).pick({7, 7}), 0);
}

// ---- thresholds ----

TEST("a server is overloaded from its upper threshold down to one below its lower one") {
  const struct {
    const char* name;
    uint32_t upper, lower, set_at, cleared_at;
  } cases[] = {
      {"10, lower by default 8", 10, 0, 10, 7},
      {"1, lower by default 1", 1, 0, 1, 0},
      {"4, lower by default 3", 4, 0, 4, 2},
      {"10 and 5", 10, 5, 10, 4},
      {"10 and 10", 10, 10, 10, 9},
      {"3 and 1", 3, 1, 3, 0},
  };
  for (const auto& c : cases) {
    ROW(c.name);
    ServerLoad load;
    for (uint32_t total = 1; total <= c.upper; ++total) {
      load.bound(c.upper);
      CHECK_EQ(load.overloaded.load(), total >= c.set_at);
    }
    load.moved(true);  // active or not is the same to a threshold
    for (uint32_t total = c.upper; total-- > 0;) {
      load.unbound(total == 0, c.upper, c.lower);
      CHECK_EQ(load.total(), total);
      CHECK_EQ(load.overloaded.load(), total > c.cleared_at);
    }
  }
}

TEST("without a threshold nobody is overloaded, and new thresholds are judged at once") {
  ServerLoad load;
  for (int i = 0; i < 1000; ++i) load.bound(0);
  CHECK_EQ(load.overloaded.load(), false);
  load.reevaluate(1000, 0);
  CHECK_EQ(load.overloaded.load(), true);
  load.reevaluate(1200, 900);  // between: stays as it was
  CHECK_EQ(load.overloaded.load(), true);
  load.reevaluate(1400, 1001);
  CHECK_EQ(load.overloaded.load(), false);
  load.reevaluate(1001, 900);
  CHECK_EQ(load.overloaded.load(), false);
  load.reevaluate(500, 400);
  CHECK_EQ(load.overloaded.load(), true);
  load.reevaluate(0, 0);
  CHECK_EQ(load.overloaded.load(), false);
}

}  // namespace
}  // namespace vsnat::test
