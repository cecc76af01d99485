// SPDX-License-Identifier: Apache-2.0
//
// Plans that look beyond the client: idle servers first, the first with room, two drawn at random, the destination's
// hash and the destination's memory. Servers A, B, C stand at 0, 1, 2; the kernel's lists run newest first.
// test/addon plays whole histories of these; here are the rules one by one, and the threads.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "service/dispatch.h"
#include "test/native/support/services.h"

namespace vsnat::test {
namespace {

using service::Among;
using service::HashOn;
using service::Occasion;
using service::Plan;
using service::PlanKind;
using service::Server;
using service::ServerLoad;
using service::Snapshot;

constexpr uint32_t kDaySeconds = 86400;

/** The bytes of an address, as pick() wants a destination. */
std::span<const uint8_t> bytes_of(const Address& address) {
  static thread_local wire::Addr4 v4;
  static thread_local wire::Addr6 v6;
  if (address.family == 4) {
    v4 = address.v4();
    return {reinterpret_cast<const uint8_t*>(&v4), sizeof(v4)};
  }
  v6 = address.v6();
  return {reinterpret_cast<const uint8_t*>(&v6), sizeof(v6)};
}

struct ServerOf {
  uint32_t slot, weight;
  uint8_t host;  // 10.0.0.host
};

/** One service, its snapshots one after the other, and connections that never end. */
class Hall {
 public:
  Hall(Plan plan, const std::vector<uint32_t>& weights, std::vector<Address> vips = {ip4(192, 0, 2, 10)})
      : loads(16), vips_(std::move(vips)) {
    std::vector<ServerOf> servers;
    for (uint32_t i = 0; i < weights.size(); ++i) servers.push_back({i, weights[i], uint8_t(i + 1)});
    publish(std::move(plan), servers);
  }

  void publish(Plan plan, const std::vector<ServerOf>& servers) {
    std::vector<service::ServerSpec> specs;
    for (const ServerOf& s : servers) {
      const Address address =
          vips_[0].family == 4 ? ip4(10, 0, 0, s.host) : ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, s.host});
      specs.push_back(server_spec(s.slot, {address, 8080}, s.weight));
    }
    service::SnapshotSpec spec;
    spec.services.push_back(service_spec(3, 6, {vips_[0], 80}, std::move(specs)));
    for (size_t i = 1; i < vips_.size(); ++i)
      spec.services[0].listen.push_back({6, ip_address(vips_[i]), uint16_t(80 + i)});
    spec.services[0].plan = std::move(plan);
    auto next = built(spec);
    if (snapshot) next->inherit(*snapshot);
    snapshot = std::move(next);
  }

  /** The server's slot as a letter; '-' for none. */
  char pick(size_t vip = 0) {
    const Occasion occasion{bytes_of(vips_[vip]), Now{seconds * 1000}.tick(), &prng};
    const Server* server = service::pick(*snapshot, *snapshot->services[0], {}, loads.data(), occasion);
    return server == nullptr ? '-' : char('A' + server->slot);
  }
  std::string picks(int n, bool active = true) {
    std::string letters;
    for (int i = 0; i < n; ++i) {
      letters += pick();
      if (letters.back() == '-') continue;
      ServerLoad& load = loads[size_t(letters.back() - 'A')];
      load.bound(0);
      if (active) load.moved(true);
    }
    return letters;
  }
  void active(const std::vector<uint32_t>& counts) {
    for (size_t i = 0; i < counts.size(); ++i) loads[i].active = counts[i];
  }

  std::vector<ServerLoad> loads;
  uint64_t seconds = 1'000'000;
  Prng prng{1};
  std::unique_ptr<Snapshot> snapshot;

 private:
  std::vector<Address> vips_;
};

