// SPDX-License-Identifier: Apache-2.0
#include "service/snapshot.h"

#include <algorithm>
#include <bit>
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

}  // namespace

template <class Addr>
bool Snapshot::listen_at(Places<Addr>& listeners, const ListenSpec& place, const SnapshotSpec& spec,
                         uint32_t service) {
  const Addr& address = place.address.get<Addr>();
  listeners.insert(address, kVipMark, 0, 0);
  if (listeners.insert(address, place.protocol, place.port, service)) return true;
  const auto* other = listeners.find(address, place.protocol, place.port);
  const bool marked = spec.services[service].mark != 0;
  if (marked == (spec.services[other->service].mark != 0)) return false;
  if (marked) listeners.entries[size_t(other - listeners.entries.data())].service = service;
  return true;
}

Snapshot::Built Snapshot::build(const SnapshotSpec& spec, Limits limits, uint64_t generation) {
  auto snapshot = std::make_unique<Snapshot>();
  snapshot->generation = generation;
  snapshot->removed_server = spec.removed_server;
  snapshot->expire_quiescent_template = spec.expire_quiescent_template;
  std::set<std::pair<uint8_t, uint32_t>> marks;
  snapshot->policy = spec.policy;
  snapshot->server_at_.assign(limits.server_slots, kAbsent);
  snapshot->service_present_.assign(limits.service_slots, 0);
  snapshot->timeout_classes_.push_back(in_ticks(flow::Timeouts{}));
  snapshot->timeout_class_of_.assign(limits.service_slots, 0);
  size_t listeners4 = 0, listeners6 = 0;
  for (const ServiceSpec& service : spec.services) {
    for (const ListenSpec& listen : service.listen) ++(listen.address.family == 4 ? listeners4 : listeners6);
    for (const ServerSpec& server : service.servers) ++(server.address.family == 4 ? listeners4 : listeners6);
  }
  snapshot->listeners4_.reserve(listeners4);
  snapshot->listeners6_.reserve(listeners6);

  for (size_t s = 0; s < spec.services.size(); ++s) {
    const ServiceSpec& from = spec.services[s];
    if (from.slot >= limits.service_slots) return at(s, "slot: beyond the dataplane's service slots");
    if (snapshot->service_present_[from.slot]) return at(s, "slot: used twice");
    snapshot->service_present_[from.slot] = 1;
    if (from.listen.empty()) return at(s, "listen: needs at least one address");
    const uint8_t family = from.listen[0].address.family;
    if (std::string wrong = check_grouping(from, s); !wrong.empty()) return wrong;
    if (from.mark != 0 && !marks.insert({family, from.mark}).second)
      return at(s, "mark: another service of the address family has it");

    for (size_t i = 0; i < from.listen.size(); ++i) {
      const ListenSpec& listen = from.listen[i];
      if (listen.address.family != family)
        return at(s, "listen", i, "address: one service has one address family");
      if (listen.port == 0) (from.mark ? snapshot->any_port_of_mark_ : snapshot->any_port_) = true;
      const bool alone = family == 4 ? listen_at(snapshot->listeners4_, listen, spec, uint32_t(s))
                                     : listen_at(snapshot->listeners6_, listen, spec, uint32_t(s));
      if (!alone) return at(s, "listen", i, "address: another service already listens there");
    }

    Service service{};
    service.slot = from.slot;
    service.family = family;
    service.vip = from.listen[0].address;
    service.first_server = uint32_t(snapshot->servers.size());
    service.server_count = uint32_t(from.servers.size());
    service.plan = from.plan;
    service.helper = from.helper;
    service.cursor = std::make_shared<std::atomic<uint64_t>>(0);
    service.continues = from.continues;
    if (from.plan.kind == PlanKind::local) {
      service.locality = std::make_unique<Locality>(destinations_of(from), service.server_count);
    }
    service.persistence_ticks = ticks_from_seconds(from.persistence.seconds);
    service.persistence_bits = from.persistence.prefix_bits;
    service.persistence_mask = mask_of(from.persistence);
    service.together = from.persistence.together;
    service.mark = from.mark;
    service.one_packet = from.one_packet;
    if (std::string wrong = check_plan(from.plan, from.servers.size(), s); !wrong.empty()) return wrong;

    for (size_t i = 0; i < from.servers.size(); ++i) {
      const ServerSpec& server = from.servers[i];
      if (server.slot >= limits.server_slots)
        return at(s, "servers", i, "slot: beyond the dataplane's server slots");
      if (snapshot->server_at_[server.slot] != kAbsent) return at(s, "servers", i, "slot: used twice");
      if (server.address.family != family) return at(s, "servers", i, "address: not of the service's family");
      if (server.weight > 65535) return at(s, "servers", i, "weight: must be 0..65535");
      snapshot->server_at_[server.slot] = uint32_t(snapshot->servers.size());
      if (family == 4) {
        snapshot->listeners4_.insert(server.address.v4, kRealServerMark, 0, 0);
      } else {
        snapshot->listeners6_.insert(server.address.v6, kRealServerMark, 0, 0);
      }
      snapshot->servers.push_back(Server{server.slot, server.weight, server.upper_threshold,
                                         server.lower_threshold, server.address,
                                         wire::be16::from_host(server.port)});
    }

    const auto ticks = in_ticks(from.timeouts);
    auto& classes = snapshot->timeout_classes_;
    const auto known = std::find(classes.begin(), classes.end(), ticks);
    const size_t timeout_class = size_t(known - classes.begin());
    if (timeout_class > 65535) return at(s, "timeouts: more than 65536 different sets of timeouts");
    if (known == classes.end()) classes.push_back(ticks);
    snapshot->timeout_class_of_[from.slot] = uint16_t(timeout_class);
    snapshot->services.push_back(std::move(service));
  }
  snapshot->place_one_packet_replies(spec);
  snapshot->calling_servers.build(spec);
  if (spec.policy.nat_icmp_send) snapshot->index_real_endpoints(spec);
  return snapshot;
}

