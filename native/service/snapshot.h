// SPDX-License-Identifier: Apache-2.0
//
// Policy as data. A Snapshot is built whole on the control thread from plain specs, checked, published by one
// pointer and never changed again, but for the cursors of its cycle plans and the memories of its local ones.
// It answers the packet path's questions: is this address a VIP, which service listens here, is this server
// still configured, how long does a flow of that state stay.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flow/tcp_state.h"
#include "service/calling_servers.h"
#include "service/load.h"
#include "service/locality.h"
#include "service/places.h"
#include "service/policy.h"
#include "wire/address.h"
#include "wire/endian.h"
#include "wire/headers.h"

namespace vsnat::service {

// ---- what the control side says ----

struct ListenSpec {
  uint8_t protocol = 0;
  IpAddress address;
  uint16_t port = 0;
};

struct ServerSpec {
  uint32_t slot = 0;
  IpAddress address;
  uint16_t port = 0;
  uint32_t weight = 0;
  uint32_t upper_threshold = 0, lower_threshold = 0;
};

enum class PlanKind : uint8_t { cycle, hash, least, first, local, bounded };
enum class HashFunction : uint8_t { golden, siphash };
enum class HashOn : uint8_t { source, destination };
/** Which servers a least plan compares. */
enum class Among : uint8_t { all, idle_first, two, two_distinct };
/** Which connections are a server's load to a bounded plan. */
enum class Counted : uint8_t { active, all };

/** src/model/plan.ts says what each kind means. */
struct Plan {
  PlanKind kind = PlanKind::cycle;
  std::vector<int32_t> lead;  // cycle
  /** cycle: the loop; hash and bounded: the slots (-1 empty); the others: the order servers are tried and ties broken in. */
  std::vector<int32_t> steps;
  // hash; bounded has `on` and `use_port` of it
  HashFunction function = HashFunction::golden;
  HashOn on = HashOn::source;
  bool use_port = false, fallback = false;
  // least; local knows the first two and is always weighted
  uint32_t active_cost = 0, inactive_cost = 0, constant = 0;
  bool weighted = false;
  Among among = Among::all;
  /** Of every server of the service, what its cost is multiplied by; empty: 1. */
  std::vector<uint16_t> factors;
  // first
  bool overflow = false;
  // local
  bool replicate = false;
  uint32_t forget_ticks = 0;
  // bounded
  uint32_t bound_percent = 0;
  Counted counted = Counted::active;
};

/** What besides the client's network says that connections belong together (IPVS: persistence engine). */
enum class Together : uint8_t { network, sip_call };

/** New connections of a client's network go where its last one went. */
struct PersistenceSpec {
  uint32_t seconds = 0;     // 0: not persistent
  uint8_t prefix_bits = 0;  // of the client's address
  /** IPv4 only: which bits of the address count, in the place of prefix_bits. */
  std::optional<wire::Addr4> mask;
  Together together = Together::network;
};

/** Who reads the service's control connections (nat/ftp_helper.h). */
enum class Helper : uint8_t { none, ftp };

struct ServiceSpec {
  uint32_t slot = 0;
  std::vector<ListenSpec> listen;
  std::vector<ServerSpec> servers;
  Plan plan;
  flow::Timeouts timeouts;
  PersistenceSpec persistence;
  /** Not 0: all listeners are one service, as if a firewall marked their packets with this number. */
  uint32_t mark = 0;
  /** Each datagram is scheduled on its own and no connection is remembered. */
  bool one_packet = false;
  Helper helper = Helper::none;
  /** The cycle is the one that is in use for this slot, and goes on where that is. */
  bool continues = false;
};

enum class RemovedServer : uint8_t { reset, silent };

struct SnapshotSpec {
  std::vector<ServiceSpec> services;
  RemovedServer removed_server = RemovedServer::reset;
  /** A server of weight 0 gets no new connections of persistent clients either. */
  bool expire_quiescent_template = false;
  /** Datagrams of a server of one one-packet service are its replies. */
  bool translate_one_packet_replies = true;
  Policy policy;
};

struct Limits {
  uint32_t server_slots = 0;
  uint32_t service_slots = 0;
};

// ---- what the packet path reads ----

struct Server {
  uint32_t slot;
  uint32_t weight;
  uint32_t upper_threshold, lower_threshold;
  IpAddress address;
  wire::be16 port;  // 0: the one the client asked for
};

struct Service {
  uint32_t slot;
  uint8_t family;
  uint32_t first_server, server_count;  // in Snapshot::servers
  Plan plan;
  /** Steps a cycle plan has taken. Any worker, and the next snapshot too when it has the same cycle: no step is lost. */
  std::shared_ptr<std::atomic<uint64_t>> cursor;
  bool continues = false;
  /** Of a local plan; null otherwise. */
  std::unique_ptr<Locality> locality;
  /** The first it listens on: whose name the director uses when it speaks to a real server. */
  IpAddress vip;
  uint32_t persistence_ticks = 0;  // 0: not persistent
  uint8_t persistence_bits = 0;    // IPv6
  uint32_t persistence_mask = 0;   // IPv4, host order
  Together together = Together::network;
  uint32_t mark = 0;
  bool one_packet = false;
  Helper helper = Helper::none;

