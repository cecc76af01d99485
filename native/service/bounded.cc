// SPDX-License-Identifier: Apache-2.0
#include "service/bounded.h"

#include "base/siphash.h"
#include "service/candidate.h"

namespace vsnat::service {
namespace {

/** What one more connection would make the mean, as seen at the moment of the pick. */
struct Share {
  const Plan& plan;
  const ServerLoad* loads;
  uint64_t load = 0, weight = 0;

  void add(const Server& server) {
    load += bounded_load_of(plan, server, loads);
    weight += server.weight;
  }
  /** Whole numbers, so that the bound is met exactly: load < percent / 100 * (sum + 1) * weight / weights. */
  bool has_room(const Server& server) const {
    return Wide(bounded_load_of(plan, server, loads)) * 100 * weight <
           Wide(plan.bound_percent) * (load + 1) * server.weight;
  }
};

Share share_of_all(const Snapshot& snapshot, const Service& service, const ServerLoad* loads) {
  Share share{service.plan, loads};
  if (const Standings::Reading now(service, loads); now) {
    share.load = now.load();
    share.weight = now.weight();
    return share;
  }
  for (uint32_t i = 0; i < service.server_count(); ++i) {
    const Server& server = server_of(snapshot, service, i);
    if (usable(server, loads)) share.add(server);
  }
  return share;
}

}  // namespace

const Server* pick_bounded(const Snapshot& snapshot, const Service& service, ClientKey client,
                           const ServerLoad* loads, std::span<const uint8_t> destination) {
  const Plan& plan = service.plan;
  const Share share = share_of_all(snapshot, service, loads);
  // A long table must not be walked to learn that nobody is usable.
  if (share.weight == 0 || plan.steps.empty()) return nullptr;
  const uint32_t address = plan.on == HashOn::source ? client.folded_address : fold(destination);
  const uint32_t size = uint32_t(plan.steps.size());
  const uint32_t start = hsiphash_u32(address + (plan.use_port ? client.port : 0), kMaglevFirstKey) % size;
  const Server* first = nullptr;
  for (uint32_t k = 0, at = start; k < size; ++k, at = at + 1 == size ? 0 : at + 1) {
    const Server* server = usable_at(snapshot, service, plan.steps[at], loads);
    if (server == nullptr) continue;
    if (share.has_room(*server)) return server;
    if (first == nullptr) first = server;
  }
  return first;
}

}  // namespace vsnat::service