template <class Addr>
void Snapshot::place_one_packet_reply(Places<Addr>& places, const Addr& server, uint16_t port,
                                      const OnePacketReply& reply) {
  if (places.insert(server, wire::kProtoUdp, port, uint32_t(one_packet_replies_.size()))) {
    one_packet_replies_.push_back(reply);
  } else {
    one_packet_replies_[places.find(server, wire::kProtoUdp, port)->service].ambiguous = true;
  }
}

void Snapshot::place_one_packet_replies(const SnapshotSpec& spec) {
  size_t places[2] = {0, 0};
  for (const ServiceSpec& service : spec.services) {
    if (service.one_packet && !service.listen.empty())
      places[service.listen[0].address.family == 6] += service.listen.size() * service.servers.size();
  }
  one_packet_places4_.reserve(places[0]);
  one_packet_places6_.reserve(places[1]);
  if (!spec.translate_one_packet_replies) return;
  for (size_t s = 0; s < spec.services.size(); ++s) {
    if (!services[s].one_packet) continue;
    for (const ListenSpec& listen : spec.services[s].listen) {
      if (listen.protocol != wire::kProtoUdp) continue;
      const Listener at{&services[s], services[s].mark != 0 ? uint16_t{0} : listen.port};
      const auto virtual_port = wire::be16::from_host(listen.port);
      for (uint32_t i = 0; i < services[s].server_count; ++i) {
        const Server& server = servers[services[s].first_server + i];
        const uint16_t port = target_port(at, server, virtual_port).host();
        const OnePacketReply reply{listen.address, virtual_port, server.slot, services[s].slot, false};
        if (services[s].family == 4) {
          place_one_packet_reply(one_packet_places4_, server.address.v4, port, reply);
        } else {
          place_one_packet_reply(one_packet_places6_, server.address.v6, port, reply);
        }
      }
    }
  }
}

void Snapshot::index_real_endpoints(const SnapshotSpec& spec) {
  // One entry for each protocol its service listens for: a real server has no protocol of its own.
  const auto each = [&spec](auto&& visit) {
    for (size_t s = 0; s < spec.services.size(); ++s) {
      for (const ListenSpec& listen : spec.services[s].listen) {
        for (const ServerSpec& server : spec.services[s].servers) visit(uint32_t(s), listen.protocol, server);
      }
    }
  };
  size_t endpoints4 = 0, endpoints6 = 0;
  each([&](uint32_t, uint8_t, const ServerSpec& server) {
    ++(server.address.family == 4 ? endpoints4 : endpoints6);
  });
  real_endpoints4_.reserve(endpoints4);
  real_endpoints6_.reserve(endpoints6);
  each([&](uint32_t s, uint8_t protocol, const ServerSpec& server) {
    if (server.address.family == 4) {
      real_endpoints4_.insert(server.address.v4, protocol, server.port, s);
    } else {
      real_endpoints6_.insert(server.address.v6, protocol, server.port, s);
    }
  });
}

std::vector<uint32_t> Snapshot::moved_servers(const Snapshot& before, const Service& service,
                                              const Service& next) const {
  std::vector<uint32_t> moved(service.server_count, Locality::kGone);
  for (uint32_t i = 0; i < service.server_count; ++i) {
    const Server& server = before.servers[service.first_server + i];
    const uint32_t at = server_at_[server.slot];
    if (at < next.first_server || at >= next.first_server + next.server_count) continue;
    // A slot may have changed hands.
    const Server& now = servers[at];
    const bool same =
        service.family == 4 ? now.address.v4 == server.address.v4 : now.address.v6 == server.address.v6;
    if (same && now.port == server.port) moved[i] = at - next.first_server;
  }
  return moved;
}

void Snapshot::inherit(const Snapshot& before) {
  std::vector<const Service*> by_slot(before.service_present_.size());
  for (const Service& service : before.services) by_slot[service.slot] = &service;
  for (Service& next : services) {
    const Service* service = next.slot < by_slot.size() ? by_slot[next.slot] : nullptr;
    if (service == nullptr) continue;
    if (next.continues) next.cursor = service->cursor;
    if (!next.locality || !service->locality) continue;
    // Another scheduler, or another service in the same slot, starts afresh.
    if (next.family != service->family || next.plan.replicate != service->plan.replicate) continue;
    next.locality->inherit(*service->locality, moved_servers(before, *service, next));
  }
}

}  // namespace vsnat::service
