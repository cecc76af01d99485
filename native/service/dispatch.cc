// SPDX-License-Identifier: Apache-2.0
#include "service/dispatch.h"

#include <algorithm>
#include <bit>
#include <mutex>

#include "base/siphash.h"
#include "service/bounded.h"
#include "service/candidate.h"
#include "service/drawn.h"

namespace vsnat::service {
namespace {

/** A long table must not be walked to learn that nobody is usable. */
bool any_usable(const Snapshot& snapshot, const Service& service, const ServerLoad* loads) {
  for (uint32_t i = 0; i < service.server_count(); ++i) {
    if (usable(service.servers[i], loads)) return true;
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
  for (uint32_t i = 0; i < service.server_count(); ++i) {
    if (const Server* server = usable_at(snapshot, service, int32_t(i), loads)) return server;
  }
  return nullptr;
}

// ip_vs_sh.c and ip_vs_dh.c: hash_32(folded + port, bits), then with sh-fallback the buckets (h + (h + k)) mod size.
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
  const Plan& plan = service.plan;
  const uint32_t size = uint32_t(plan.steps.size());
  const uint32_t h = hsiphash_u32(key, kMaglevFirstKey) % size;
  if (const Server* server = usable_at(snapshot, service, plan.steps[h], loads)) return server;
  if (!plan.fallback || !any_usable(snapshot, service, loads)) return nullptr;
  for (uint32_t k = 0; k < size; ++k) {
    const uint32_t again = hsiphash_u32((k + h) % size + key, kMaglevFirstKey) % size;
    if (const Server* server = usable_at(snapshot, service, plan.steps[again], loads)) return server;
  }
  return nullptr;
}

const Server* pick_hash(const Snapshot& snapshot, const Service& service, ClientKey client,
                        const ServerLoad* loads, std::span<const uint8_t> destination) {
  const Plan& plan = service.plan;
  if (plan.steps.empty()) return nullptr;
  const uint32_t address = plan.on == HashOn::source ? client.folded_address : fold(destination);
  const uint32_t key = address + (plan.use_port ? client.port : 0);
  return plan.function == HashFunction::golden ? pick_golden(snapshot, service, key, loads)
                                               : pick_siphash(snapshot, service, key, loads);
}

const Server* best_of(const Service& service, const Standings::Reading& now) {
  const int32_t index = now.best();
  return index < 0 ? nullptr : &service.servers[size_t(index)];
}

// ip_vs_lc.c, ip_vs_wlc.c, ip_vs_sed.c.
const Server* pick_least(const Snapshot& snapshot, const Service& service, const ServerLoad* loads) {
  if (const Standings::Reading now(service, loads); now) return best_of(service, now);
  const Plan& plan = service.plan;
  Candidate best;
  for (const int32_t index : plan.steps) {
    const Server* server = usable_at(snapshot, service, index, loads);
    if (server == nullptr) continue;
    const Candidate candidate(plan, index, *server, loads);
    if (candidate.better_than(best)) best = candidate;
  }
  return best.server;
}

// ip_vs_nq.c.
const Server* pick_idle_first(const Snapshot& snapshot, const Service& service, const ServerLoad* loads) {
  if (const Standings::Reading now(service, loads); now) return best_of(service, now);
  for (const int32_t index : service.plan.steps) {
    const Server* server = usable_at(snapshot, service, index, loads);
    if (server != nullptr && active_of(*server, loads) == 0) return server;
  }
  return pick_least(snapshot, service, loads);
}

/** Usually one of the first serves, and is found without asking for standings. */
constexpr size_t kFirstLook = 8;

// ip_vs_fo.c and ip_vs_ovf.c: the scheduler has put the greatest weight first.
const Server* pick_first(const Snapshot& snapshot, const Service& service, const ServerLoad* loads) {
  const Plan& plan = service.plan;
  for (size_t place = 0; place < plan.steps.size(); ++place) {
    if (place == kFirstLook) {
      if (const Standings::Reading now(service, loads); now) return best_of(service, now);
    }
    const Server* server = usable_at(snapshot, service, plan.steps[place], loads);
    if (server == nullptr) continue;
    if (!plan.overflow || active_of(*server, loads) <= server->weight) return server;
  }
  return nullptr;
}

/** A server that is to be left: more active connections than its weight, while another has less than half of its. */
bool crowded(const Snapshot& snapshot, const Service& service, const Server& server,
             const ServerLoad* loads) {
  if (active_of(server, loads) <= server.weight) return false;
  if (const Standings::Reading now(service, loads); now) return now.has_room();
  return std::any_of(service.servers.begin(), service.servers.end(),
                     [loads](const Server& other) { return has_room(other, loads); });
}

// ip_vs_lblc.c. The server that is remembered is asked for its weight, not for its threshold.
const Server* remembered_one(const Snapshot& snapshot, const Service& service, const Locality::Entry& entry,
                             const ServerLoad* loads) {
  if (entry.servers().empty()) return nullptr;
  const Server& server = service.servers[entry.servers()[0]];
  return server.weight > 0 && !crowded(snapshot, service, server, loads) ? &server : nullptr;
}

// ip_vs_lblcr.c: the least loaded of the set. A set that did not change for long gives up its most loaded server,
// after that one may have been picked once more.
const Server* remembered_best(const Snapshot& snapshot, const Service& service, Locality::Entry& entry,
                              const ServerLoad* loads, Tick now) {
  const Plan& plan = service.plan;
  Candidate least, most;
  uint32_t most_index = 0;
  for (size_t i = entry.servers().size(); i-- > 0;) {  // the newest member first
    const uint32_t index = entry.servers()[i];
    const Server& server = service.servers[index];
    if (server.weight == 0) continue;
    const Candidate candidate(plan, server, loads);
    if (usable(server, loads) && candidate.better_than(least)) least = candidate;
    if (most.server == nullptr || most.better_than(candidate)) {
      most = candidate;
      most_index = index;
    }
  }
  if (entry.servers().size() > 1 && most.server && now.after(entry.changed.plus(plan.forget_ticks))) {
    entry.remove(most_index, now);
  }
  return least.server && !crowded(snapshot, service, *least.server, loads) ? least.server : nullptr;
}

const Server* pick_local(const Snapshot& snapshot, const Service& service, const ServerLoad* loads,
                         const Occasion& occasion) {
  const Plan& plan = service.plan;
  const std::lock_guard guard(service.locality->lock);
  Locality::Entry* entry = service.locality->find(occasion.destination);
  if (entry == nullptr) return pick_least(snapshot, service, loads);
  if (occasion.now.since(entry->used) >= int32_t(plan.forget_ticks)) entry->clear();
  entry->used = occasion.now;
  const Server* kept = plan.replicate ? remembered_best(snapshot, service, *entry, loads, occasion.now)
                                      : remembered_one(snapshot, service, *entry, loads);
  if (kept != nullptr) return kept;
  const Server* server = pick_least(snapshot, service, loads);
  if (server == nullptr) return nullptr;
  const auto index = uint32_t(server - service.servers.data());
  if (!plan.replicate) entry->clear();
  if (!entry->has(index)) entry->add(index, occasion.now);
  return server;
}

/** Out of line, so that the plans nearly everybody has do not pay for the registers of these. */
[[gnu::noinline]] const Server* pick_rarer(const Snapshot& snapshot, const Service& service, ClientKey client,
                                           const ServerLoad* loads, const Occasion& occasion) {
  const Plan& plan = service.plan;
  if (plan.kind == PlanKind::bounded)
    return pick_bounded(snapshot, service, client, loads, occasion.destination);
  if (plan.kind == PlanKind::first) return pick_first(snapshot, service, loads);
  if (plan.kind == PlanKind::local) return pick_local(snapshot, service, loads, occasion);
  if (plan.among == Among::two) return pick_of_two(snapshot, service, loads, occasion.prng);
  if (plan.among == Among::two_distinct) return pick_of_two_distinct(snapshot, service, loads, occasion.prng);
  return pick_idle_first(snapshot, service, loads);
}

}  // namespace

const Server* pick(const Snapshot& snapshot, const Service& service, ClientKey client,
                   const ServerLoad* loads, const Occasion& occasion) {
  const Plan& plan = service.plan;
  if (plan.kind == PlanKind::cycle) return pick_cycle(snapshot, service, loads);
  if (plan.kind == PlanKind::hash) return pick_hash(snapshot, service, client, loads, occasion.destination);
  if (plan.kind == PlanKind::least && plan.among == Among::all) return pick_least(snapshot, service, loads);
  return pick_rarer(snapshot, service, client, loads, occasion);
}

}  // namespace vsnat::service
