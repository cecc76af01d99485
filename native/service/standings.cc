// SPDX-License-Identifier: Apache-2.0
#include "service/standings.h"

#include <algorithm>

#include "service/candidate.h"
#include "service/service.h"

namespace vsnat::service {
namespace {

constexpr uint32_t kNowhere = 0xffffffff;

/** Below this a walk costs less (npm run bench:micro -- --filter schedulers/). */
constexpr size_t kFewServers = 24;

/** When more than one in so many has changed, the tournament is settled as a whole. */
constexpr size_t kManyChanges = 8;

bool draws(const Plan& plan) {
  return plan.kind == PlanKind::least && (plan.among == Among::two || plan.among == Among::two_distinct);
}

bool ranks(const Plan& plan) {
  return plan.kind == PlanKind::least || plan.kind == PlanKind::first || plan.kind == PlanKind::local;
}

/** Idle servers rank by a cost of nothing, which no busy one may have. */
bool idle_stand_out(const Plan& plan) {
  if (plan.among != Among::idle_first) return true;
  const bool all_cost = std::find(plan.factors.begin(), plan.factors.end(), 0) == plan.factors.end();
  return all_cost && (plan.active_cost > 0 || plan.constant > 0);
}

/** Who is named twice has two chances to be drawn, which the sums have no place for. */
bool names_each_once(const Plan& plan, size_t servers) {
  std::vector<bool> named(servers);
  for (const int32_t index : plan.steps) {
    if (named[size_t(index)]) return false;
    named[size_t(index)] = true;
  }
  return true;
}

bool can_stand(const Plan& plan, size_t servers) {
  if (draws(plan)) return names_each_once(plan, servers);
  return ranks(plan) ? idle_stand_out(plan) : plan.kind == PlanKind::bounded;
}

}  // namespace

std::unique_ptr<Standings> Standings::of(const Service& service) {
  const size_t servers = service.servers.size();
  if (servers < kFewServers || !can_stand(service.plan, servers)) return nullptr;
  return std::unique_ptr<Standings>(new Standings(service));
}

Standings::Standings(const Service& service)
    : service_(service),
      changes_(service.server_count()),
      place_of_(service.servers.size(), kNowhere),
      shares_(service.servers.size()) {
  const Plan& plan = service.plan;
  if (!ranks(plan)) return;
  for (size_t place = plan.steps.size(); place-- > 0;) place_of_[size_t(plan.steps[place])] = uint32_t(place);
  if (draws(plan)) {
    weights_.emplace(plan.steps.size());
  } else {
    tournament_.emplace(plan.steps.size());
  }
}

void Standings::watch(ServerLoad* loads) {
  for (uint32_t i = 0; i < service_.server_count(); ++i)
    loads[service_.servers[i].slot].tell(&changes_.watch(i));
  for (uint32_t i = 0; i < service_.server_count(); ++i) look_at(i, loads, true);
  if (tournament_) tournament_->settle();
  watching_.store(true, std::memory_order_release);
}

void Standings::retire(ServerLoad* loads) {
  // Before any load goes on without telling: who then changes one finds this here when he picks.
  watching_.store(false, std::memory_order_release);
  for (uint32_t i = 0; i < service_.server_count(); ++i) {
    ServerLoad& load = loads[service_.servers[i].slot];
    if (load.watch.load() == &changes_.watch(i)) load.tell(nullptr);
  }
}

bool Standings::begin(const ServerLoad* loads) {
  if (!watching_.load(std::memory_order_acquire) || !lock_.try_lock()) return false;
  size_t looks = 0;
  const size_t few = shares_.size() / kManyChanges;
  changes_.each([&](uint32_t server) {
    loads[service_.servers[server].slot].look();
    look_at(server, loads, ++looks > few);
  });
  if (tournament_ && looks > few) tournament_->settle();
  return true;
}

Tournament::Entry Standings::entry_of(uint32_t index, const ServerLoad* loads) const {
  const Plan& plan = service_.plan;
  const Server& server = service_.servers[index];
  const uint32_t place = place_of_[index];
  if (!usable(server, loads)) return {.place = place};
  const bool serves_as_first =
      plan.kind == PlanKind::first && (!plan.overflow || active_of(server, loads) <= server.weight);
  const bool idle = plan.among == Among::idle_first && active_of(server, loads) == 0;
  if (serves_as_first || idle) return {0, 1, place};
  if (plan.kind == PlanKind::first) return {.place = place};
  const Candidate candidate(plan, int32_t(index), server, loads);
  return {candidate.cost, uint32_t(candidate.weight), place};
}

Standings::Share Standings::share_of(const Server& server, const ServerLoad* loads) const {
  const Plan& plan = service_.plan;
  if (plan.kind == PlanKind::local) return {.roomy = has_room(server, loads)};
  if (plan.kind != PlanKind::bounded || !usable(server, loads)) return {};
  return {bounded_load_of(plan, server, loads), server.weight};
}

void Standings::look_at(uint32_t index, const ServerLoad* loads, bool settle_later) {
  const Server& server = service_.servers[index];
  const Share share = share_of(server, loads);
  Share& old = shares_[index];
  load_ += share.load - old.load;
  weight_ += uint64_t{share.weight} - old.weight;
  roomy_ += uint32_t(share.roomy) - uint32_t(old.roomy);
  old = share;
  const uint32_t place = place_of_[index];
  if (place == kNowhere) return;
  if (weights_) return weights_->put(place, usable(server, loads) ? server.weight : 0);
  const Tournament::Entry entry = entry_of(index, loads);
  if (settle_later) {
    tournament_->put_later(entry);
  } else {
    tournament_->put(entry);
  }
}

Standings::Reading::Reading(const Service& service, const ServerLoad* loads)
    : standings_(service.standings.get()) {
  if (standings_ != nullptr && !standings_->begin(loads)) standings_ = nullptr;
}

int32_t Standings::Reading::best() const {
  const Tournament::Entry& best = standings_->tournament_->best();
  return best.weight == 0 ? -1 : standings_->service_.plan.steps[best.place];
}

}  // namespace vsnat::service
