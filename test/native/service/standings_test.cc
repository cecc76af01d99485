// SPDX-License-Identifier: Apache-2.0
//
// Standings of large services against the walk they spare: a snapshot whose standings nobody watches walks, so two of
// the same spec, of which one is watched, must pick the same at every step of any history.
#include "service/standings.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "service/dispatch.h"
#include "test/native/support/services.h"

namespace vsnat::test {
namespace {

using service::Among;
using service::ClientKey;
using service::Occasion;
using service::Plan;
using service::PlanKind;
using service::Server;
using service::ServerLoad;
using service::Snapshot;
using service::Tournament;
using service::WeightSums;

constexpr uint32_t kMostServers = 300;
constexpr service::Limits kLimits{kMostServers, 4};

TEST("a tournament is won by the first of the least, and by nobody when nobody is there") {
  Random random("tournament");
  for (int round = 0; round < scaled(300); ++round) {
    const uint32_t places = random.between(1, 70);
    Tournament tournament(places);
    std::vector<Tournament::Entry> entries(places);
    for (uint32_t i = 0; i < places; ++i) entries[i].place = i;
    CHECK_EQ(tournament.best().weight, 0u);
    for (int change = 0; change < 200; ++change) {
      Tournament::Entry& entry = entries[random.below(places)];
      const uint64_t scale = random.one_in(9) ? uint64_t{1} << 50 : 1;  // products that 64 bits do not hold
      entry = random.one_in(5)
                  ? Tournament::Entry{.place = entry.place}
                  : Tournament::Entry{random.below(5) * scale, random.between(1, 4), entry.place};
      if (random.one_in(8)) {
        tournament.put_later(entry);
        tournament.settle();
      } else {
        tournament.put(entry);
      }
      const Tournament::Entry* want = nullptr;
      for (const auto& e : entries) {
        if (e.weight == 0) continue;
        if (want == nullptr || __int128(e.cost) * want->weight < __int128(want->cost) * e.weight) want = &e;
      }
      if (!CHECK_EQ(tournament.best().weight, want ? want->weight : 0u)) return;
      if (want && !CHECK_EQ(tournament.best().place, want->place)) return;
    }
  }
}

TEST("sums of weights find whom a draw means") {
  Random random("weight sums");
  for (int round = 0; round < scaled(100); ++round) {
    const uint32_t places = random.between(1, 40);
    WeightSums sums(places);
    std::vector<uint32_t> weights(places);
    for (int change = 0; change < 50; ++change) {
      const uint32_t changed = random.below(places);
      sums.put(changed, weights[changed] = random.below(4));
      std::vector<uint32_t> places_by_draw;
      for (uint32_t i = 0; i < places; ++i) {
        if (!CHECK_EQ(sums.before(i), uint64_t(places_by_draw.size()))) return;
        places_by_draw.insert(places_by_draw.end(), weights[i], i);
      }
      if (!CHECK_EQ(sums.total(), uint64_t(places_by_draw.size()))) return;
      for (uint64_t draw = 0; draw < places_by_draw.size(); ++draw) {
        if (!CHECK_EQ(sums.at(draw), places_by_draw[draw])) return;
      }
    }
  }
}

// ---- against the walk ----

struct Kind {
  const char* name;
  PlanKind kind;
  Among among = Among::all;
  uint32_t active_cost = 257, inactive_cost = 1, constant = 0;
  bool weighted = true, overflow = false, replicate = false, factors = false;
};

constexpr Kind kKinds[] = {
    {.name = "wlc", .kind = PlanKind::least},
    {.name = "lc", .kind = PlanKind::least, .weighted = false},
    {.name = "sed", .kind = PlanKind::least, .active_cost = 1, .inactive_cost = 0, .constant = 1},
    {.name = "with factors", .kind = PlanKind::least, .factors = true},
    {.name = "nq",
     .kind = PlanKind::least,
     .among = Among::idle_first,
     .active_cost = 1,
     .inactive_cost = 0,
     .constant = 1},
    {.name = "idle first of no cost",
     .kind = PlanKind::least,
     .among = Among::idle_first,
     .active_cost = 0,
     .inactive_cost = 0},
    {.name = "twos", .kind = PlanKind::least, .among = Among::two},
    {.name = "peak-ewma", .kind = PlanKind::least, .among = Among::two_distinct, .factors = true},
    {.name = "fo", .kind = PlanKind::first},
    {.name = "ovf", .kind = PlanKind::first, .overflow = true},
    {.name = "lblc", .kind = PlanKind::local},
    {.name = "lblcr", .kind = PlanKind::local, .replicate = true},
    {.name = "bounded-hash", .kind = PlanKind::bounded},
};

/** Any order: not everybody is in it, and now and then somebody twice. */
std::vector<int32_t> some_order(Random& random, uint32_t servers) {
  std::vector<int32_t> order;
  for (uint32_t i = 0; i < servers; ++i) {
    if (random.one_in(20)) continue;
    order.insert(order.begin() + random.below(uint32_t(order.size()) + 1), int32_t(i));
  }
  if (random.one_in(3)) order.push_back(int32_t(random.below(servers)));
  return order;
}

Plan plan_of(const Kind& kind, Random& random, uint32_t servers) {
  Plan plan;
  plan.kind = kind.kind;
  plan.steps = some_order(random, servers);
  plan.among = kind.among;
  plan.active_cost = kind.active_cost;
  plan.inactive_cost = kind.inactive_cost;
  plan.constant = kind.constant;
  plan.weighted = kind.weighted;
  plan.overflow = kind.overflow;
  plan.replicate = kind.replicate;
  plan.forget_ticks = ticks_from_seconds(1000);
  plan.bound_percent = 110;
  plan.counted = random.one_in(2) ? service::Counted::active : service::Counted::all;
  for (uint32_t i = 0; kind.factors && i < servers; ++i)
    plan.factors.push_back(uint16_t(random.between(1, 9)));
  return plan;
}

service::SnapshotSpec some_spec(const Kind& kind, Random& random, uint32_t servers) {
  std::vector<service::ServerSpec> specs;
  for (uint32_t i = 0; i < servers; ++i) {
    const uint32_t weight = random.one_in(6) ? 0 : random.between(1, 5);
    const uint32_t upper = random.one_in(3) ? random.between(1, 6) : 0;
    specs.push_back(server_spec(i, {ip4(10, 0, uint8_t(i >> 8), uint8_t(i)), 8080}, weight, upper,
                                upper != 0 && random.one_in(2) ? random.between(1, upper) : 0));
  }
  service::SnapshotSpec spec;
  spec.services.push_back(service_spec(0, 6, virtual_endpoint(4), std::move(specs)));
  spec.services[0].plan = plan_of(kind, random, servers);
  return spec;
}

/** What a connection does to its server's load, and how it may be undone. */
struct Connection {
  uint32_t server;
  bool active;
};

/** Two directors with the same services and the same connections, of which one has standings. */
class Twins {
 public:
  explicit Twins(const service::SnapshotSpec& spec) : loads(kLimits.counted_slots()) { publish(spec); }