Plan ordered(PlanKind kind, std::vector<int32_t> order) {
  Plan plan;
  plan.kind = kind;
  plan.steps = std::move(order);
  return plan;
}
Plan nq() {
  Plan plan = ordered(PlanKind::least, {2, 1, 0});
  plan.among = Among::idle_first;
  plan.active_cost = plan.constant = 1;
  plan.weighted = true;
  return plan;
}
Plan distinct(std::vector<uint16_t> factors = {}) {
  Plan plan = ordered(PlanKind::least, {2, 1, 0});
  plan.among = Among::two_distinct;
  plan.active_cost = plan.constant = 1;
  plan.weighted = true;
  plan.factors = std::move(factors);
  return plan;
}
/** With one slot, A's. */
Plan bounded(uint32_t percent) {
  Plan plan = ordered(PlanKind::bounded, {0});
  plan.bound_percent = percent;
  return plan;
}
Plan twos() {
  Plan plan = ordered(PlanKind::least, {2, 1, 0});
  plan.among = Among::two;
  plan.active_cost = 257;
  plan.inactive_cost = 1;
  plan.weighted = true;
  return plan;
}
Plan first(bool overflow, std::vector<int32_t> order) {
  Plan plan = ordered(PlanKind::first, std::move(order));
  plan.overflow = overflow;
  return plan;
}
Plan local(bool replicate, std::vector<int32_t> order = {2, 1, 0}) {
  Plan plan = ordered(PlanKind::local, std::move(order));
  plan.replicate = replicate;
  plan.active_cost = 257;
  plan.inactive_cost = 1;
  plan.weighted = true;
  plan.forget_ticks = ticks_from_seconds(kDaySeconds);
  return plan;
}

TEST("nq, fo, ovf, lblc and lblcr of Linux 6.12 fill servers in this order") {
  const struct {
    const char* name;
    Plan plan;
    std::vector<uint32_t> weights;
    bool active;
    const char* picks;
  } cases[] = {
      {"nq 3 2 1", nq(), {3, 2, 1}, true, "CBAABAABACBAABA"},
      {"nq 0 2 5", nq(), {0, 2, 5}, true, "CBCCCCBCCBCCCBC"},
      {"nq, UDP: always idle, so always the newest", nq(), {3, 2, 1}, false, "CCCCC"},
      {"fo 3 2 1", first(false, {0, 1, 2}), {3, 2, 1}, true, "AAAAA"},
      {"ovf 3 2 1", first(true, {0, 1, 2}), {3, 2, 1}, true, "AAAABBBCC------"},
      {"ovf of equal weights", first(true, {2, 1, 0}), {1, 1, 1}, true, "CCBBAA---"},
      {"ovf, UDP: never above the weight", first(true, {0, 1, 2}), {3, 2, 1}, false, "AAAAAAAAAA"},
      {"lblc 2 2 2", local(false), {2, 2, 2}, true, "CCCBBBAAAAAA"},
      {"lblc 4 2 1", local(false), {4, 2, 1}, true, "CCBBBAAAAAAA"},
      {"lblcr 2 2 2", local(true), {2, 2, 2}, true, "CCCBBBAAAABCABCA"},
      {"lblcr 4 2 1", local(true), {4, 2, 1}, true, "CCBBBAAAAAAABAAB"},
  };
  for (const auto& c : cases) {
    ROW(c.name);
    CHECK_EQ(Hall(c.plan, c.weights).picks(int(std::string(c.picks).size()), c.active), std::string(c.picks));
  }
}

TEST("every plan passes over a drained and an overloaded server, and none may be left") {
  Plan dh = ordered(PlanKind::hash, std::vector<int32_t>(256, 2));
  dh.on = HashOn::destination;
  for (const Plan& plan :
       {nq(), twos(), first(false, {2, 1, 0}), first(true, {2, 1, 0}), local(true), distinct(), dh}) {
    ROW("kind " + std::to_string(int(plan.kind)));
    const bool hash = plan.kind == PlanKind::hash;
    Hall hall(plan, {1, 0, 5});
    hall.loads[2].overloaded = true;
    CHECK_EQ(hall.pick(), hash ? '-' : 'A');
    hall.loads[0].overloaded = true;
    CHECK_EQ(hall.pick(), '-');
    hall.loads[2].overloaded = false;
    CHECK_EQ(hall.pick(), 'C');
  }
}

// ---- two drawn at random ----

TEST("the generator is SplitMix64, and its draws stay below their bound") {
  Prng prng(0);
  CHECK_EQ(prng.next(), 0xe220a8397b1dcdafu);
  CHECK_EQ(prng.next(), 0x6e789e6aa1b965f4u);
  CHECK_EQ(prng.next(), 0x06c45d188009454fu);
  for (const uint64_t bound : {uint64_t{1}, uint64_t{2}, uint64_t{7}, uint64_t{1} << 40}) {
    uint64_t most = 0;
    for (int i = 0; i < 1000; ++i) most = std::max(most, prng.below(bound));
    CHECK(most < bound && most >= (bound - 1) / 2);
  }
}