  bool persistent() const { return persistence_ticks != 0; }
};

/** What is listened on, for one packet. */
struct Listener {
  const Service* service = nullptr;  // null: nobody listens there
  /** Host order. 0: every port of the address, or a mark's service, which has none of its own. */
  uint16_t port = 0;
};

/**
 * The real server's port for a connection to `virtual_port`. A persistent service translates no port but its own, since
 * what it holds together are the client's connections to several (ip_vs_sched_persist).
 */
inline wire::be16 target_port(const Listener& at, const Server& server, wire::be16 virtual_port) {
  const bool translated = !at.service->persistent() || at.port == virtual_port.host();
  return translated && server.port.host() != 0 ? server.port : virtual_port;
}

/** Whose replies a one-packet server's datagrams are. */
struct OnePacketReply {
  IpAddress virt;
  wire::be16 virtual_port;  // 0: the one they come from
  uint32_t server_slot = 0, service_slot = 0;
  bool ambiguous = false;  // several services have the server
};

class Snapshot {
 public:
  using Built = std::variant<std::unique_ptr<Snapshot>, std::string>;

  /** A snapshot, or the sentence that says where the spec is wrong. Nothing is published by building. */
  static Built build(const SnapshotSpec& spec, Limits limits, uint64_t generation);

  /**
   * Take over what the local plans of `before`, now in use, have learnt, and share the cursors of the cycles that
   * continue. Control thread, before publishing.
   */
  void inherit(const Snapshot& before);

  template <class Addr>
  bool is_vip(const Addr& address) const;
  /** Whether some service has a real server there. */
  template <class Addr>
  bool is_real_server(const Addr& address) const;
  /** A mark's service first, then the one on this very port, then the one on every port. */
  template <class Addr>
  Listener find_listener(uint8_t protocol, const Addr& address, wire::be16 port) const;
  /** Null when nobody listens there. */
  template <class Addr>
  const Service* find_service(uint8_t protocol, const Addr& address, wire::be16 port) const {
    return find_listener(protocol, address, port).service;
  }
  /** Null when the endpoint is no server of a one-packet service, or their replies are left alone. */
  template <class Addr>
  const OnePacketReply* find_one_packet_reply(const Addr& address, wire::be16 port) const;
  /** A service with this very server, or null. Known only with nat_icmp_send, which alone asks. */
  template <class Addr>
  const Service* find_service_of_server(uint8_t protocol, const Addr& address, wire::be16 port) const;

  /** A server that left while its service stayed: its flows have nowhere to go. */
  bool server_gone(uint32_t server_slot, uint32_t service_slot) const {
    return server_at_[server_slot] == kAbsent &&
           (service_present_[service_slot] != 0 || policy.services_take_connections);
  }
  /** Null when the slot is not one of this service's. */
  const Server* server_of(const Service& service, uint32_t slot) const {
    const uint32_t at = server_at_[slot];
    const bool is_member = at >= service.first_server && at < service.first_server + service.server_count;
    return is_member ? &servers[at] : nullptr;
  }
  /** Null when the slot is not in this snapshot. */
  const Server* server_at(uint32_t slot) const {
    return server_at_[slot] == kAbsent ? nullptr : &servers[server_at_[slot]];
  }

  uint64_t generation = 0;
  RemovedServer removed_server = RemovedServer::reset;
  bool expire_quiescent_template = false;
  Policy policy;
  std::vector<Service> services;
  std::vector<Server> servers;
  CallingServers calling_servers;

  /**
   * Ticks an idle flow of this service stays in `state`. By service slot, so that a flow keeps its service's timeouts
   * across reloads and gets changed ones with its next packet; the kernel's defaults when the service is gone.
   */
  uint32_t timeout_ticks(uint32_t service_slot, flow::State state) const {
    return timeout_classes_[timeout_class_of_[service_slot]][size_t(state)];
  }