  void publish(const service::SnapshotSpec& spec) {
    auto next = built(spec, 1, kLimits), walking = built(spec, 1, kLimits);
    for (const Server& server : next->services[0]->servers)
      loads[server.slot].reevaluate(server.upper_threshold, server.lower_threshold);
    if (watched) {
      next->inherit(*watched);
      walking->inherit(*walks);
    }
    next->watch(loads.data(), watched.get());
    retired = std::move(watched);
    watched = std::move(next);
    walks = std::move(walking);
  }

  const Server* server(uint32_t index) const { return &watched->services[0]->servers[index]; }

  /** The slot that is picked, or -1; false in `same` when the walk picks another. */
  int pick(ClientKey client, bool& same) {
    Prng again = prng;
    const int want = pick_from(*walks, client, again);
    const int got = pick_from(*watched, client, prng);
    same = CHECK_EQ(got, want) && CHECK_EQ(prng.next(), again.next());
    return got;
  }
  int pick_from(const Snapshot& snapshot, ClientKey client, Prng& draws) {
    const wire::Addr4 vip = virtual_endpoint(4).address.v4();
    const Occasion occasion{
        {reinterpret_cast<const uint8_t*>(&vip), sizeof(vip)}, Tick{seconds * 1000}, &draws};
    const Server* server = service::pick(snapshot, *snapshot.services[0], client, loads.data(), occasion);
    return server == nullptr ? -1 : int(server->slot);
  }