TEST("twos takes idle servers by weight, to within the kernel's one chance too many") {
  Hall hall(twos(), {3, 2, 1});
  int counts[3] = {};
  constexpr int kPicks = 70000;
  for (int i = 0; i < kPicks; ++i) ++counts[hall.pick() - 'A'];
  // Both draws are 0..6: C for 0 and 1, B for 2 and 3, A for 4 to 6; at a tie the first drawn stays.
  const double want[3] = {3 / 7.0, 2 / 7.0, 2 / 7.0};
  for (int i = 0; i < 3; ++i) CHECK(std::abs(counts[i] / double(kPicks) - want[i]) < 0.01);
}

TEST("twos without a generator meets the first server of the order, and never a crowded one of two") {
  Hall hall(twos(), {3, 2, 1});
  const Occasion occasion;
  const Server* server =
      service::pick(*hall.snapshot, *hall.snapshot->services[0], {}, hall.loads.data(), occasion);
  CHECK_EQ(server ? int(server->slot) : -1, 2);
  hall.active({0, 0, 1000});
  int crowded = 0;
  for (int i = 0; i < 7000; ++i) crowded += hall.pick() == 'C';
  CHECK(crowded > 400 && crowded < 800);  // only when both draws met it, which is 4 of 49 times
}

TEST("two distinct draws never meet the same server twice, so the dearest of all is never taken") {
  Hall hall(distinct({1, 1, 65535}), {3, 2, 1});
  int counts[3] = {};
  for (int i = 0; i < 10000; ++i) ++counts[hall.pick() - 'A'];
  CHECK_EQ(counts[2], 0);
  // A wins wherever it is drawn: first (3/6), after B (2/6 * 3/4) or after C (1/6 * 3/5). B has the rest.
  CHECK(std::abs(counts[0] / 10000. - 0.85) < 0.02);
}

TEST("a server alone is drawn alone, without a generator too") {
  Hall hall(distinct(), {0, 4, 0});
  CHECK_EQ(hall.picks(3), std::string("BBB"));
  const Occasion occasion;
  const Server* server =
      service::pick(*hall.snapshot, *hall.snapshot->services[0], {}, hall.loads.data(), occasion);
  CHECK_EQ(server ? int(server->slot) : -1, 1);
}

// ---- hashed within bounds ----

TEST("a bounded plan serves where all of its table are at their bound, and not where none is usable") {
  Hall hall(bounded(100), {1, 1, 1});  // A alone has slots
  CHECK_EQ(hall.picks(6), std::string("AAAAAA"));
  hall.loads[0].overloaded = true;
  CHECK_EQ(hall.pick(), '-');
}

TEST("no server of a bounded plan gets beyond its share of the whole, the bound and the weights respected") {
  Plan plan = bounded(125);
  plan.steps = {0, 1, 2};
  Hall hall(plan, {1, 2, 1});
  hall.picks(400);
  const uint32_t active[3] = {hall.loads[0].active, hall.loads[1].active, hall.loads[2].active};
  CHECK_EQ(active[0] + active[1] + active[2], 400u);
  CHECK(active[0] <= 125 && active[1] <= 250 && active[2] <= 125);
  // One client asks all the time: the first server met is at its bound exactly, and so is the second.
  CHECK(active[0] == 125 || active[1] == 250 || active[2] == 125);
}

// ---- by destination ----

TEST("destination hashing picks what ip_vs_dh of Linux 6.12 picks") {
  Plan plan = ordered(PlanKind::hash, {});
  plan.on = HashOn::destination;
  for (int i = 0; i < 256; ++i) plan.steps.push_back(2 - i % 3);
  std::vector<Address> vips;
  for (uint8_t i = 10; i <= 25; ++i) vips.push_back(ip4(192, 0, 2, i));
  Hall hall(plan, {1, 1, 1}, vips);
  std::string letters;
  for (size_t i = 0; i < vips.size(); ++i) letters += hall.pick(i);
  CHECK_EQ(letters, std::string("CBCACBCBCCABABAC"));
}

TEST("destination hashing folds an IPv6 address as source hashing does") {
  const std::vector<Address> vips = {ip6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1}),
                                     ip6({0x2001, 0xdb8, 1, 2, 3, 4, 5, 6})};
  Plan plan = ordered(PlanKind::hash, {});
  for (int i = 0; i < 256; ++i) plan.steps.push_back(i % 7);
  Hall by_source(plan, {1, 1, 1, 1, 1, 1, 1}, vips);
  plan.on = HashOn::destination;
  Hall by_destination(plan, {1, 1, 1, 1, 1, 1, 1}, vips);
  for (size_t i = 0; i < vips.size(); ++i) {
    const Server* server = service::pick(*by_source.snapshot, *by_source.snapshot->services[0],
                                         {vips[i].v6().fold(), 7}, by_source.loads.data());
    CHECK_EQ(by_destination.pick(i), server ? char('A' + server->slot) : '-');
  }
}

