// SPDX-License-Identifier: Apache-2.0
//
// Who gets a new connection: one pick of each scheduler's plan, by number of servers. The plans are those that src/scheduler
// makes, but for which server a slot names, which costs nothing. Every pick opens a connection and the oldest one ends, as a
// flow does that to its servers' loads; those differ, and stay what they are in the mean.
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/prng.h"
#include "bench/micro/case.h"
#include "bench/micro/director.h"
#include "bench/micro/groups.h"
#include "service/dispatch.h"

namespace vsnat::bench {
namespace {

using service::Among;
using service::Plan;
using service::PlanKind;

constexpr uint32_t kPicks = 64;
constexpr uint32_t kConnectionsEach = 64;                // of a server, in the mean
constexpr uint32_t kBuckets = 256, kMaglevSlots = 4093;  // the kernel's defaults

Plan ordered(PlanKind kind, uint32_t servers) {
  Plan plan;
  plan.kind = kind;
  plan.steps.resize(servers);
  std::iota(plan.steps.begin(), plan.steps.end(), 0);
  return plan;
}

Plan least(uint32_t servers, Among among, uint32_t active_cost, uint32_t constant, bool weighted = true) {
  Plan plan = ordered(PlanKind::least, servers);
  plan.among = among;
  plan.active_cost = active_cost;
  plan.inactive_cost = active_cost == 257 ? 1 : 0;
  plan.constant = constant;
  plan.weighted = weighted;
  return plan;
}

Plan local(uint32_t servers, bool replicate) {
  Plan plan = least(servers, Among::all, 257, 0);
  plan.kind = PlanKind::local;
  plan.replicate = replicate;
  plan.forget_ticks = ticks_from_seconds(86'400);
  return plan;
}

Plan slots(PlanKind kind, uint32_t servers, uint32_t count, service::HashFunction function) {
  Plan plan;
  plan.kind = kind;
  plan.function = function;
  for (uint32_t i = 0; i < count; ++i) plan.steps.push_back(int32_t(i % servers));
  return plan;
}

Plan bounded(uint32_t servers) {
  Plan plan = slots(PlanKind::bounded, servers, kMaglevSlots, service::HashFunction::siphash);
  plan.bound_percent = 125;
  return plan;
}

Plan on_destination(Plan plan) {
  plan.on = service::HashOn::destination;
  return plan;
}
Plan overflowing(Plan plan) {
  plan.overflow = true;
  return plan;
}
Plan with_factors(Plan plan) {
  plan.factors.assign(plan.steps.size(), 100);
  return plan;
}

struct Scheduler {
  const char* name;
  Plan (*plan)(uint32_t servers);
};

/** wrr's cycle is longer than rr's, and picked from in the same way. */
const Scheduler kSchedulers[] = {
    {"rr", [](uint32_t n) { return ordered(PlanKind::cycle, n); }},
    {"wlc", [](uint32_t n) { return least(n, Among::all, 257, 0); }},
    {"lc", [](uint32_t n) { return least(n, Among::all, 257, 0, false); }},
    {"sed", [](uint32_t n) { return least(n, Among::all, 1, 1); }},
    {"nq", [](uint32_t n) { return least(n, Among::idle_first, 1, 1); }},
    {"fo", [](uint32_t n) { return ordered(PlanKind::first, n); }},
    {"ovf", [](uint32_t n) { return overflowing(ordered(PlanKind::first, n)); }},
    {"sh", [](uint32_t n) { return slots(PlanKind::hash, n, kBuckets, service::HashFunction::golden); }},
    {"dh",
     [](uint32_t n) {
       return on_destination(slots(PlanKind::hash, n, kBuckets, service::HashFunction::golden));
     }},
    {"mh", [](uint32_t n) { return slots(PlanKind::hash, n, kMaglevSlots, service::HashFunction::siphash); }},
    {"lblc", [](uint32_t n) { return local(n, false); }},
    {"lblcr", [](uint32_t n) { return local(n, true); }},
    {"twos", [](uint32_t n) { return least(n, Among::two, 257, 0); }},
    {"peak-ewma", [](uint32_t n) { return with_factors(least(n, Among::two_distinct, 1, 1)); }},
    {"bounded-hash", [](uint32_t n) { return bounded(n); }},
};

std::unique_ptr<service::Snapshot> snapshot_with(Plan plan, uint32_t servers) {
  const auto v4 = [](wire::Addr4 address) {
    service::IpAddress ip;
    ip.family = 4;
    ip.v4 = address;
    return ip;
  };
  service::ServiceSpec only;
  only.listen.push_back({wire::kProtoTcp, v4(virtual_address<wire::Addr4>(0)), kVirtualPort});
  // A weight of 100, so that ovf and lblc do not see a server as full that only has its share.
  for (uint32_t i = 0; i < servers; ++i)
    only.servers.push_back({i, v4(real_address<wire::Addr4>(i)), kRealPort, 100, 0, 0});
  only.plan = std::move(plan);
  service::SnapshotSpec spec;
  spec.services.push_back(std::move(only));
  auto built = service::Snapshot::build(spec, {servers, 1}, 1);
  if (const auto* wrong = std::get_if<std::string>(&built)) fail(wrong->c_str());
  return std::move(*std::get_if<0>(&built));
}

void open(service::ServerLoad& load) {
  load.bound(0);
  load.moved(true);
}

void add_scheduler(const Scheduler& scheduler, uint32_t servers) {
  const std::string name = std::string("schedulers/") + scheduler.name + "/" + std::to_string(servers);
  add(name, [=](State& state) {
    const auto snapshot = snapshot_with(scheduler.plan(servers), servers);
    std::vector<service::ServerLoad> loads(servers);
    snapshot->watch(loads.data(), nullptr);
    Prng prng{1};
    std::vector<uint32_t> connections(servers * kConnectionsEach);  // their servers, the oldest at `oldest`
    for (uint32_t& server : connections) open(loads[server = uint32_t(prng.below(servers))]);
    size_t oldest = 0;
    const wire::Addr4 vip = virtual_address<wire::Addr4>(0);
    const service::Occasion occasion{
        {reinterpret_cast<const uint8_t*>(&vip), sizeof(vip)}, Now{1'000'000}.tick(), &prng};
    uint32_t client = 0;
    measure(state, name, kPicks, [&] {
      for (uint32_t i = 0; i < kPicks; ++i, ++client) {
        const service::ClientKey key{client_address<wire::Addr4>(client * 977).fold(), client_port(client)};
        const auto* server = service::pick(*snapshot, *snapshot->services[0], key, loads.data(), occasion);
        if (server == nullptr) fail("a scheduler finds no server");
        open(loads[server->slot]);
        loads[connections[oldest]].unbound(true, 0, 0);
        connections[oldest] = server->slot;
        if (++oldest == connections.size()) oldest = 0;
      }
    });
  });
}

}  // namespace

void add_schedulers() {
  for (const Scheduler& scheduler : kSchedulers) {
    for (const uint32_t servers : {2u, 10u, 100u, 1'000u}) add_scheduler(scheduler, servers);
  }
}

}  // namespace vsnat::bench