  std::vector<ServerLoad> loads;
  std::unique_ptr<Snapshot> watched, walks, retired;
  Prng prng{7};
  uint32_t seconds = 1;
};

void play(const Kind& kind, Random& random) {
  uint32_t servers = random.between(20, kMostServers);
  Twins twins(some_spec(kind, random, servers));
  std::vector<Connection> connections;
  for (int step = 0; step < 1500; ++step) {
    const uint32_t what = random.below(100);
    if (what < 50) {
      bool same = true;
      const int slot = twins.pick({random.below(40), 0}, same);
      if (!same) return;
      if (slot < 0) continue;
      twins.loads[size_t(slot)].bound(twins.server(uint32_t(slot))->upper_threshold);
      connections.push_back({uint32_t(slot), false});
    } else if (connections.empty()) {
      continue;
    } else if (what < 75) {
      Connection& moved = connections[random.below(uint32_t(connections.size()))];
      moved.active = !moved.active;
      twins.loads[moved.server].moved(moved.active);
    } else if (what < 98) {
      std::swap(connections[random.below(uint32_t(connections.size()))], connections.back());
      const Connection ended = connections.back();
      const Server* server = ended.server < servers ? twins.server(ended.server) : nullptr;
      twins.loads[ended.server].unbound(ended.active, server ? server->upper_threshold : 0,
                                        server ? server->lower_threshold : 0);
      connections.pop_back();
    } else if (what < 99) {
      twins.seconds += random.below(2000);
    } else {
      servers = random.between(20, kMostServers);
      twins.publish(some_spec(kind, random, servers));
    }
  }
}

TEST("standings pick what a walk picks, whatever has happened in between") {
  Random random("standings");
  for (const Kind& kind : kKinds) {
    ROW(kind.name);
    for (int round = 0; round < std::max(2, scaled(12)); ++round) play(kind, random);
  }
}

TEST("a large service of each kind keeps standings, a small one does not") {
  Random random("which service keeps standings");
  for (const Kind& kind : kKinds) {
    ROW(kind.name);
    service::SnapshotSpec spec = some_spec(kind, random, 100);
    spec.services[0].plan.steps.resize(1);
    const bool all_cost_nothing = std::string(kind.name) == "idle first of no cost";
    CHECK_EQ(built(spec, 1, kLimits)->services[0]->standings != nullptr, !all_cost_nothing);
    spec = some_spec(kind, random, 8);
    CHECK(built(spec, 1, kLimits)->services[0]->standings == nullptr);
  }
}

TEST("a worker with the snapshot before walks, and picks what the successor's standings pick") {
  Random random("before");
  const Kind& wlc = kKinds[0];
  service::SnapshotSpec spec = some_spec(wlc, random, 200);
  Twins twins(spec);
  twins.publish(spec);
  for (int i = 0; i < 1000; ++i) {
    const int slot = twins.pick_from(*twins.retired, {}, twins.prng);
    if (!CHECK_EQ(twins.pick_from(*twins.watched, {}, twins.prng), slot) || slot < 0) return;
    twins.loads[size_t(slot)].bound(0);
  }
}

TEST("servers that left are watched by nobody, and those of a service that stays go on being watched") {
  Random random("left");
  const Kind& wlc = kKinds[0];
  Twins twins(some_spec(wlc, random, 200));
  twins.publish(some_spec(wlc, random, 100));
  for (uint32_t slot = 0; slot < 200; ++slot) {
    if (!CHECK_EQ(twins.loads[slot].watch.load() != nullptr, slot < 100)) return;
  }
  auto same = Snapshot::change(*twins.watched, {}, kLimits, 2);
  auto& carried = *std::get_if<0>(&same);
  carried->watch(twins.loads.data(), twins.watched.get());
  CHECK(twins.loads[99].watch.load() != nullptr);
  built({}, 3, kLimits)->watch(twins.loads.data(), carried.get());
  CHECK(twins.loads[99].watch.load() == nullptr);
}

// ---- threads ----

/** One worker of several: opens, moves and ends connections, by whichever snapshot is the newest. */
struct Worker {
  std::vector<ServerLoad>& loads;
  std::atomic<const Snapshot*>& newest;
  std::atomic<uint64_t>& adopted;
  uint64_t seed;