TEST("two IPv6 destinations that fold to one number are remembered apart") {
  const Address one = ip6({0x2001, 0xdb8, 0, 1, 0, 0, 0, 2}), other = ip6({0x2001, 0xdb8, 0, 2, 0, 0, 0, 1});
  CHECK_EQ(one.v6().fold(), other.v6().fold());
  Hall hall(local(false, {1, 0}), {1, 1}, {one, other, one});
  CHECK_EQ(hall.pick(0), 'B');
  hall.active({0, 1});
  CHECK_EQ(hall.pick(1), 'A');
  hall.active({0, 0});
  CHECK_EQ(hall.pick(0), 'B');
  CHECK_EQ(hall.pick(1), 'A');
}

// ---- the memory of a destination ----

TEST("lblc stays past its server's threshold but not past its weight, and lblcr past neither") {
  for (const bool replicate : {false, true}) {
    ROW(replicate ? "lblcr" : "lblc");
    Hall hall(local(replicate), {1, 1, 1});
    CHECK_EQ(hall.pick(), 'C');
    hall.loads[2].overloaded = true;
    CHECK_EQ(hall.pick(), replicate ? 'B' : 'C');
    hall.loads[2].overloaded = false;
    hall.publish(local(replicate, {1, 0}), {{0, 1, 1}, {1, 1, 2}, {2, 0, 3}});
    CHECK_EQ(hall.pick(), 'B');
  }
}

TEST("a destination nobody asks for in a day is forgotten, and any connection begins a new day") {
  for (const bool replicate : {false, true}) {
    ROW(replicate ? "lblcr" : "lblc");
    Hall hall(local(replicate), {1, 1, 1});
    CHECK_EQ(hall.pick(), 'C');
    hall.active({0, 0, 1});
    hall.seconds += kDaySeconds - 1;
    CHECK_EQ(hall.pick(), 'C');
    hall.seconds += kDaySeconds - 1;
    CHECK_EQ(hall.pick(), 'C');
    hall.seconds += kDaySeconds;
    CHECK_EQ(hall.pick(), 'B');
  }
}

TEST("a server is left when another has less than half its weight, not at half") {
  for (const bool replicate : {false, true}) {
    ROW(replicate ? "lblcr" : "lblc");
    Hall hall(local(replicate), {2, 2, 2});
    CHECK_EQ(hall.pick(), 'C');
    hall.active({1, 1, 3});
    CHECK_EQ(hall.pick(), 'C');
    hall.active({0, 1, 2});  // not above its weight
    CHECK_EQ(hall.pick(), 'C');
    hall.active({1, 0, 3});
    CHECK_EQ(hall.pick(), 'B');
  }
}

TEST("a set that did not change for more than a day loses its most loaded member") {
  Hall hall(local(true), {2, 2, 2});
  hall.active({0, 0, 3});
  CHECK_EQ(hall.pick(), 'B');
  hall.active({0, 3, 3});
  CHECK_EQ(hall.pick(), 'A');  // the set is now A, B
  hall.active({2, 1, 0});      // C would be the least, but is no member
  CHECK_EQ(hall.pick(), 'B');
  hall.seconds += kDaySeconds / 2;
  CHECK_EQ(hall.pick(), 'B');
  hall.seconds += kDaySeconds / 2;
  CHECK_EQ(hall.pick(), 'B');  // exactly a day: not yet
  hall.active({0, 1, 0});
  CHECK_EQ(hall.pick(), 'A');
  hall.seconds += 1;
  CHECK_EQ(hall.pick(), 'A');  // and this takes B out
  hall.active({1, 0, 0});
  CHECK_EQ(hall.pick(), 'A');
  for (int day = 0; day < 2; ++day) {  // a set of one is never taken apart
    hall.seconds += kDaySeconds - 1;
    CHECK_EQ(hall.pick(), 'A');
  }
  CHECK_EQ(hall.pick(), 'A');
}

