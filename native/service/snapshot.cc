// SPDX-License-Identifier: Apache-2.0
#include "service/snapshot.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "base/time.h"
#include "wire/headers.h"

namespace vsnat::service {
namespace {

std::string at(size_t service, const std::string& what) {
  return "services[" + std::to_string(service) + "]." + what;
}
std::string at(size_t service, const char* list, size_t i, const char* what) {
  return at(service, list) + "[" + std::to_string(i) + "]." + what;
}

/** Null when every index names a server (or is an empty slot where that is allowed). */
bool indices_fit(const std::vector<int32_t>& indices, size_t servers, bool empty_allowed) {
  for (const int32_t i : indices) {
    if (i < (empty_allowed ? -1 : 0) || i >= int32_t(servers)) return false;
  }
  return true;
}

std::string check_plan(const Plan& plan, size_t servers, size_t s) {
  const bool hash = plan.kind == PlanKind::hash;
  const bool slots = hash || plan.kind == PlanKind::bounded;
  if (!indices_fit(plan.steps, servers, slots) || !indices_fit(plan.lead, servers, false)) {
    return at(s, "plan: names a server index the service does not have");
  }
  if (hash && plan.function == HashFunction::golden && !plan.steps.empty() &&
      (!std::has_single_bit(plan.steps.size()) || plan.steps.size() > 65536)) {
    return at(s, "plan.slots: must be a power of two of slots up to 65536");
  }
  if (!plan.factors.empty() && plan.factors.size() != servers)
    return at(s, "plan.factors: must be one for each server");
  return {};
}

std::array<uint32_t, flow::kStateCount> in_ticks(const flow::Timeouts& timeouts) {
  std::array<uint32_t, flow::kStateCount> ticks{};
  for (size_t state = 0; state < ticks.size(); ++state)
    ticks[state] = ticks_from_seconds(timeouts.seconds[state]);
  return ticks;
}

/** Empty, or what is wrong with the parts of a service that decide whose connections belong together. */
std::string check_grouping(const ServiceSpec& spec, size_t s) {
  if (spec.persistence.seconds != 0) {
    const unsigned longest = spec.listen[0].address.family == 4 ? 32 : 128;
    if (spec.persistence.mask && longest != 32) return at(s, "persistence.mask: is for IPv4");
    const bool counts = !spec.persistence.mask;
    if (counts && (spec.persistence.prefix_bits < 1 || spec.persistence.prefix_bits > longest))
      return at(s, "persistence.prefixLength: must be 1.." + std::to_string(longest));
  }
  for (size_t i = 0; i < spec.listen.size(); ++i) {
    const ListenSpec& listen = spec.listen[i];
    if (listen.port == 0 && spec.persistence.seconds == 0 && spec.mark == 0)
      return at(s, "listen", i, "port: every port (0) is for services with persistence or a mark");
    if (spec.one_packet && spec.mark == 0 && listen.protocol != wire::kProtoUdp)
      return at(s, "listen", i, "protocol: a one-packet service is UDP");
    if (spec.persistence.together == Together::sip_call && spec.mark == 0 &&
        listen.protocol != wire::kProtoUdp)
      return at(s, "listen", i, "protocol: a service that persists by SIP call is UDP");
  }
  return {};
}

/** In host order; of an IPv6 service it says nothing. */
uint32_t mask_of(const PersistenceSpec& spec) {
  if (spec.mask) return spec.mask->value.host();
  return spec.prefix_bits == 0 || spec.prefix_bits > 32 ? 0 : ~uint32_t{0} << (32 - spec.prefix_bits);
}

/** What a local plan will remember things for. The bytes stay in `spec`. */
std::vector<Locality::Address> destinations_of(const ServiceSpec& spec) {
  std::vector<Locality::Address> addresses;
  for (const ListenSpec& listen : spec.listen) {
    const auto bytes_of = [](const auto& address) {
      return Locality::Address(reinterpret_cast<const uint8_t*>(&address), sizeof(address));
    };
    addresses.push_back(listen.address.family == 4 ? bytes_of(listen.address.v4)
                                                   : bytes_of(listen.address.v6));
  }
  return addresses;
}

/** The parts of a service that need no table: its plan, its grouping and its servers' numbers. */
std::variant<std::shared_ptr<Service>, std::string> make_service(const ServiceSpec& from, size_t s) {
  if (from.listen.empty()) return at(s, "listen: needs at least one address");
  const uint8_t family = from.listen[0].address.family;
  if (std::string wrong = check_grouping(from, s); !wrong.empty()) return wrong;
  for (size_t i = 0; i < from.listen.size(); ++i) {
    if (from.listen[i].address.family != family)
      return at(s, "listen", i, "address: one service has one address family");
  }
  if (std::string wrong = check_plan(from.plan, from.servers.size(), s); !wrong.empty()) return wrong;
  auto service = std::make_shared<Service>();
  service->slot = from.slot;
  service->family = family;
  service->listen = from.listen;
  service->vip = from.listen[0].address;
  service->plan = from.plan;
  service->helper = from.helper;
  service->cursor = std::make_shared<std::atomic<uint64_t>>(0);
  service->continues = from.continues;
  if (from.plan.kind == PlanKind::local) {
    service->locality = std::make_unique<Locality>(destinations_of(from), uint32_t(from.servers.size()));
  }
  service->persistence_ticks = ticks_from_seconds(from.persistence.seconds);
  service->persistence_bits = from.persistence.prefix_bits;
  service->persistence_mask = mask_of(from.persistence);
  service->together = from.persistence.together;
  service->mark = from.mark;
  service->one_packet = from.one_packet;
  service->timeout_ticks = in_ticks(from.timeouts);
  service->servers.reserve(from.servers.size());
  for (size_t i = 0; i < from.servers.size(); ++i) {
    const ServerSpec& server = from.servers[i];
    if (server.address.family != family) return at(s, "servers", i, "address: not of the service's family");
    if (server.weight > 65535) return at(s, "servers", i, "weight: must be 0..65535");
    service->servers.push_back(Server{server.slot, server.weight, server.upper_threshold,
                                      server.lower_threshold, server.address,
                                      wire::be16::from_host(server.port), server.withdrawn});
  }
  service->standings = Standings::of(*service);
  return service;
}

/** Stands in for every server that checks are led to, so that flows of checks fare as those of a server in good health. */
constexpr Server kCheckedServer{.slot = 0,
                                .weight = 1,
                                .upper_threshold = 0,
                                .lower_threshold = 0,
                                .address = {},
                                .port = {},
                                .withdrawn = false};

bool same(const IpAddress& a, const IpAddress& b) {
  return a.family == b.family && (a.family == 4 ? a.v4 == b.v4 : a.v6 == b.v6);
}

}  // namespace

bool Service::same_places(const Service& other) const {
  return slot == other.slot && mark == other.mark && together == other.together &&
         one_packet == other.one_packet && persistent() == other.persistent() &&
         std::equal(listen.begin(), listen.end(), other.listen.begin(), other.listen.end(),
                    [](const ListenSpec& a, const ListenSpec& b) {
                      return a.protocol == b.protocol && a.port == b.port && same(a.address, b.address);
                    }) &&
         std::equal(servers.begin(), servers.end(), other.servers.begin(), other.servers.end(),
                    [](const Server& a, const Server& b) {
                      return a.slot == b.slot && a.port == b.port && same(a.address, b.address);
                    });
}

Snapshot::Built Snapshot::build(const SnapshotSpec& spec, Limits limits, uint64_t generation,
                                const Snapshot* before) {
  auto snapshot = std::make_unique<Snapshot>();
  snapshot->generation = generation;
  snapshot->removed_server = spec.removed_server;
  snapshot->expire_quiescent_template = spec.expire_quiescent_template;
  snapshot->policy = spec.policy;
  for (const IpAddress& source : spec.check_sources) {
    if (source.family == 4) {
      snapshot->check_sources_.v4.push_back(source.v4);
    } else {
      snapshot->check_sources_.v6.push_back(source.v6);
    }
  }
  if (before != nullptr) {
    snapshot->services = before->services;
    snapshot->server_at_ = before->server_at_;
    snapshot->present_ = before->present_;
    snapshot->withdrawn_ = before->withdrawn_;
    snapshot->service_at_ = before->service_at_;
  } else {
    snapshot->server_at_.assign(limits.counted_slots(), nullptr);
    snapshot->present_.assign(limits.counted_slots() / 64 + 1, 0);
    snapshot->withdrawn_ = snapshot->present_;
    snapshot->place_server(limits.check_slot(), &kCheckedServer);
    snapshot->service_at_.assign(limits.service_slots, kAbsent);
  }
  if (std::string wrong = snapshot->drop_removed(spec); !wrong.empty()) return wrong;
  if (std::string wrong = snapshot->add_services(spec, limits); !wrong.empty()) return wrong;
  if (std::string wrong = snapshot->index_places(spec, before); !wrong.empty()) return wrong;
  if (std::string wrong = snapshot->sort_timeouts(); !wrong.empty()) return wrong;
  return snapshot;
}

void Snapshot::place_server(uint32_t slot, const Server* server) {
  const auto mark = [slot](std::vector<uint64_t>& slots, bool is_so) {
    const uint64_t bit = uint64_t{1} << slot % 64;
    slots[slot / 64] = is_so ? slots[slot / 64] | bit : slots[slot / 64] & ~bit;
  };
  server_at_[slot] = server;
  mark(present_, server != nullptr);
  mark(withdrawn_, server != nullptr && server->withdrawn);
}

void Snapshot::forget_servers(const Service& service) {
  for (const Server& server : service.servers) place_server(server.slot, nullptr);
}

std::string Snapshot::drop_removed(const SnapshotSpec& spec) {
  for (size_t i = 0; i < spec.removed.size(); ++i) {
    const uint32_t slot = spec.removed[i];
    if (slot >= service_at_.size() || service_at_[slot] == kAbsent)
      return "removed[" + std::to_string(i) + "]: must be the slot of a service";
    std::shared_ptr<Service>& service = services[service_at_[slot]];
    forget_servers(*service);
    service.reset();
    service_at_[slot] = kAbsent;
  }
  if (spec.removed.empty()) return {};
  std::erase(services, nullptr);
  for (uint32_t position = 0; position < services.size(); ++position)
    service_at_[services[position]->slot] = position;
  return {};
}

std::string Snapshot::add_services(const SnapshotSpec& spec, Limits limits) {
  // Server slots may change hands between the services that change, so all of theirs are free before any is taken.
  for (size_t s = 0; s < spec.services.size(); ++s) {
    const uint32_t slot = spec.services[s].slot;
    if (slot >= limits.service_slots) return at(s, "slot: beyond the dataplane's service slots");
    if (service_at_[slot] != kAbsent) forget_servers(*services[service_at_[slot]]);
  }
  std::vector<bool> is_taken(limits.service_slots);
  for (size_t s = 0; s < spec.services.size(); ++s) {
    const ServiceSpec& from = spec.services[s];
    if (is_taken[from.slot]) return at(s, "slot: used twice");
    is_taken[from.slot] = true;
    auto made = make_service(from, s);
    if (auto* wrong = std::get_if<std::string>(&made)) return std::move(*wrong);
    std::shared_ptr<Service> service = std::move(*std::get_if<0>(&made));
    if (std::string wrong = add_servers(*service, s, limits); !wrong.empty()) return wrong;
    fresh_.push_back(service.get());
    uint32_t& position = service_at_[from.slot];
    if (position != kAbsent) {
      services[position] = std::move(service);
      continue;
    }
    position = uint32_t(services.size());
    services.push_back(std::move(service));
  }
  return {};
}

std::string Snapshot::add_servers(const Service& service, size_t s, Limits limits) {
  for (size_t i = 0; i < service.servers.size(); ++i) {
    const Server& server = service.servers[i];
    if (server.slot >= limits.server_slots)
      return at(s, "servers", i, "slot: beyond the dataplane's server slots");
    if (server_at_[server.slot] != nullptr) return at(s, "servers", i, "slot: used twice");
    place_server(server.slot, &server);
  }
  return {};
}

std::string Snapshot::index_places(const SnapshotSpec& spec, const Snapshot* before) {
  Directory::Settings settings{spec.translate_one_packet_replies, spec.policy.nat_icmp_send,
                               spec.lingering_vips};
  if (before != nullptr && spec.removed.empty() && services.size() == before->services.size()) {
    const Directory::Settings& old = before->directory_->settings();
    const bool nobody_moved =
        old.translate_one_packet_replies == settings.translate_one_packet_replies &&
        old.real_endpoints == settings.real_endpoints &&
        std::equal(old.lingering_vips.begin(), old.lingering_vips.end(), settings.lingering_vips.begin(),
                   settings.lingering_vips.end(), same) &&
        std::all_of(fresh_.begin(), fresh_.end(), [&](const Service* service) {
          return service->same_places(*before->services[service_at_[service->slot]]);
        });
    if (nobody_moved) {
      directory_ = before->directory_;
      return {};
    }
  }
  // Who was there keeps his place, so that a mistake is one of the services that come.
  std::vector<bool> is_fresh(services.size());
  for (const Service* service : fresh_) is_fresh[service_at_[service->slot]] = true;
  std::vector<uint32_t> order;
  order.reserve(services.size());
  for (uint32_t position = 0; position < services.size(); ++position)
    if (!is_fresh[position]) order.push_back(position);
  const size_t carried = order.size();
  std::set<std::pair<uint8_t, uint32_t>> marks;
  for (const uint32_t position : order) {
    if (services[position]->mark != 0) marks.insert({services[position]->family, services[position]->mark});
  }
  for (size_t s = 0; s < fresh_.size(); ++s) {
    order.push_back(service_at_[fresh_[s]->slot]);
    if (fresh_[s]->mark != 0 && !marks.insert({fresh_[s]->family, fresh_[s]->mark}).second)
      return at(s, "mark: another service of the address family has it");
  }
  auto built = Directory::build(services, order, std::move(settings));
  if (const auto* conflict = std::get_if<Directory::Conflict>(&built)) {
    return at(conflict->place - carried, "listen", conflict->listen,
              "address: another service already listens there");
  }
  directory_ = std::move(*std::get_if<0>(&built));
  return {};
}

std::string Snapshot::sort_timeouts() {
  timeout_classes_.push_back(in_ticks(flow::Timeouts{}));
  timeout_class_of_.assign(service_at_.size(), 0);
  for (size_t s = 0; s < services.size(); ++s) {
    const auto& ticks = services[s]->timeout_ticks;
    const auto known = std::find(timeout_classes_.begin(), timeout_classes_.end(), ticks);
    const size_t timeout_class = size_t(known - timeout_classes_.begin());
    if (timeout_class > 65535) return at(s, "timeouts: more than 65536 different sets of timeouts");
    if (known == timeout_classes_.end()) timeout_classes_.push_back(ticks);
    timeout_class_of_[services[s]->slot] = uint16_t(timeout_class);
  }
  return {};
}

std::vector<uint32_t> Snapshot::moved_servers(const Service& service, const Service& next) const {
  std::vector<uint32_t> moved(service.server_count(), Locality::kGone);
  for (uint32_t i = 0; i < service.server_count(); ++i) {
    const Server& server = service.servers[i];
    const Server* now = server_of(next, server.slot);
    // A slot may have changed hands.
    if (now != nullptr && same(now->address, server.address) && now->port == server.port)
      moved[i] = uint32_t(now - next.servers.data());
  }
  return moved;
}

void Snapshot::watch(ServerLoad* loads, const Snapshot* before) {
  if (before != nullptr) {
    for (const auto& service : before->services) {
      if (service->standings && service_at(service->slot) != service.get()) service->standings->retire(loads);
    }
  }
  for (Service* service : fresh_) {
    if (service->standings) service->standings->watch(loads);
  }
}

void Snapshot::inherit(const Snapshot& before) {
  for (Service* next : fresh_) {
    const Service* service = before.service_at(next->slot);
    if (service == nullptr) continue;
    if (next->continues) next->cursor = service->cursor;
    if (!next->locality || !service->locality) continue;
    // Another scheduler, or another service in the same slot, starts afresh.
    if (next->family != service->family || next->plan.replicate != service->plan.replicate) continue;
    next->locality->inherit(*service->locality, moved_servers(*service, *next));
  }
}

}  // namespace vsnat::service