  void run(const std::atomic<bool>& stop) {
    Random random(seed);
    Prng prng{seed};
    std::vector<Connection> connections;
    while (!stop) {
      const Snapshot& snapshot = *newest.load();
      adopted.store(snapshot.generation);
      for (int i = 0; i < 64; ++i) step(snapshot, random, prng, connections);
    }
    for (const Connection& c : connections) loads[c.server].unbound(c.active, 0, 0);
  }
  void step(const Snapshot& snapshot, Random& random, Prng& prng, std::vector<Connection>& connections) {
    const wire::Addr4 vip = virtual_endpoint(4).address.v4();
    const Occasion occasion{{reinterpret_cast<const uint8_t*>(&vip), sizeof(vip)}, Tick{1}, &prng};
    const Server* server =
        service::pick(snapshot, *snapshot.services[0], {random.below(99), 0}, loads.data(), occasion);
    if (server != nullptr) {
      loads[server->slot].bound(server->upper_threshold);
      loads[server->slot].moved(true);
      connections.push_back({server->slot, true});
    }
    if (connections.size() < 200) return;
    std::swap(connections[random.below(200)], connections.back());
    const Connection ended = connections.back();
    connections.pop_back();
    const Server* of = snapshot.server_at(ended.server);
    loads[ended.server].unbound(true, of ? of->upper_threshold : 0, of ? of->lower_threshold : 0);
  }
};

TEST("standings lose no change that threads make, also while one snapshot follows another") {
  Random random("threads");
  for (const Kind& kind : kKinds) {
    ROW(kind.name);
    Twins twins(some_spec(kind, random, 150));
    std::vector<std::unique_ptr<Snapshot>> all;
    uint64_t generation = 1;
    std::atomic<const Snapshot*> newest{twins.watched.get()};
    std::atomic<uint64_t> adopted[3] = {};
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (uint64_t w = 0; w < 3; ++w) {
      threads.emplace_back([&, seed = w + 1] {
        Worker{twins.loads, newest, adopted[seed - 1], seed}.run(stop);
      });
    }
    for (int change = 0; change < std::max(4, scaled(6)); ++change) {
      const auto spec = some_spec(kind, random, random.between(24, 200));
      auto next = built(spec, ++generation, kLimits);
      next->inherit(*newest.load());
      next->watch(twins.loads.data(), newest.load());
      newest.store(next.get());
      twins.walks = built(spec, 1, kLimits);
      twins.walks->inherit(*next);  // what lblc remembers is the successor's then
      all.push_back(std::move(next));
      for (auto& one : adopted) {
        while (one.load() < generation) std::this_thread::yield();
      }
      // Nobody has the ones before any more.
      twins.watched.reset();
      while (all.size() > 1) all.erase(all.begin());
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    twins.watched = std::move(all.back());
    if (kind.kind == PlanKind::local) continue;  // the walk's twin has not seen what was learnt meanwhile
    for (int i = 0; i < 300; ++i) {
      bool same = true;
      const int slot = twins.pick({random.below(99), 0}, same);
      if (!same || slot < 0) break;
      twins.loads[size_t(slot)].bound(0);
    }
  }
}

}  // namespace
}  // namespace vsnat::test
