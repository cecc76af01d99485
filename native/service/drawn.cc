// SPDX-License-Identifier: Apache-2.0
#include "service/drawn.h"

#include "service/candidate.h"

namespace vsnat::service {
namespace {

/** The sum of the usable weights, and the last usable server: who serves when another worker fills one up meanwhile. */
struct Usable {
  uint64_t weights = 0;
  int32_t last = -1;
  size_t count = 0;
};

Usable usable_of(const Snapshot& snapshot, const Service& service, const ServerLoad* loads) {
  Usable all;
  for (const int32_t index : service.plan.steps) {
    const Server* server = usable_at(snapshot, service, index, loads);
    if (server == nullptr) continue;
    all.weights += server->weight;
    all.last = index;
    ++all.count;
  }
  return all;
}

/** The first usable server of the order, `left_out` aside, at which the weights so far exceed `drawn`. */
int32_t drawn_from(const Snapshot& snapshot, const Service& service, const ServerLoad* loads, uint64_t drawn,
                   int32_t left_out) {
  int32_t last = -1;
  for (const int32_t index : service.plan.steps) {
    const Server* server = index == left_out ? nullptr : usable_at(snapshot, service, index, loads);
    if (server == nullptr) continue;
    last = index;
    if (drawn < server->weight) break;
    drawn -= server->weight;
  }
  return last;
}

Candidate candidate_at(const Snapshot& snapshot, const Service& service, const ServerLoad* loads,
                       int32_t index) {
  return {service.plan, index, server_of(snapshot, service, uint32_t(index)), loads};
}

/** The better of two, of whom the first was drawn first. */
const Server* better(const Snapshot& snapshot, const Service& service, const ServerLoad* loads, int32_t first,
                     int32_t second) {
  const Candidate one = candidate_at(snapshot, service, loads, first);
  const Candidate other = candidate_at(snapshot, service, loads, second);
  return other.better_than(one) ? other.server : one.server;
}

}  // namespace

// Both draws reach from 0 to the sum of weights, inclusive, so the first server has one chance more.
const Server* pick_of_two(const Snapshot& snapshot, const Service& service, const ServerLoad* loads,
                          Prng* prng) {
  const Plan& plan = service.plan;
  if (const Standings::Reading now(service, loads); now) {
    const WeightSums& weights = now.weights();
    if (weights.total() == 0) return nullptr;
    int32_t met[2];
    for (int32_t& index : met) {
      const uint64_t draw = prng ? prng->below(weights.total() + 1) : 0;
      index = plan.steps[weights.at(draw == 0 ? 0 : draw - 1)];
    }
    return better(snapshot, service, loads, met[0], met[1]);
  }
  const Usable all = usable_of(snapshot, service, loads);
  if (all.count == 0) return nullptr;
  int64_t left[2];
  for (int64_t& draw : left) draw = prng ? int64_t(prng->below(all.weights + 1)) : 0;
  Candidate drawn[2];
  for (const int32_t index : plan.steps) {
    const Server* server = usable_at(snapshot, service, index, loads);
    if (server == nullptr) continue;
    for (int i = 0; i < 2; ++i) {
      left[i] -= server->weight;
      if (left[i] <= 0 && drawn[i].server == nullptr) drawn[i] = Candidate(plan, index, *server, loads);
    }
    if (drawn[0].server && drawn[1].server) break;
  }
  // Another worker may have filled a server up since the weights were summed; then a draw can overshoot.
  if (drawn[0].server == nullptr) return &server_of(snapshot, service, uint32_t(all.last));
  return drawn[1].server && drawn[1].better_than(drawn[0]) ? drawn[1].server : drawn[0].server;
}

const Server* pick_of_two_distinct(const Snapshot& snapshot, const Service& service, const ServerLoad* loads,
                                   Prng* prng) {
  const auto below = [prng](uint64_t bound) { return prng ? prng->below(bound) : 0; };
  if (const Standings::Reading now(service, loads); now) {
    const Plan& plan = service.plan;
    const WeightSums& weights = now.weights();
    if (weights.total() == 0) return nullptr;
    const uint32_t place = weights.at(below(weights.total()));
    const int32_t one = plan.steps[place];
    const uint32_t weight = server_of(snapshot, service, uint32_t(one)).weight;
    if (weights.total() == weight) return &server_of(snapshot, service, uint32_t(one));
    const uint64_t draw = below(weights.total() - weight);  // without the first server's part
    const uint32_t other = weights.at(draw < weights.before(place) ? draw : draw + weight);
    return better(snapshot, service, loads, one, plan.steps[other]);
  }
  const Usable all = usable_of(snapshot, service, loads);
  if (all.count == 0) return nullptr;
  const int32_t one = drawn_from(snapshot, service, loads, below(all.weights), -1);
  if (one < 0) return &server_of(snapshot, service, uint32_t(all.last));
  const Candidate first = candidate_at(snapshot, service, loads, one);
  if (all.count == 1 || all.weights <= first.server->weight) return first.server;
  const int32_t other = drawn_from(snapshot, service, loads, below(all.weights - first.server->weight), one);
  if (other < 0) return first.server;
  const Candidate second = candidate_at(snapshot, service, loads, other);
  return second.better_than(first) ? second.server : first.server;
}

}  // namespace vsnat::service
