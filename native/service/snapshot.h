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
#include <string>
#include <variant>
#include <vector>

#include "flow/tcp_state.h"
#include "service/load.h"
#include "service/locality.h"
#include "wire/address.h"
#include "wire/endian.h"

namespace vsnat::service {

/** An address of either family. */
struct IpAddress {
  uint8_t family = 0;  // 4 or 6
  wire::Addr4 v4{};
  wire::Addr6 v6{};

  template <class Addr>
  const Addr& get() const {
    if constexpr (Addr::kFamily == 4) {
      return v4;
    } else {
      return v6;
    }
  }
};

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

enum class PlanKind : uint8_t { cycle, hash, least, first, local };
enum class HashFunction : uint8_t { golden, siphash };
enum class HashOn : uint8_t { source, destination };
/** Which servers a least plan compares. */
enum class Among : uint8_t { all, idle_first, two };

/** src/model/plan.ts says what each kind means. */
struct Plan {
  PlanKind kind = PlanKind::cycle;
  std::vector<int32_t> lead;  // cycle
  /** cycle: the loop; hash: the slots (-1 empty); the others: the order servers are tried and ties broken in. */
  std::vector<int32_t> steps;
  // hash
  HashFunction function = HashFunction::golden;
  HashOn on = HashOn::source;
  bool use_port = false, fallback = false;
  // least; local knows the first two and is always weighted
  uint32_t active_cost = 0, inactive_cost = 0, constant = 0;
  bool weighted = false;
  Among among = Among::all;
  // first
  bool overflow = false;
  // local
  bool replicate = false;
  uint32_t forget_ticks = 0;
};

struct ServiceSpec {
  uint32_t slot = 0;
  std::vector<ListenSpec> listen;
  std::vector<ServerSpec> servers;
  Plan plan;
  flow::Timeouts timeouts;
};

enum class RemovedServer : uint8_t { reset, silent };

struct SnapshotSpec {
  std::vector<ServiceSpec> services;
  RemovedServer removed_server = RemovedServer::reset;
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
  wire::be16 port;
};

struct Service {
  uint32_t slot;
  uint8_t family;
  uint32_t first_server, server_count;  // in Snapshot::servers
  Plan plan;
  /** Steps a cycle plan has taken. Any worker; shared so that shares stay exact over all queues. */
  std::unique_ptr<std::atomic<uint64_t>> cursor;
  /** Of a local plan; null otherwise. */
  std::unique_ptr<Locality> locality;
};

class Snapshot {
 public:
  using Built = std::variant<std::unique_ptr<Snapshot>, std::string>;

  /** A snapshot, or the sentence that says where the spec is wrong. Nothing is published by building. */
  static Built build(const SnapshotSpec& spec, Limits limits, uint64_t generation);

  /** Take over what the local plans of `before`, now in use, have learnt. Control thread, before publishing. */
  void inherit(const Snapshot& before);

  template <class Addr>
  bool is_vip(const Addr& address) const;
  /** Whether some service has a real server there. */
  template <class Addr>
  bool is_real_server(const Addr& address) const;
  /** Null when nobody listens there. */
  template <class Addr>
  const Service* find_service(uint8_t protocol, const Addr& address, wire::be16 port) const;

  /** A server that left while its service stayed: its flows have nowhere to go. */
  bool server_gone(uint32_t server_slot, uint32_t service_slot) const {
    return server_at_[server_slot] == kAbsent && service_present_[service_slot] != 0;
  }
  /** Null when the slot is not in this snapshot. */
  const Server* server_at(uint32_t slot) const {
    return server_at_[slot] == kAbsent ? nullptr : &servers[server_at_[slot]];
  }

  uint64_t generation = 0;
  RemovedServer removed_server = RemovedServer::reset;
  std::vector<Service> services;
  std::vector<Server> servers;

  /**
   * Ticks an idle flow of this service stays in `state`. By service slot, so that a flow keeps its service's timeouts
   * across reloads and gets changed ones with its next packet; the kernel's defaults when the service is gone.
   */
  uint32_t timeout_ticks(uint32_t service_slot, flow::State state) const {
    return timeout_classes_[timeout_class_of_[service_slot]][size_t(state)];
  }

 private:
  static constexpr uint32_t kAbsent = 0xffffffff;
  // Protocol numbers no service can have (RFC 5237: 253, 254 are for experiments).
  static constexpr uint8_t kVipMark = 253, kRealServerMark = 254;

  /** Open addressing, at most half full; keys are configured, not chosen by strangers. */
  template <class Addr>
  struct Listeners {
    struct Entry {
      Addr address{};
      uint16_t port = 0;  // host order; 0 in the two marks below, which say something of an address alone
      uint8_t protocol = 0;
      bool used = false;
      uint32_t service = 0;
    };
    std::vector<Entry> entries;
    uint32_t mask = 0;

    void reserve(size_t listeners);
    static uint32_t hash(const Addr& address, uint8_t protocol, uint16_t port) {
      uint32_t h = address.fold() * 0x9e3779b1u;
      h ^= (uint32_t(port) << 8 | protocol) * 0x85ebca6bu;
      return h ^ h >> 15;
    }
    const Entry* find(const Addr& address, uint8_t protocol, uint16_t port) const {
      for (uint32_t i = hash(address, protocol, port) & mask;; i = (i + 1) & mask) {
        const Entry& e = entries[i];
        if (!e.used) return nullptr;
        if (e.port == port && e.protocol == protocol && e.address == address) return &e;
      }
    }
    /** False when the key is already there. */
    bool insert(const Addr& address, uint8_t protocol, uint16_t port, uint32_t service);
  };

  /** For each server of `service`, its index within `next`, or Locality::kGone. */
  std::vector<uint32_t> moved_servers(const Snapshot& before, const Service& service,
                                      const Service& next) const;

  template <class Addr>
  const Listeners<Addr>& listeners() const {
    if constexpr (Addr::kFamily == 4) {
      return listeners4_;
    } else {
      return listeners6_;
    }
  }

  Listeners<wire::Addr4> listeners4_;
  Listeners<wire::Addr6> listeners6_;
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
const Service* Snapshot::find_service(uint8_t protocol, const Addr& address, wire::be16 port) const {
  const auto* e = listeners<Addr>().find(address, protocol, port.host());
  return e ? &services[e->service] : nullptr;
}

}  // namespace vsnat::service
