// SPDX-License-Identifier: Apache-2.0
#include "engine/kernel_maps.h"

#include <cstring>

namespace vsnat::engine {
namespace {

/** IPv4 mapped into ::ffff:0:0/96. */
void put_address(uint8_t (&to)[16], const service::IpAddress& address) {
  if (address.family == 6) {
    std::memcpy(to, &address.v6, 16);
  } else {
    to[10] = to[11] = 0xff;
    std::memcpy(to + 12, &address.v4, 4);
  }
}

io::VipKey vip_of(const service::IpAddress& address) {
  io::VipKey key{};
  put_address(key.bytes, address);
  return key;
}

io::Endpoint endpoint_of(io::Endpoint::Side side, const service::IpAddress& address, uint8_t protocol,
                         uint16_t port) {
  io::Endpoint endpoint{.port = {uint8_t(port >> 8), uint8_t(port)}, .protocol = protocol, .side = side};
  put_address(endpoint.address, address);
  return endpoint;
}

std::vector<io::VipKey> vips_of(const service::Snapshot& snapshot) {
  std::vector<io::VipKey> vips;
  for (const auto& service : snapshot.services)
    for (const auto& listen : service->listen) vips.push_back(vip_of(listen.address));
  for (const service::IpAddress& vip : snapshot.lingering_vips()) vips.push_back(vip_of(vip));
  return vips;
}

/** Services on every port are not among them, nor what has no port: the kernel's routes and rules lead those. */
std::vector<io::Endpoint> endpoints_of(const service::Snapshot& snapshot) {
  using Side = io::Endpoint::Side;
  std::vector<io::Endpoint> endpoints;
  for (const auto& service : snapshot.services) {
    for (const service::ListenSpec& listen : service->listen) {
      if (listen.port != 0)
        endpoints.push_back(endpoint_of(Side::destination, listen.address, listen.protocol, listen.port));
      for (const service::Server& server : service->servers) {
        const uint16_t port = server.port.host() != 0 ? server.port.host() : listen.port;
        if (port != 0) endpoints.push_back(endpoint_of(Side::source, server.address, listen.protocol, port));
      }
    }
  }
  return endpoints;
}

}  // namespace

void KernelMaps::learn(const service::Snapshot& next) {
  if (steering_ && steering_->has_vips())
    vips_.learn(vips_of(next), [&](const io::VipKey& vip) { return steering_->add_vip(vip); });
  if (ingress_)
    endpoints_.learn(endpoints_of(next), [&](const io::Endpoint& place) { return ingress_->add(place); });
}

void KernelMaps::forget() {
  if (steering_) vips_.forget([&](const io::VipKey& vip) { steering_->remove_vip(vip); });
  if (ingress_) endpoints_.forget([&](const io::Endpoint& place) { ingress_->remove(place); });
}

}  // namespace vsnat::engine
