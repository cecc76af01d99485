// SPDX-License-Identifier: Apache-2.0
#include "service/dispatch.h"

#include <algorithm>
#include <bit>

#include "base/siphash.h"

namespace vsnat::service {
namespace {

const Server* usable_at(const Snapshot& snapshot, const Service& service, int32_t index,
                        const ServerLoad* loads) {
  if (index < 0) return nullptr;
  const Server& server = snapshot.servers[service.first_server + uint32_t(index)];
  return usable(server, loads) ? &server : nullptr;
}

/** A long table must not be walked to learn that nobody is usable. */
bool any_usable(const Snapshot& snapshot, const Service& service, const ServerLoad* loads) {
  for (uint32_t i = 0; i < service.server_count; ++i) {
    if (usable(snapshot.servers[service.first_server + i], loads)) return true;
  }
  return false;
}

/**
 * How many steps of a cycle one new connection may cost. Only a cycle in which thousands of steps in a row belong to
 * overloaded servers gets there; then the first usable server in the configuration's order serves.
 */
constexpr size_t kLongestWalk = 4096;

const Server* pick_cycle(const Snapshot& snapshot, const Service& service, const ServerLoad* loads) {
  const Plan& plan = service.plan;
  if (plan.steps.empty() && plan.lead.empty()) return nullptr;
  const size_t longest = std::min(plan.lead.size() + plan.steps.size(), kLongestWalk);
  for (size_t tries = 0; tries < longest; ++tries) {
    const uint64_t turn = service.cursor->fetch_add(1, std::memory_order_relaxed);
    int32_t index;
    if (turn < plan.lead.size()) {
      index = plan.lead[turn];
    } else if (!plan.steps.empty()) {
      index = plan.steps[(turn - plan.lead.size()) % plan.steps.size()];
    } else {
      return nullptr;
    }
    if (const Server* server = usable_at(snapshot, service, index, loads)) return server;
    if (tries == 0) {
      if (!any_usable(snapshot, service, loads)) {
        service.cursor->fetch_sub(1, std::memory_order_relaxed);  // the kernel's pointer does not move either
        return nullptr;
      }
    }
  }
  for (uint32_t i = 0; i < service.server_count; ++i) {
    if (const Server* server = usable_at(snapshot, service, int32_t(i), loads)) return server;
  }
  return nullptr;
}

// ip_vs_sh.c: hash_32(folded + port, bits), then with sh-fallback the buckets (h + (h + k)) mod size.
const Server* pick_golden(const Snapshot& snapshot, const Service& service, uint32_t key,
                          const ServerLoad* loads) {
  const Plan& plan = service.plan;
  const uint32_t size = uint32_t(plan.steps.size());
  const int bits = std::countr_zero(size);
  const uint32_t h = bits == 0 ? 0 : key * 0x61c88647u >> (32 - bits);
  if (const Server* server = usable_at(snapshot, service, plan.steps[h], loads)) return server;
  if (!plan.fallback || !any_usable(snapshot, service, loads)) return nullptr;
  for (uint32_t k = 0; k < size; ++k) {
    if (const Server* server = usable_at(snapshot, service, plan.steps[(2 * h + k) & (size - 1)], loads)) {
      return server;
    }
  }
  return nullptr;
}

// ip_vs_mh.c: SipHash-1-3 with the kernel's fixed first key; mh-fallback rehashes with the offset added.
const Server* pick_siphash(const Snapshot& snapshot, const Service& service, uint32_t key,
                           const ServerLoad* loads) {
  constexpr HashKey kFirstKey{2654435761u, 2654435761u};
  const Plan& plan = service.plan;
  const uint32_t size = uint32_t(plan.steps.size());
  const uint32_t h = hsiphash_u32(key, kFirstKey) % size;
  if (const Server* server = usable_at(snapshot, service, plan.steps[h], loads)) return server;
  if (!plan.fallback || !any_usable(snapshot, service, loads)) return nullptr;
  for (uint32_t k = 0; k < size; ++k) {
    const uint32_t again = hsiphash_u32((k + h) % size + key, kFirstKey) % size;
    if (const Server* server = usable_at(snapshot, service, plan.steps[again], loads)) return server;
  }
  return nullptr;
}

// ip_vs_wlc.c and kin: cross-multiplied, strictly less replaces, so ties stay with the earlier in the order.
const Server* pick_least(const Snapshot& snapshot, const Service& service, const ServerLoad* loads) {
  const Plan& plan = service.plan;
  const Server* best = nullptr;
  uint64_t best_cost = 0, best_weight = 1;
  for (const int32_t index : plan.steps) {
    const Server* server = usable_at(snapshot, service, index, loads);
    if (server == nullptr) continue;
    const ServerLoad& load = loads[server->slot];
    const uint64_t cost = uint64_t(load.active.load(std::memory_order_relaxed)) * plan.active_cost +
                          uint64_t(load.inactive.load(std::memory_order_relaxed)) * plan.inactive_cost +
                          plan.constant;
    const uint64_t weight = plan.weighted ? server->weight : 1;
    if (best == nullptr || best_cost * weight > cost * best_weight) {
      best = server;
      best_cost = cost;
      best_weight = weight;
    }
  }
  return best;
}

}  // namespace

const Server* pick(const Snapshot& snapshot, const Service& service, ClientKey client,
                   const ServerLoad* loads) {
  const Plan& plan = service.plan;
  if (plan.kind == PlanKind::cycle) return pick_cycle(snapshot, service, loads);
  if (plan.kind == PlanKind::least) return pick_least(snapshot, service, loads);
  if (plan.steps.empty()) return nullptr;
  const uint32_t key = client.folded_address + (plan.use_port ? client.port : 0);
  return plan.function == HashFunction::golden ? pick_golden(snapshot, service, key, loads)
                                               : pick_siphash(snapshot, service, key, loads);
}

}  // namespace vsnat::service
