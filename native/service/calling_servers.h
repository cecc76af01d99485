// SPDX-License-Identifier: Apache-2.0
//
// Servers that may begin a connection. IPVS lets those of a UDP service that persists by SIP call (ip_vs_pe_sip.c,
// conn_out): what a phone exchange sends of itself, an INVITE to a phone, goes out with the VIP, and the answer comes back
// to it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "service/places.h"
#include "wire/endian.h"

namespace vsnat::service {

struct Service;

struct CallingServer {
  static constexpr uint32_t kNone = 0xffffffff;

  uint32_t service;      // in Snapshot::services
  uint32_t server_slot;  // in the dataplane
  IpAddress virt;
  wire::be16 virtual_port;
  /** The next with the same address and port, which was configured earlier; or kNone. */
  uint32_t older;
};

class CallingServers {
 public:
  /** In this order of positions. Services of a mark, and those on every port, have no port to call from. */
  void build(const std::vector<std::shared_ptr<Service>>& services, const std::vector<uint32_t>& order);

  /** The one configured last, as the kernel finds the one added last; null when there is none. */
  template <class Addr>
  const CallingServer* find(const Addr& address, wire::be16 port) const {
    if (all_.empty()) return nullptr;
    const auto* entry = places<Addr>().find(address, kProtocol, port.host());
    return entry ? &all_[entry->service] : nullptr;
  }
  const CallingServer* older(const CallingServer& than) const {
    return than.older == CallingServer::kNone ? nullptr : &all_[than.older];
  }

 private:
  static constexpr uint8_t kProtocol = 17;  // of UDP, the only one

  template <class Addr>
  const Places<Addr>& places() const {
    if constexpr (Addr::kFamily == 4) {
      return places4_;
    } else {
      return places6_;
    }
  }
  template <class Addr>
  void add(Places<Addr>& places, const Addr& address, uint16_t port, CallingServer server);

  std::vector<CallingServer> all_;
  Places<wire::Addr4> places4_;
  Places<wire::Addr6> places6_;
};

}  // namespace vsnat::service
