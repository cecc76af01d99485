// SPDX-License-Identifier: Apache-2.0
#include "service/calling_servers.h"

#include "service/service.h"

namespace vsnat::service {

template <class Addr>
void CallingServers::add(Places<Addr>& places, const Addr& address, uint16_t port, CallingServer server) {
  auto& entry = places.claim(address, kProtocol, port);
  server.older = entry.used ? entry.service : CallingServer::kNone;
  entry.used = true;
  entry.service = uint32_t(all_.size());
  all_.push_back(server);
}

void CallingServers::build(const std::vector<std::shared_ptr<Service>>& services,
                           const std::vector<uint32_t>& order) {
  const auto each = [&](auto&& visit) {
    for (const uint32_t s : order) {
      const Service& service = *services[s];
      if (service.together != Together::sip_call || service.mark != 0) continue;
      for (const ListenSpec& listen : service.listen) {
        if (listen.protocol != kProtocol || listen.port == 0) continue;
        for (const Server& server : service.servers) {
          if (server.port.host() != 0) visit(s, listen, server);
        }
      }
    }
  };
  size_t count4 = 0, count6 = 0;
  each([&](uint32_t, const ListenSpec& listen, const Server&) {
    ++(listen.address.family == 4 ? count4 : count6);
  });
  if (count4 + count6 == 0) return;
  places4_.reserve(count4);
  places6_.reserve(count6);
  each([&](uint32_t s, const ListenSpec& listen, const Server& server) {
    const CallingServer calling{s, server.slot, listen.address, wire::be16::from_host(listen.port), 0};
    if (listen.address.family == 4) {
      add(places4_, server.address.v4, server.port.host(), calling);
    } else {
      add(places6_, server.address.v6, server.port.host(), calling);
    }
  });
}

}  // namespace vsnat::service