 private:
  static constexpr uint32_t kAbsent = 0xffffffff;
  static constexpr OnePacketReply kAmbiguousReply{{}, {}, 0, 0, true};
  // Protocol numbers no service can have (RFC 5237: 253, 254 are for experiments).
  static constexpr uint8_t kVipMark = 253, kRealServerMark = 254;

  /** For each server of `service`, its index within `next`, or Locality::kGone. */
  std::vector<uint32_t> moved_servers(const Snapshot& before, const Service& service,
                                      const Service& next) const;

  void index_real_endpoints(const SnapshotSpec& spec);

  /**
   * Let `service` listen there. Where a mark's service and an ordinary one both do, the packets are the mark's; false
   * where two of one kind do.
   */
  template <class Addr>
  static bool listen_at(Places<Addr>& listeners, const ListenSpec& place, const SnapshotSpec& spec,
                        uint32_t service);

  template <class Addr>
  const Places<Addr>& listeners() const {
    if constexpr (Addr::kFamily == 4) {
      return listeners4_;
    } else {
      return listeners6_;
    }
  }

  void place_one_packet_replies(const SnapshotSpec& spec);
  template <class Addr>
  void place_one_packet_reply(Places<Addr>& places, const Addr& server, uint16_t port,
                              const OnePacketReply& reply);
  template <class Addr>
  const Places<Addr>& one_packet_places() const {
    if constexpr (Addr::kFamily == 4) {
      return one_packet_places4_;
    } else {
      return one_packet_places6_;
    }
  }

  Places<wire::Addr4> listeners4_;
  Places<wire::Addr6> listeners6_;
  /** Whether anybody listens on every port; with a mark, and without. */
  bool any_port_of_mark_ = false, any_port_ = false;
  Places<wire::Addr4> one_packet_places4_;
  Places<wire::Addr6> one_packet_places6_;
  std::vector<OnePacketReply> one_packet_replies_;
  /** Real servers by protocol, address and port; empty without nat_icmp_send. */
  Places<wire::Addr4> real_endpoints4_;
  Places<wire::Addr6> real_endpoints6_;
  std::vector<uint32_t> server_at_;
  std::vector<uint8_t> service_present_;
  /** Services with equal timeouts share a class; class 0 is the kernel's defaults. */
  std::vector<std::array<uint32_t, flow::kStateCount>> timeout_classes_;
  std::vector<uint16_t> timeout_class_of_;  // by service slot
};

template <class Addr>
bool Snapshot::is_vip(const Addr& address) const {
  return listeners<Addr>().find(address, kVipMark, 0) != nullptr;
}

template <class Addr>
bool Snapshot::is_real_server(const Addr& address) const {
  return listeners<Addr>().find(address, kRealServerMark, 0) != nullptr;
}

template <class Addr>
Listener Snapshot::find_listener(uint8_t protocol, const Addr& address, wire::be16 port) const {
  const auto* exact = listeners<Addr>().find(address, protocol, port.host());
  const Service* service = exact ? &services[exact->service] : nullptr;
  if (service != nullptr && (service->mark != 0 || !any_port_of_mark_)) {
    return {service, service->mark != 0 ? uint16_t{0} : port.host()};
  }
  if (any_port_of_mark_ || (any_port_ && service == nullptr)) {
    const auto* whole = listeners<Addr>().find(address, protocol, 0);
    if (whole && (service == nullptr || services[whole->service].mark != 0)) {
      return {&services[whole->service], 0};
    }
  }
  return {service, port.host()};
}

template <class Addr>
const OnePacketReply* Snapshot::find_one_packet_reply(const Addr& address, wire::be16 port) const {
  if (one_packet_replies_.empty()) return nullptr;
  const auto* exact = one_packet_places<Addr>().find(address, wire::kProtoUdp, port.host());
  const auto* whole = one_packet_places<Addr>().find(address, wire::kProtoUdp, 0);
  if (exact == nullptr && whole == nullptr) return nullptr;
  if (exact == nullptr || whole == nullptr) return &one_packet_replies_[(exact ? exact : whole)->service];
  return &kAmbiguousReply;
}

template <class Addr>
const Service* Snapshot::find_service_of_server(uint8_t protocol, const Addr& address,
                                                wire::be16 port) const {
  const Places<Addr>* endpoints;
  if constexpr (Addr::kFamily == 4) {
    endpoints = &real_endpoints4_;
  } else {
    endpoints = &real_endpoints6_;
  }
  if (endpoints->entries.empty()) return nullptr;
  const auto* e = endpoints->find(address, protocol, port.host());
  return e ? &services[e->service] : nullptr;
}

}  // namespace vsnat::service