TEST("the memory survives a new snapshot for the servers that stay, wherever they stand") {
  Hall hall(local(false), {1, 1, 1});
  CHECK_EQ(hall.pick(), 'C');
  hall.active({0, 0, 1});
  hall.publish(local(false, {3, 2, 1, 0}), {{2, 1, 3}, {4, 1, 5}, {0, 1, 1}, {1, 1, 2}});
  CHECK_EQ(hall.pick(), 'C');
  hall.publish(local(false, {2, 1, 0}), {{4, 1, 5}, {0, 1, 1}, {1, 1, 2}});
  CHECK_EQ(hall.pick(), 'B');
}

TEST("the memory is not for another server in the same slot, nor for another scheduler") {
  for (const auto& [name, plan, host] : {std::tuple{"another address", local(true), uint8_t{9}},
                                         std::tuple{"another scheduler", local(false), uint8_t{3}}}) {
    ROW(name);
    Hall hall(local(true), {1, 1, 1});
    CHECK_EQ(hall.pick(), 'C');
    hall.active({0, 0, 1});
    hall.publish(plan, {{0, 1, 1}, {1, 1, 2}, {2, 1, host}});
    CHECK_EQ(hall.pick(), 'B');
  }
}

TEST("workers may ask for a destination while its memory is handed over") {
  Hall hall(local(true), {3, 2, 1});
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;
  std::atomic<int> strangers{0};
  Snapshot& before = *hall.snapshot;
  for (int w = 0; w < 3; ++w) {
    workers.emplace_back([&, w] {
      const Address vip = ip4(192, 0, 2, 10);
      const auto destination = bytes_of(vip);
      for (uint32_t i = 0; !stop; ++i) {
        const Occasion occasion{destination, Tick{i * 1000}, nullptr};
        const Server* server = service::pick(before, *before.services[0], {}, hall.loads.data(), occasion);
        if (server == nullptr) {
          ++strangers;
          continue;
        }
        ServerLoad& load = hall.loads[server->slot];
        load.bound(0);
        load.moved(true);
        if (i % 4 == uint32_t(w)) continue;
        load.unbound(true, 0, 0);
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    service::SnapshotSpec spec;
    std::vector<service::ServerSpec> servers;
    for (uint32_t s = 0; s < 3; ++s) servers.push_back(server_spec(s, {ip4(10, 0, 0, uint8_t(s + 1)), 8080}));
    spec.services.push_back(service_spec(3, 6, {ip4(192, 0, 2, 10), 80}, std::move(servers)));
    spec.services[0].plan = local(true);
    auto next = built(spec);
    next->inherit(before);
    const auto* entry = next->services[0]->locality->find(bytes_of(ip4(192, 0, 2, 10)));
    CHECK(entry != nullptr && entry->servers().size() <= 3);
  }
  stop = true;
  for (std::thread& worker : workers) worker.join();
  CHECK_EQ(strangers.load(), 0);
}

TEST("a cycle that continues loses no step, also to those who still use the snapshot before") {
  const Address vip = ip4(192, 0, 2, 10);
  const auto snapshot_of = [&](std::vector<int32_t> cycle, bool continues) {
    service::SnapshotSpec spec;
    std::vector<service::ServerSpec> servers;
    for (uint32_t i = 0; i < 3; ++i)
      servers.push_back(server_spec(i, {ip4(10, 0, 0, uint8_t(1 + i)), 8080}, 1));
    spec.services.push_back(service_spec(3, 6, {vip, 80}, std::move(servers)));
    spec.services[0].plan = ordered(PlanKind::cycle, std::move(cycle));
    spec.services[0].continues = continues;
    return built(spec);
  };
  std::vector<ServerLoad> loads(8);
  const auto pick = [&](const Snapshot& snapshot) {
    const Occasion occasion{bytes_of(vip), Now{0}.tick(), nullptr};
    return service::pick(snapshot, *snapshot.services[0], {}, loads.data(), occasion)->slot;
  };
  const auto before = snapshot_of({0, 1, 2}, true);  // nothing to go on with: it begins
  CHECK_EQ(pick(*before), 0u);
  const auto same = snapshot_of({0, 1, 2}, true);
  same->inherit(*before);
  CHECK_EQ(pick(*before), 1u);  // a worker that has not adopted yet
  CHECK_EQ(pick(*same), 2u);
  const auto other = snapshot_of({2, 1, 0}, false);
  other->inherit(*same);
  CHECK_EQ(pick(*other), 2u);
  CHECK_EQ(pick(*same), 0u);
}

}  // namespace
}  // namespace vsnat::test
