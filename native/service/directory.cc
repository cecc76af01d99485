// SPDX-License-Identifier: Apache-2.0
#include "service/directory.h"

namespace vsnat::service {

template <class Addr>
bool Directory::listen_at(Listeners<Addr>& listeners, const ListenSpec& place, const Services& services,
                          uint32_t service) {
  const Addr& address = place.address.get<Addr>();
  if (listeners.insert(address, place.protocol, place.port, service)) return true;
  const auto* other = listeners.find(address, place.protocol, place.port);
  const bool marked = services[service]->mark != 0;
  if (marked == (services[other->service]->mark != 0)) return false;
  if (marked) listeners.entries[size_t(other - listeners.entries.data())].service = service;
  return true;
}

template <class Addr>
void Directory::place_servers(Listeners<Addr>& listeners, const Service& service) {
  for (const Server& server : service.servers)
    listeners.insert(server.address.get<Addr>(), kRealServerMark, 0, 0);
}

Directory::Built Directory::build(const Services& services, const std::vector<uint32_t>& order,
                                  Settings settings) {
  auto directory = std::make_shared<Directory>();
  directory->settings_ = std::move(settings);
  size_t places[2] = {0, 0};
  for (const auto& service : services)
    places[service->family == 6] += service->listen.size() + service->servers.size();
  directory->listeners4_.reserve(places[0]);
  directory->listeners6_.reserve(places[1]);
  for (size_t i = 0; i < order.size(); ++i) {
    const Service& service = *services[order[i]];
    const bool v4 = service.family == 4;
    for (size_t l = 0; l < service.listen.size(); ++l) {
      const ListenSpec& place = service.listen[l];
      if (place.port == 0) (service.mark ? directory->any_port_of_mark_ : directory->any_port_) = true;
      const bool alone = v4 ? listen_at(directory->listeners4_, place, services, order[i])
                            : listen_at(directory->listeners6_, place, services, order[i]);
      if (!alone) return Conflict{i, l};
    }
    if (v4) {
      directory->place_servers(directory->listeners4_, service);
    } else {
      directory->place_servers(directory->listeners6_, service);
    }
  }
  directory->index_vips(services);
  directory->place_one_packet_replies(services, order);
  directory->calling_servers_.build(services, order);
  if (directory->settings_.real_endpoints) directory->index_real_endpoints(services, order);
  return directory;
}

void Directory::index_vips(const Services& services) {
  size_t vips[2] = {0, 0};
  for (const auto& service : services) vips[service->family == 6] += service->listen.size();
  for (const IpAddress& vip : settings_.lingering_vips) ++vips[vip.family == 6];
  vips4_.reserve(vips[0]);
  vips6_.reserve(vips[1]);
  const auto add = [this](const IpAddress& vip) {
    if (vip.family == 4) {
      vips4_.insert(vip.v4);
    } else {
      vips6_.insert(vip.v6);
    }
  };
  for (const auto& service : services) {
    for (const ListenSpec& place : service->listen) add(place.address);
  }
  for (const IpAddress& vip : settings_.lingering_vips) add(vip);
}

template <class Addr>
void Directory::place_one_packet_reply(Listeners<Addr>& places, const Addr& server, uint16_t port,
                                       const OnePacketReply& reply) {
  if (places.insert(server, wire::kProtoUdp, port, uint32_t(one_packet_replies_.size()))) {
    one_packet_replies_.push_back(reply);
  } else {
    one_packet_replies_[places.find(server, wire::kProtoUdp, port)->service].ambiguous = true;
  }
}

void Directory::place_one_packet_replies(const Services& services, const std::vector<uint32_t>& order) {
  size_t places[2] = {0, 0};
  for (const auto& service : services) {
    if (service->one_packet) places[service->family == 6] += service->listen.size() * service->servers.size();
  }
  one_packet_places4_.reserve(places[0]);
  one_packet_places6_.reserve(places[1]);
  if (!settings_.translate_one_packet_replies) return;
  for (const uint32_t position : order) {
    const Service& service = *services[position];
    if (!service.one_packet) continue;
    for (const ListenSpec& listen : service.listen) {
      if (listen.protocol != wire::kProtoUdp) continue;
      const Listener at{&service, service.mark != 0 ? uint16_t{0} : listen.port};
      const auto virtual_port = wire::be16::from_host(listen.port);
      for (const Server& server : service.servers) {
        const uint16_t port = target_port(at, server, virtual_port).host();
        const OnePacketReply reply{listen.address, virtual_port, server.slot, service.slot, false};
        if (service.family == 4) {
          place_one_packet_reply(one_packet_places4_, server.address.v4, port, reply);
        } else {
          place_one_packet_reply(one_packet_places6_, server.address.v6, port, reply);
        }
      }
    }
  }
}

void Directory::index_real_endpoints(const Services& services, const std::vector<uint32_t>& order) {
  // One entry for each protocol its service listens for: a real server has no protocol of its own.
  size_t endpoints[2] = {0, 0};
  for (const auto& service : services)
    endpoints[service->family == 6] += service->listen.size() * service->servers.size();
  real_endpoints4_.reserve(endpoints[0]);
  real_endpoints6_.reserve(endpoints[1]);
  for (const uint32_t position : order) {
    const Service& service = *services[position];
    for (const ListenSpec& listen : service.listen) {
      for (const Server& server : service.servers) {
        if (service.family == 4) {
          real_endpoints4_.insert(server.address.v4, listen.protocol, server.port.host(), position);
        } else {
          real_endpoints6_.insert(server.address.v6, listen.protocol, server.port.host(), position);
        }
      }
    }
  }
}

}  // namespace vsnat::service
