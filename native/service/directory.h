// SPDX-License-Identifier: Apache-2.0
//
// Who is where: everything of a snapshot that is looked up by address. Answers are positions in the snapshot's list of
// services. A change of weights and plans moves nobody, so snapshots share a directory for as long as nobody moves.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "service/calling_servers.h"
#include "service/service.h"
#include "wire/headers.h"

namespace vsnat::service {

/** Whose replies a one-packet server's datagrams are. */
struct OnePacketReply {
  IpAddress virt;
  wire::be16 virtual_port;  // 0: the one they come from
  uint32_t server_slot = 0, service_slot = 0;
  bool ambiguous = false;  // several services have the server
};

class Directory {
 public:
  using Services = std::vector<std::shared_ptr<Service>>;

  struct Settings {
    bool translate_one_packet_replies = true;
    /** Whether find_service_of_server() knows anybody. */
    bool real_endpoints = false;
    std::vector<IpAddress> lingering_vips;
  };
  /** Two services want the same place: the later one, as a position in `order`, and which of its listeners it is. */
  struct Conflict {
    size_t place = 0;
    size_t listen = 0;
  };
  using Built = std::variant<std::shared_ptr<const Directory>, Conflict>;

  /** `order`: positions in `services`, each once; who comes first has a place that two want. */
  static Built build(const Services& services, const std::vector<uint32_t>& order, Settings settings);

  static constexpr uint32_t kNobody = 0xffffffff;

  template <class Addr>
  bool is_vip(const Addr& address) const {
    return of<Addr>(vips4_, vips6_).contains(address);
  }
  template <class Addr>
  bool is_real_server(const Addr& address) const {
    return listeners<Addr>().find(address, kRealServerMark, 0) != nullptr;
  }
  /** Who listens on this very place; port 0 is every port. kNobody when nobody does. */
  template <class Addr>
  uint32_t find(uint8_t protocol, const Addr& address, uint16_t port) const {
    const auto* entry = listeners<Addr>().find(address, protocol, port);
    return entry == nullptr ? kNobody : entry->service;
  }
  template <class Addr>
  uint32_t find_real_endpoint(uint8_t protocol, const Addr& address, wire::be16 port) const {
    const Listeners<Addr>& endpoints = of<Addr>(real_endpoints4_, real_endpoints6_);
    if (endpoints.entries.empty()) return kNobody;
    const auto* entry = endpoints.find(address, protocol, port.host());
    return entry == nullptr ? kNobody : entry->service;
  }
  template <class Addr>
  const OnePacketReply* find_one_packet_reply(const Addr& address, wire::be16 port) const;

  /** Whether anybody listens on every port; with a mark, and without. */
  bool any_port_of_mark() const { return any_port_of_mark_; }
  bool any_port() const { return any_port_; }
  const Settings& settings() const { return settings_; }
  const CallingServers& calling_servers() const { return calling_servers_; }

 private:
  static constexpr OnePacketReply kAmbiguousReply{{}, {}, 0, 0, true};
  // A protocol number no service can have (RFC 5237: it is for experiments).
  static constexpr uint8_t kRealServerMark = 254;

  template <class Addr>
  using Listeners = Places<Addr>;

  template <class Addr, class Four, class Six>
  static const auto& of(const Four& four, const Six& six) {
    if constexpr (Addr::kFamily == 4) {
      return four;
    } else {
      return six;
    }
  }
  template <class Addr>
  const Listeners<Addr>& listeners() const {
    return of<Addr>(listeners4_, listeners6_);
  }

  /**
   * Let the service listen there. Where a mark's service and an ordinary one both do, the packets are the mark's; false
   * where two of one kind do.
   */
  template <class Addr>
  static bool listen_at(Listeners<Addr>& listeners, const ListenSpec& place, const Services& services,
                        uint32_t service);
  template <class Addr>
  void place_servers(Listeners<Addr>& listeners, const Service& service);
  void index_vips(const Services& services);
  void place_one_packet_replies(const Services& services, const std::vector<uint32_t>& order);
  template <class Addr>
  void place_one_packet_reply(Listeners<Addr>& places, const Addr& server, uint16_t port,
                              const OnePacketReply& reply);
  void index_real_endpoints(const Services& services, const std::vector<uint32_t>& order);

  Settings settings_;
  Addresses<wire::Addr4> vips4_;
  Addresses<wire::Addr6> vips6_;
  Listeners<wire::Addr4> listeners4_;
  Listeners<wire::Addr6> listeners6_;
  bool any_port_of_mark_ = false, any_port_ = false;
  Listeners<wire::Addr4> one_packet_places4_;
  Listeners<wire::Addr6> one_packet_places6_;
  std::vector<OnePacketReply> one_packet_replies_;
  CallingServers calling_servers_;
  /** Real servers by protocol, address and port. */
  Listeners<wire::Addr4> real_endpoints4_;
  Listeners<wire::Addr6> real_endpoints6_;
};

template <class Addr>
const OnePacketReply* Directory::find_one_packet_reply(const Addr& address, wire::be16 port) const {
  if (one_packet_replies_.empty()) return nullptr;
  const Listeners<Addr>& places = of<Addr>(one_packet_places4_, one_packet_places6_);
  const auto* exact = places.find(address, wire::kProtoUdp, port.host());
  const auto* whole = places.find(address, wire::kProtoUdp, 0);
  if (exact == nullptr && whole == nullptr) return nullptr;
  if (exact == nullptr || whole == nullptr) return &one_packet_replies_[(exact ? exact : whole)->service];
  return &kAmbiguousReply;
}

}  // namespace vsnat::service
